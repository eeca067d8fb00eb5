"""What is not in service for long is an alert: that nobody is called because something is idle is never silent.

A pause, with those of the same scope that it follows on without an hour between, counts as one. Such an alert is told
when it has lasted for `[alerts] remind_after_s`, again each time that as much has passed, and resolves when it is over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, select

from frostline_cloud.alerts import lookout
from frostline_cloud.instant import utc
from frostline_cloud.rules import Pause
from frostline_cloud.sql.tables import alert, pause
from frostline_core.rules import OPEN, WORSE, Phase, RuleSet, Series, Transition, parse

EVERY_S: Final = 60.0
RULE: Final = "frostline-not-in-service"
DAYS: Final = "days_not_in_service"
KIND: Final = "asset"
FOLLOWS_MS: Final = 3_600_000
"""A pause that begins so long after another of its scope goes on with it."""
_DAY_MS: Final = 86_400_000
_Key = tuple[str, str, str]

_RULES: Final = RuleSet.of(
    [
        parse(
            {
                "id": RULE,
                "title": "Not in service for long",
                "type": "threshold",
                "severity": "warning",
                "above": 0.0,
                "select": {"kind": KIND, "metric": DAYS},
            },
            "built in",
        )
    ]
)


@dataclass(frozen=True, slots=True)
class Lasting:
    """Something that is not in service now.

    Attributes:
        pause: The pause in force; of several the one that ends last.
        since_ms: Since when it has been paused.
    """

    pause: Pause
    since_ms: int

    @property
    def key(self) -> _Key:
        """Site, gateway and device; "" is all of them."""
        return (self.pause.site, self.pause.node, self.pause.device)

    def days(self, now_ms: int) -> float:
        """For how many days."""
        return (now_ms - self.since_ms) / _DAY_MS


def watch(engine: Engine, receivers: Sequence[str], after_ms: int, now_ms: int) -> int:
    """Reminds of what is not in service for long, and resolves what is over; returns how many changed.

    Args:
        engine: SQL.
        receivers: Names of those who are told.
        after_ms: After how long it is told, and each time that as much has passed.
        now_ms: UTC.

    Raises:
        UnavailableError: SQL does not answer.
    """
    return lookout.report(engine, lambda connection: _changes(connection, after_ms, now_ms), _RULES, receivers, now_ms)


def lasting(connection: Connection, now_ms: int) -> list[Lasting]:
    """Everything that is paused now, and since when, by scope."""
    query = select(pause).where(pause.c.from_ms <= now_ms, pause.c.to_ms > now_ms)
    in_force: dict[_Key, Pause] = {}
    for row in connection.execute(query.order_by(pause.c.to_ms)):
        found = Pause.of(row)
        in_force[found.site, found.node, found.device] = found
    return [Lasting(each, _since(connection, each)) for _, each in sorted(in_force.items())]


def _since(connection: Connection, wanted: Pause) -> int:
    """When the first of the pauses began that follow on each other up to this one."""
    since_ms = wanted.from_ms
    scope = (pause.c.site == wanted.site, pause.c.node == wanted.node, pause.c.device == wanted.device)
    query = select(pause.c.from_ms, pause.c.to_ms).where(*scope, pause.c.to_ms > pause.c.from_ms)
    for from_ms, to_ms in connection.execute(query.order_by(pause.c.to_ms.desc())):
        if from_ms < since_ms <= to_ms + FOLLOWS_MS:
            since_ms = from_ms
    return since_ms


def _changes(connection: Connection, after_ms: int, now_ms: int) -> list[Transition]:
    known = _open(connection)
    now = {each.key: each for each in lasting(connection, now_ms)}
    changes = []
    for key, each in now.items():
        times = (now_ms - each.since_ms) // after_ms
        if times and key not in known:
            changes.append(_transition(each, Phase.OK, after_ms, now_ms, _note(each)))
        elif times and times > round(known[key] * _DAY_MS) // after_ms:
            changes.append(_transition(each, Phase.FIRING, after_ms, now_ms, WORSE))
    for key in known.keys() - now.keys():
        series = _series(key)
        changes.append(
            Transition(RULE, series, Phase.FIRING, Phase.RESOLVED, now_ms, None, None, "in service again")
        )  # fmt: skip
    return changes


def _transition(each: Lasting, before: Phase, after_ms: int, now_ms: int, note: str) -> Transition:
    facts = {
        "asset_state": each.pause.state.value,
        "since_ms": each.since_ms,
        "until_ms": each.pause.to_ms,
        "reason": each.pause.reason,
        "author": each.pause.author,
    }
    limit = after_ms / _DAY_MS
    series = _series(each.key)
    return Transition(RULE, series, before, Phase.FIRING, now_ms, each.days(now_ms), limit, note, facts=facts)


def _series(key: _Key) -> Series:
    return Series(*key, KIND, "", DAYS)


def _note(each: Lasting) -> str:
    found = each.pause
    return f"{found.state.value} since {utc(each.since_ms)}, until {utc(found.to_ms)}: {found.reason}"


def _open(connection: Connection) -> Mapping[_Key, float]:
    """The alerts that are open, and how many days they told of last."""
    states = [phase.value for phase in OPEN]
    columns = (alert.c.site, alert.c.node, alert.c.device, alert.c.value)
    query = select(*columns).where(alert.c.rule == RULE, alert.c.state.in_(states))
    return {(row.site, row.node, row.device): row.value or 0.0 for row in connection.execute(query)}
