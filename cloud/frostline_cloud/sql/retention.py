"""What SQL may forget, and when: each kind of row after so many days, a bounded amount of work at a time.

Nothing that is open is forgotten: no alert that is not resolved, no notification that waits, no run that a gateway may
still hold, no day whose account does not add up. What the promise counts is never forgotten, only told more briefly:
old losses become one entry of their gateway, old days of the account one row.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Final

from pydantic import Field
from sqlalchemy import ColumnElement, Connection, Engine, Table, and_, delete, func, select

from frostline_cloud.sql import letters, sums
from frostline_cloud.sql.engine import read_only, translated
from frostline_cloud.sql.letters import Amount
from frostline_cloud.sql.tables import alert, duty_override, local_action, metadata, node, outbox, pause, run, silence
from frostline_core.config import ConfigModel
from frostline_core.rules import Phase

log = logging.getLogger("frostline.retention")

DAY_MS: Final = 24 * 3600 * 1000

RUN_KEEP_MS: Final = 400 * DAY_MS
"""How long a finished run is remembered (commit protocol, section 8)."""

AT_ONCE: Final = 500
"""Rows in one transaction: while it lasts, SQLite lets nobody else write."""

MOST_STEPS: Final = 10
"""Transactions for each kind of rows in one go."""

YEARS_5: Final = 1830
"""At least five years: what the EU's guidelines on good distribution practice ask of records (2013/C 343/01, 4.2)."""


class RetentionConfig(ConfigModel):
    """The `[retention]` table of cloud.toml: how long SQL keeps what is over. 0 days is for ever."""

    alert_days: int = Field(
        default=YEARS_5,
        description="Resolved alerts, with everything that hangs on them; silences, pauses and overrides that are "
        "over. 0 is for ever.",
        ge=0,
    )
    notification_days: int = Field(
        default=400, description="Notifications that are done, and each attempt to deliver them. 0 is for ever.", ge=0
    )
    notification_rows: int = Field(
        default=1_000_000,
        description="Notifications that are done, at most; the oldest go first.",
        ge=1_000,
        le=1_000_000_000,
    )
    loss_days: int = Field(
        default=YEARS_5,
        description="Entries of the list of losses one by one; older ones become one sum for each gateway.",
        ge=0,
    )
    account_days: int = Field(
        default=YEARS_5,
        description="The account day by day; older days become one sum for each gateway.",
        ge=0,
    )
    dead_letter_days: int = Field(
        default=400, description="Dead letters; one that was not taken in by then is listed as lost.", ge=0
    )
    dead_letter_rows: int = Field(
        default=100_000,
        description="Dead letters, at most: those that were taken in go first, then the oldest, listed as lost.",
        ge=1_000,
        le=100_000_000,
    )
    dead_letter_mib: int = Field(default=256, description="The same in MiB.", ge=1, le=1_048_576)

    @property
    def letters(self) -> Amount:
        """The most dead letters."""
        return Amount(self.dead_letter_rows, self.dead_letter_mib * 1024 * 1024)


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of rows.

    Attributes:
        name: For the log.
        find: What is due, at most `AT_ONCE`; only reads, so that nobody waits for it.
        forget: Forgets of what was found what still is due; returns how many rows.
    """

    name: str
    find: Callable[[Connection], list[Any]]
    forget: Callable[[Connection, list[Any]], int]


def tidy(engine: Engine, config: RetentionConfig, now_ms: int, most_steps: int = MOST_STEPS) -> int:
    """Forgets what is due: of each kind at most `most_steps` times `AT_ONCE` rows; the rest is for the next time.

    Args:
        engine: SQL.
        config: After how many days.
        now_ms: UTC.
        most_steps: Transactions of one kind, at most.

    Returns:
        How many rows are gone, besides those that hung on them.

    Raises:
        UnavailableError: SQL does not answer; what was forgotten until then is.
    """
    gone = 0
    for kind in _kinds(config, now_ms):
        of_kind = 0
        for _ in range(most_steps):
            with translated("SQL"), read_only(engine).connect() as connection:
                found = kind.find(connection)
            if not found:
                break
            with translated("SQL"), engine.begin() as connection:
                of_kind += kind.forget(connection, found)
        if of_kind:
            log.info("%d %s are past their time", of_kind, kind.name)
        gone += of_kind
    return gone


def _kinds(config: RetentionConfig, now_ms: int) -> Iterator[_Kind]:
    bound, days = config.letters, config.dead_letter_days
    yield _letters(partial(letters.beyond, bound=bound, most=AT_ONCE), letters.full(bound), now_ms)
    if days:
        old = partial(letters.older, cutoff_ms=now_ms - days * DAY_MS, most=AT_ONCE)
        yield _letters(old, f"older than {days} days", now_ms)
    yield _Kind("runs", partial(_old_runs, now_ms - RUN_KEEP_MS), _forget_runs)
    yield _Kind("notifications", partial(_beyond, config.notification_rows), _forget_notices)
    if config.notification_days:
        done = outbox.c.done_ms < now_ms - config.notification_days * DAY_MS
        yield _rows("notifications", outbox, and_(outbox.c.state != "waiting", done))
    if config.alert_days:
        over = alert.c.resolved_ms < now_ms - config.alert_days * DAY_MS
        yield _rows("alerts", alert, and_(alert.c.state == Phase.RESOLVED.value, over))
        ended_ms = now_ms - config.alert_days * DAY_MS
        yield _rows("silences", silence, silence.c.to_ms < ended_ms)
        yield _rows("overrides of rotations", duty_override, duty_override.c.to_ms < ended_ms)
        newest = select(func.max(pause.c.revision)).scalar_subquery()  # it says whether anything has changed
        yield _rows("pauses", pause, and_(pause.c.to_ms < ended_ms, pause.c.revision < newest))
        yield _rows("actions of outputs", local_action, local_action.c.noted_ms < now_ms - config.alert_days * DAY_MS)
    if config.loss_days:
        cutoff_ms = now_ms - config.loss_days * DAY_MS
        summed = partial(sums.sum_up, cutoff_ms=cutoff_ms, most=AT_ONCE)
        yield _Kind("entries of the list of losses", partial(sums.old_losses, cutoff_ms=cutoff_ms), summed)
    if config.account_days:
        last = time.strftime("%Y-%m-%d", time.gmtime(now_ms / 1000 - config.account_days * 86_400))
        for ledger in (sums.SAMPLES, sums.READINGS):
            yield _Kind("days of the account", partial(ledger.old, last=last, most=AT_ONCE), ledger.close)


def _letters(find: Callable[[Connection], list[int]], why: str, now_ms: int) -> _Kind:
    return _Kind("dead letters", find, partial(letters.drop, why=why, now_ms=now_ms))


# ---- rows with a number of their own ---------------------------------------------------------------------------------
def _rows(name: str, table: Table, condition: ColumnElement[bool]) -> _Kind:
    def find(connection: Connection) -> list[Any]:
        return list(connection.scalars(select(table.c.id).where(condition).limit(AT_ONCE)))

    def forget(connection: Connection, found: list[Any]) -> int:
        still = list(connection.scalars(select(table.c.id).where(table.c.id.in_(found), condition)))
        _drop(connection, table, still)
        return len(still)

    return _Kind(name, find, forget)


def _drop(connection: Connection, table: Table, ids: list[Any]) -> None:
    """Deletes rows, and first whatever refers to them."""
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        for child in metadata.sorted_tables:
            for key in child.foreign_keys:
                if key.column.table is table:
                    of_them = select(child.c.id).where(key.parent.in_(some))
                    _drop(connection, child, list(connection.scalars(of_them)))
        connection.execute(delete(table).where(table.c.id.in_(some)))


# ---- notifications that are too many ---------------------------------------------------------------------------------
def _beyond(most: int, connection: Connection) -> list[str]:
    """The oldest that are done, where there are more than `most`."""
    done = outbox.c.state != "waiting"
    count = connection.scalar(select(func.count()).select_from(outbox).where(done)) or 0
    if count <= most:
        return []
    oldest = select(outbox.c.id).where(done).order_by(outbox.c.done_ms, outbox.c.id)
    return list(connection.scalars(oldest.limit(min(AT_ONCE, count - most))))


def _forget_notices(connection: Connection, found: list[str]) -> int:
    done = (outbox.c.id.in_(found), outbox.c.state != "waiting")
    still = list(connection.scalars(select(outbox.c.id).where(*done)))
    _drop(connection, outbox, still)
    return len(still)


# ---- runs ------------------------------------------------------------------------------------------------------------
def _old_runs(cutoff_ms: int, connection: Connection) -> list[str]:
    """Runs that ended before, all of them committed, and that no gateway holds.

    Runs of a node whose held runs are not known stay: forgetting one could hide a loss.
    """
    held = {(row.site, row.node): row.held for row in connection.execute(select(node.c.site, node.c.node, node.c.held))}
    over = and_(run.c.committed >= run.c.announced, run.c.at_ms < cutoff_ms)
    old = connection.execute(select(run.c.run, run.c.site, run.c.node).where(over))
    return list(islice((row.run for row in old if _released(row.run, held.get((row.site, row.node)))), AT_ONCE))


def _forget_runs(connection: Connection, found: list[str]) -> int:
    joined = run.join(node, and_(run.c.site == node.c.site, run.c.node == node.c.node))
    over = and_(run.c.run.in_(found), run.c.committed >= run.c.announced)
    rows = connection.execute(select(run.c.run, node.c.held).select_from(joined).where(over)).all()
    still = [row.run for row in rows if _released(row.run, row.held)]
    connection.execute(delete(run).where(run.c.run.in_(still)))
    return len(still)


def _released(number: str, held: list[str] | None) -> bool:
    return held is not None and number not in held
