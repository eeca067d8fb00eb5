"""What ingest writes to SQL: commit protocol, registry, rule state, account, dead letters. Statements, no decisions.

Every function takes the open connection of a transaction; who begins and ends it decides what is one atom.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from frostline_cloud.ingest.series import DeviceKey
from frostline_cloud.sql.statement import filled
from frostline_cloud.sql.tables import (
    account,
    dead_letter,
    loss,
    node,
    rule_state,
    run,
    series_clock,
    setting,
)
from frostline_cloud.sql.upsert import upsert
from frostline_core.commit.account import GatewayAccount
from frostline_core.rules import Series

_COMMITTED = f"SELECT run, committed FROM {run.name} WHERE run IN ({{marks}})"  # noqa: S608 - names of our own
_MOVE = (
    f"UPDATE {run.name} SET committed = {{mark}}, at_ms = {{mark}} "  # noqa: S608
    "WHERE run = {mark} AND committed = {mark}"
)
_SAVE_CLOCK = (
    f"INSERT INTO {series_clock.name} (site, node, device, clock) VALUES ({{marks}}) "  # noqa: S608
    "ON CONFLICT (site, node, device) DO UPDATE SET clock = excluded.clock"
)
_SAVE_STATE = (
    f"INSERT INTO {rule_state.name} (rule, site, node, device, metric, state, at_ms) VALUES ({{marks}}) "  # noqa: S608
    "ON CONFLICT (rule, site, node, device, metric) DO UPDATE SET state = excluded.state, at_ms = excluded.at_ms"
)
_DROP_STATE = (
    f"DELETE FROM {rule_state.name} WHERE rule = {{mark}} AND site = {{mark}} AND node = {{mark}} "  # noqa: S608
    "AND device = {mark} AND metric = {mark}"
)
_ADD_ACCOUNT = (
    f"INSERT INTO {account.name} AS old (site, node, day, received, written, dead_lettered, duplicate) "  # noqa: S608
    "VALUES ({marks}) ON CONFLICT (site, node, day) DO UPDATE SET received = old.received + excluded.received, "
    "written = old.written + excluded.written, dead_lettered = old.dead_lettered + excluded.dead_lettered, "
    "duplicate = old.duplicate + excluded.duplicate"
)


_MOST_MARKS = 500
"""Parameters of one statement; SQLite takes 999 or more."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Numbers of a run, or samples of a plain node, that will never come; `entries` of them in one."""

    site: str
    node: str
    run: str | None
    first: int | None
    last: int | None
    reason: str
    samples: int | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    entries: int = 1


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Something that cannot be stored, with its bytes as they came.

    Attributes:
        samples: So many samples are counted as dead-lettered because of it.
        names: Alias to metric name and type, as births said when it came; None where nobody knew.
        run: Of the batch that is listed as lost because of it; None where none is.
        n: Its number.
    """

    site: str
    node: str
    device: str
    topic: str
    reason: str
    raw: bytes
    samples: int = 0
    names: dict[str, list[object]] | None = None
    run: str | None = None
    n: int | None = None


@dataclass(slots=True)
class AccountDelta:
    """Samples since the last transaction: received = written + dead_lettered + duplicate."""

    received: int = 0
    written: int = 0
    dead_lettered: int = 0
    duplicate: int = 0


@dataclass(slots=True)
class Extra:
    """What was noted between two flushes and belongs into the next transaction."""

    duplicates: dict[tuple[str, str], int] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)
    buried: list[DeadLetter] = field(default_factory=list)
    told: dict[tuple[str, str], GatewayAccount] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.duplicates or self.losses or self.buried or self.told)

    def before(self, later: Extra) -> Extra:
        """This, and what was noted after it."""
        duplicates = dict(self.duplicates)
        for owner, count in later.duplicates.items():
            duplicates[owner] = duplicates.get(owner, 0) + count
        return Extra(duplicates, self.losses + later.losses, self.buried + later.buried, self.told | later.told)


# ---- commit protocol ----------------------------------------------------------------
def committed(connection: Connection, runs: Iterable[str]) -> dict[str, int]:
    """What is committed of each of these runs; runs that nobody has heard of are absent."""
    wanted = tuple(runs)
    if not wanted:
        return {}
    found: dict[str, int] = {}
    for start in range(0, len(wanted), _MOST_MARKS):
        some = wanted[start : start + _MOST_MARKS]
        rows = connection.exec_driver_sql(filled(connection, _COMMITTED, len(some)), some)
        found |= dict(rows.all())
    return found


def move_committed(connection: Connection, moves: Sequence[tuple[str, int, int]], now_ms: int) -> bool:
    """Compare and swap for each (run, known, new); False when another process has moved one of them."""
    if not moves:
        return True
    rows = [(new, now_ms, text, known) for text, known, new in moves]
    return connection.exec_driver_sql(filled(connection, _MOVE), rows).rowcount == len(rows)


def open_run(connection: Connection, run_id: str, owner: tuple[str, str], stream: int, now_ms: int) -> None:
    """A run that this host hears of for the first time; its node holds it."""
    values = {"site": owner[0], "node": owner[1], "stream": stream, "committed": 0, "announced": 0, "at_ms": now_ms}
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    opened = dialect.insert(run).values(run=run_id, **values)
    connection.execute(opened.on_conflict_do_update(index_elements=["run"], set_={"stream": stream}))
    row = connection.execute(select(node.c.spool, node.c.held).where(_is_node(*owner))).one_or_none()
    if (
        row is not None
        and row.held is not None
        and run_id not in row.held
        and row.spool
        and run_id[:4] == row.spool[-4:]
    ):
        connection.execute(update(node).where(_is_node(*owner)).values(held=[*row.held, run_id]))


def list_losses(connection: Connection, losses: Sequence[Loss], now_ms: int) -> None:
    """Writes what will never come, and why."""
    if losses:
        rows = [
            {name: getattr(each, name) for name in Loss.__dataclass_fields__} | {"at_ms": now_ms} for each in losses
        ]
        connection.execute(loss.insert(), rows)


# ---- rules ----------------------------------------------------------------
def all_rule_states(connection: Connection) -> dict[DeviceKey, dict[str, dict[str, dict[str, object]]]]:
    """Every saved state: device to metric to rule id to state."""
    found: dict[DeviceKey, dict[str, dict[str, dict[str, object]]]] = {}
    for row in connection.execute(select(rule_state)):
        of_device = found.setdefault(DeviceKey(row.site, row.node, row.device), {})
        of_device.setdefault(row.metric, {})[row.rule] = row.state
    return found


def save_rule_states(
    connection: Connection, states: Sequence[tuple[str, Series, dict[str, object] | None]], now_ms: int
) -> None:
    """Writes changed states; None deletes the row."""
    kept = [(rule, *_place(series), orjson.dumps(state).decode(), now_ms) for rule, series, state in states if state]
    if kept:
        connection.exec_driver_sql(filled(connection, _SAVE_STATE, 7), kept)
    gone = [(rule, *_place(series)) for rule, series, state in states if not state]
    if gone:
        connection.exec_driver_sql(filled(connection, _DROP_STATE), gone)


def save_clocks(connection: Connection, clocks: Iterable[tuple[DeviceKey, bytes]]) -> None:
    """Writes event times; see `clocks`."""
    rows = [(key.site, key.node, key.device, raw) for key, raw in clocks]
    if rows:
        connection.exec_driver_sql(filled(connection, _SAVE_CLOCK, 4), rows)


# ---- account, dead letters ----------------------------------------------------------------
def add_account(connection: Connection, deltas: Mapping[tuple[str, str], AccountDelta], day: str) -> None:
    """Adds to the day's account of each node."""
    rows = [
        (*owner, day, delta.received, delta.written, delta.dead_lettered, delta.duplicate)
        for owner, delta in deltas.items()
    ]
    if rows:
        connection.exec_driver_sql(filled(connection, _ADD_ACCOUNT, 7), rows)


def bury(connection: Connection, letters: Sequence[DeadLetter], now_ms: int) -> None:
    """Writes dead letters."""
    if letters:
        rows = [
            {name: getattr(each, name) for name in DeadLetter.__dataclass_fields__}
            | {"at_ms": now_ms, "size": len(each.raw)}
            for each in letters
        ]
        connection.execute(dead_letter.insert(), rows)


def put_setting(connection: Connection, key: str, value: str) -> None:
    """Writes one setting."""
    upsert(connection, setting, [{"key": key, "value": value}])


def _place(series: Series) -> tuple[str, str, str, str]:
    return series.site, series.node, series.device, series.metric


def _is_node(site_id: str, node_id: str) -> Any:
    return (node.c.site == site_id) & (node.c.node == node_id)
