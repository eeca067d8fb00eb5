"""What ingest writes to SQL: commit protocol, registry, rule state, account, dead letters. Statements, no decisions.

Every function takes the open connection of a transaction; who begins and ends it decides what is one atom.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import orjson
from sqlalchemy import Connection, bindparam, select, tuple_, update

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
_OPEN_RUN = (
    f"INSERT INTO {run.name} (run, site, node, stream, committed, announced, at_ms) VALUES ({{marks}}) "  # noqa: S608
    "ON CONFLICT (run) DO UPDATE SET stream = excluded.stream"
)
_HELD = (
    update(node)
    .where(node.c.site == bindparam("b_site"), node.c.node == bindparam("b_node"))
    .values(held=bindparam("b_held"))
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
class OpenedRun:
    """A run at its first message.

    Attributes:
        run: As `run_text` writes it.
        owner: Site and node.
        stream: What it belongs to.
    """

    run: str
    owner: tuple[str, str]
    stream: int


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


def open_runs(connection: Connection, opened: Iterable[OpenedRun], now_ms: int) -> None:
    """Runs that this host hears of for the first time; their nodes hold them."""
    runs = sorted(opened, key=lambda each: each.run)  # two ingests lock rows in the same order
    if not runs:
        return
    rows = [(each.run, *each.owner, each.stream, 0, 0, now_ms) for each in runs]
    connection.exec_driver_sql(filled(connection, _OPEN_RUN, 7), rows)
    by_owner: dict[tuple[str, str], list[str]] = {}
    for each in runs:
        by_owner.setdefault(each.owner, []).append(each.run)
    held: list[dict[str, object]] = []
    owners = sorted(by_owner)
    for start in range(0, len(owners), _MOST_MARKS // 2):
        some = owners[start : start + _MOST_MARKS // 2]
        query = select(node.c.site, node.c.node, node.c.spool, node.c.held)
        for row in connection.execute(query.where(tuple_(node.c.site, node.c.node).in_(some))):
            new = [text for text in by_owner[row.site, row.node] if _is_held(text, row.spool, row.held)]
            if new:
                held.append({"b_site": row.site, "b_node": row.node, "b_held": [*row.held, *new]})
    if held:
        connection.execute(_HELD, sorted(held, key=lambda each: (each["b_site"], each["b_node"])))


def _is_held(run_id: str, spool: str | None, held: Sequence[str] | None) -> bool:
    """Whether a new run is of the spool of which a birth told all that it holds."""
    return held is not None and run_id not in held and bool(spool) and run_id[:4] == str(spool)[-4:]


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
