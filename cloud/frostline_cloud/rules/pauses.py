"""When devices are not in service: maintenance windows and idle equipment, as rows with an end.

While a pause lasts, in event time, the rules of its devices open nothing; hard limits do, and what is open stays open.
Every pause has an end, so that nobody has to remember to switch alerts on again.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, func, insert, select, update

from frostline_cloud.sql import read_only, translated
from frostline_cloud.sql.tables import pause
from frostline_core.errors import ConfigError, UnavailableError
from frostline_core.rules import Evaluator, Series
from frostline_core.rules.standstill import Span

log = logging.getLogger("frostline.rules")

_DAY_MS = 24 * 3600 * 1000
LONGEST_MS: Final = {"maintenance": 30 * _DAY_MS, "idle": 400 * _DAY_MS}
"""How long a pause of each kind may last."""
MOST_PAUSES: Final = 10_000
"""How many may be in force or to come at once."""
_LOOK_BACK_MS: Final = 40 * _DAY_MS  # a backlog may be so old
_TEXT_LENGTH: Final = 1000


class AssetState(StrEnum):
    """Whether a device is in use; the two others are kinds of pauses."""

    IN_SERVICE = "in_service"
    IDLE = "idle"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True)
class Pause:
    """One span of time in which devices are not in service.

    Attributes:
        id: Its number; 0 before it is written.
        state: IDLE or MAINTENANCE.
        site: The site.
        node: The gateway; "" for all of the site.
        device: The device; "" for all of the gateway.
        from_ms: Event time at which it begins.
        to_ms: Event time at which it ends.
        reason: Why.
        author: Who.
    """

    id: int
    state: AssetState
    site: str
    node: str
    device: str
    from_ms: int
    to_ms: int
    reason: str
    author: str

    @classmethod
    def of(cls, row: Row[Any]) -> Pause:
        """A row of SQL."""
        scope = (row.site, row.node, row.device)
        return cls(row.id, AssetState(row.state), *scope, row.from_ms, row.to_ms, row.reason, row.author)

    def covers(self, site: str, node: str, device: str) -> bool:
        """Whether a device is meant; what a gateway says of itself has the device ""."""
        return self.site == site and self.node in ("", node) and self.device in ("", device)


def add_pause(connection: Connection, wanted: Pause, now_ms: int) -> int:
    """Writes a pause and returns its number.

    Raises:
        ConfigError: It has no reason, no or a wrong span, lasts too long, or there are too many.
    """
    if wanted.state is AssetState.IN_SERVICE:
        raise ConfigError("a pause is idle or maintenance; to be in service again, end the pause")
    if not wanted.reason.strip() or len(wanted.reason) > _TEXT_LENGTH:
        raise ConfigError(f"a pause needs a reason of 1 to {_TEXT_LENGTH} characters")
    if wanted.device and not wanted.node:
        raise ConfigError("a device belongs to a gateway: give both")
    longest = LONGEST_MS[wanted.state.value]
    if not 0 < wanted.to_ms - wanted.from_ms <= longest:
        raise ConfigError(f"a pause for {wanted.state.value} ends after it begins, within {longest // _DAY_MS} days")
    if wanted.to_ms <= now_ms - _LOOK_BACK_MS:
        raise ConfigError(f"a pause that ended more than {_LOOK_BACK_MS // _DAY_MS} days ago changes nothing")
    count = connection.scalar(select(func.count()).select_from(pause).where(pause.c.to_ms > now_ms))
    if (count or 0) >= MOST_PAUSES:
        raise ConfigError(f"there are {MOST_PAUSES} pauses already")
    row = {name: getattr(wanted, name) for name in Pause.__dataclass_fields__ if name != "id"}
    row |= {"state": wanted.state.value, "changed_ms": now_ms, "revision": _revision(connection)}
    made = connection.execute(insert(pause).values(**row)).inserted_primary_key
    return int(made[0]) if made is not None else 0


def end_pause(connection: Connection, pause_id: int, now_ms: int) -> bool:
    """Ends a pause now; one that has not begun stays as an empty span, so that one sees what was planned.

    Returns:
        Whether there was anything to end.
    """
    row = connection.execute(select(pause).where(pause.c.id == pause_id)).one_or_none()
    if row is None or row.to_ms <= now_ms:
        return False
    values = {"to_ms": max(row.from_ms, now_ms), "changed_ms": now_ms, "revision": _revision(connection)}
    connection.execute(update(pause).where(pause.c.id == pause_id).values(**values))
    return True


def pauses(connection: Connection, since_ms: int, site: str | None = None, limit: int = MOST_PAUSES) -> list[Pause]:
    """The pauses that end after an instant, by their beginning."""
    query = select(pause).where(pause.c.to_ms > since_ms).order_by(pause.c.from_ms, pause.c.id).limit(limit)
    if site is not None:
        query = query.where(pause.c.site == site)
    return [Pause.of(row) for row in connection.execute(query)]


def asset_state(known: Sequence[Pause], site: str, node: str, device: str, at_ms: int) -> AssetState:
    """What a device is at an instant; maintenance goes before idle."""
    states = {each.state for each in known if each.covers(site, node, device) and each.from_ms <= at_ms < each.to_ms}
    if AssetState.MAINTENANCE in states:
        return AssetState.MAINTENANCE
    return AssetState.IDLE if states else AssetState.IN_SERVICE


class Pauses:
    """What ingest knows of pauses: looked up each second, and told to the evaluator when they have changed.

    While SQL does not answer, what was known counts. Of pauses that are over, those of the last 40 days are known, as
    far as there are not more than `MOST_PAUSES` with those in force and to come.

    Attributes:
        revision: Of what is known: another number for other pauses; -1 before SQL has answered.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.revision = -1
        self._by_site: dict[str, list[Pause]] = {}
        self._told: Evaluator | None = None

    def refresh(self, evaluator: Evaluator, now_ms: int) -> None:
        """Tells the evaluator of pauses if they, or it, are not the same as at the last call."""
        try:
            changed = self._read(now_ms)
        except UnavailableError as error:
            log.debug("pauses could not be read: %s", error)
            return
        if changed or self._told is not evaluator:
            evaluator.pause(self.spans)
            self._told = evaluator

    def spans(self, series: Series) -> list[tuple[int, int]]:
        """The spans of event time in which a series is paused."""
        known = self._by_site.get(series.site, ())
        return [(each.from_ms, each.to_ms) for each in known if each.covers(series.site, series.node, series.device)]

    def of_node(self, site: str, node: str) -> list[Span]:
        """The pauses of a gateway, as it is told of them."""
        known = [each for each in self._by_site.get(site, ()) if each.node in ("", node)]
        return [Span(each.device, each.from_ms, each.to_ms) for each in known]

    def _read(self, now_ms: int) -> bool:
        with translated("SQL"), read_only(self._engine).connect() as connection:
            revision = connection.scalar(select(func.max(pause.c.revision))) or 0
            if revision == self.revision:
                return False
            found = _known(connection, now_ms - _LOOK_BACK_MS)
        was_empty = not self._by_site
        self.revision, self._by_site = revision, {}
        for each in found:
            self._by_site.setdefault(each.site, []).append(each)
        return not (was_empty and not found)


def _known(connection: Connection, since_ms: int) -> list[Pause]:
    """Those that end last: what is in force or to come is among them, however many are over."""
    query = select(pause).where(pause.c.to_ms > since_ms).order_by(pause.c.to_ms.desc(), pause.c.id)
    return [Pause.of(row) for row in connection.execute(query.limit(MOST_PAUSES))]


def _revision(connection: Connection) -> int:
    return (connection.scalar(select(func.max(pause.c.revision))) or 0) + 1
