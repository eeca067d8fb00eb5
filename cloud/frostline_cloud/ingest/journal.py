"""What ingest writes to SQL: commit protocol, registry, rule state, account, dead letters. Statements, no decisions.

Every function takes the open connection of a transaction; who begins and ends it decides what is one atom.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import Connection, Insert, Table, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from frostline_cloud.ingest.series import DeviceKey
from frostline_cloud.sql.tables import (
    account,
    dead_letter,
    device,
    loss,
    metric,
    node,
    rule_state,
    run,
    series_clock,
    setting,
    site,
)
from frostline_core.commit import Runs, run_text
from frostline_core.reading import DeviceDescription
from frostline_core.rules import Series

_COMMITTED = select(run.c.run, run.c.committed).where(run.c.run.in_(bindparam("b_runs", expanding=True)))
_SAVE_CLOCK = (
    f"INSERT INTO {series_clock.name} (site, node, device, clock) VALUES ({{}}) "  # noqa: S608 - names of our own
    "ON CONFLICT (site, node, device) DO UPDATE SET clock = excluded.clock"
)
_MOVE = (
    update(run)
    .where(run.c.run == bindparam("b_run"), run.c.committed == bindparam("b_known"))
    .values(committed=bindparam("b_new"), at_ms=bindparam("b_now"))
)


@dataclass(frozen=True, slots=True)
class Loss:
    """Numbers of a run, or samples of a plain node, that will never come."""

    site: str
    node: str
    run: str | None
    first: int | None
    last: int | None
    reason: str
    samples: int | None = None
    from_ms: int | None = None
    to_ms: int | None = None


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

    def __bool__(self) -> bool:
        return bool(self.duplicates or self.losses or self.buried)

    def before(self, later: Extra) -> Extra:
        """This, and what was noted after it."""
        duplicates = dict(self.duplicates)
        for owner, count in later.duplicates.items():
            duplicates[owner] = duplicates.get(owner, 0) + count
        return Extra(duplicates, self.losses + later.losses, self.buried + later.buried)


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, add: bool = False) -> None:
    """Inserts rows, or updates the row with the same primary key; with `add`, numbers are added to what is there."""
    if rows:
        connection.execute(_upsert(connection.dialect.name, table, tuple(rows[0]), add), rows)


@cache
def _upsert(dialect: str, table: Table, names: tuple[str, ...], add: bool) -> Insert:
    """The statement, built once: building costs more than executing."""
    module = postgresql if dialect == "postgresql" else sqlite
    statement = module.insert(table)
    keys = [column.name for column in table.primary_key.columns]
    changed = {
        name: (table.c[name] + statement.excluded[name]) if add else statement.excluded[name]
        for name in names
        if name not in keys
    }
    upserting: Insert = statement.on_conflict_do_update(index_elements=keys, set_=changed)
    return upserting


# ---- commit protocol ----------------------------------------------------------------
def committed(connection: Connection, runs: Iterable[str]) -> dict[str, int]:
    """What is committed of each of these runs; runs that nobody has heard of are absent."""
    return {row.run: row.committed for row in connection.execute(_COMMITTED, {"b_runs": list(runs)})}


def move_committed(connection: Connection, moves: Sequence[tuple[str, int, int]], now_ms: int) -> bool:
    """Compare and swap for each (run, known, new); False when another process has moved one of them."""
    if not moves:
        return True
    rows = [{"b_run": text, "b_known": known, "b_new": new, "b_now": now_ms} for text, known, new in moves]
    return connection.execute(_MOVE, rows).rowcount == len(rows)


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


def announce(connection: Connection, owner: tuple[str, str], runs: Runs, now_ms: int) -> None:
    """What a birth says the gateway holds. Never moves `committed`."""
    held = None if runs.more else [run_text(number) for number in runs.held]
    connection.execute(update(node).where(_is_node(*owner)).values(spool=f"{runs.spool:016x}", held=held))
    for number, last in runs.held.items():
        text = run_text(number)
        known = connection.execute(select(run.c.announced).where(run.c.run == text)).scalar_one_or_none()
        if known is None:
            values = {"site": owner[0], "node": owner[1], "stream": 1, "committed": 0, "announced": last}
            connection.execute(run.insert().values(run=text, at_ms=now_ms, **values))
        elif last > known:
            connection.execute(update(run).where(run.c.run == text).values(announced=last, at_ms=now_ms))


def list_losses(connection: Connection, losses: Sequence[Loss], now_ms: int) -> None:
    """Writes what will never come, and why."""
    if losses:
        rows = [
            {name: getattr(each, name) for name in Loss.__dataclass_fields__} | {"at_ms": now_ms} for each in losses
        ]
        connection.execute(loss.insert(), rows)


# ---- registry ----------------------------------------------------------------
def node_born(connection: Connection, row: Mapping[str, Any]) -> None:
    """Writes a node's birth; `row` has the columns of `node` except spool and held."""
    upsert(connection, node, [row])
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    first = dialect.insert(site).values(site=row["site"], first_seen_ms=row["birth_ms"]).on_conflict_do_nothing()
    connection.execute(first)


def device_born(
    connection: Connection, key: DeviceKey, description: DeviceDescription, birth_ms: int, raw: bytes
) -> None:
    """Writes a device's birth and replaces the list of its metrics."""
    owner = {"site": key.site, "node": key.node, "device": key.device}
    row = owner | {
        "kind": description.kind,
        "zone": description.zone,
        "labels": dict(description.labels),
        "online": True,
        "birth_ms": birth_ms,
        "death_ms": None,
        "birth": raw,
    }
    upsert(connection, device, [row])
    metrics: list[dict[str, object]] = [
        {**owner}
        | {
            "metric": each.name,
            "datatype": int(each.datatype),
            "unit": each.unit,
            "low": each.low,
            "high": each.high,
            "writable": each.writable,
        }
        for each in description.metrics
    ]
    connection.execute(delete(metric).where(*(metric.c[name] == value for name, value in owner.items())))
    if metrics:
        connection.execute(metric.insert(), metrics)


def node_died(connection: Connection, owner: tuple[str, str], at_ms: int) -> None:
    """The node and all its devices are offline since then."""
    connection.execute(update(node).where(_is_node(*owner)).values(online=False, death_ms=at_ms))
    of_node = (device.c.site == owner[0], device.c.node == owner[1], device.c.online.is_(True))
    connection.execute(update(device).where(*of_node).values(online=False, death_ms=at_ms))


def device_died(connection: Connection, key: DeviceKey, at_ms: int) -> None:
    """The device is offline since then."""
    where = (device.c.site == key.site, device.c.node == key.node, device.c.device == key.device)
    connection.execute(update(device).where(*where).values(online=False, death_ms=at_ms))


def births(connection: Connection) -> list[tuple[Any, list[Any]]]:
    """Every node with a birth, and its devices with theirs: the alias tables after a restart."""
    devices: dict[tuple[str, str], list[Any]] = {}
    for row in connection.execute(select(device).where(device.c.birth.is_not(None))):
        devices.setdefault((row.site, row.node), []).append(row)
    nodes = connection.execute(select(node).where(node.c.birth.is_not(None))).all()
    return [(row, devices.get((row.site, row.node), [])) for row in nodes]


# ---- rules ----------------------------------------------------------------
def rule_states(connection: Connection, key: DeviceKey) -> dict[str, dict[str, dict[str, object]]]:
    """Saved states of a device: metric to rule id to state."""
    where = (rule_state.c.site == key.site, rule_state.c.node == key.node, rule_state.c.device == key.device)
    found: dict[str, dict[str, dict[str, object]]] = {}
    for row in connection.execute(select(rule_state).where(*where)):
        found.setdefault(row.metric, {})[row.rule] = row.state
    return found


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
    rows = [_state_key(rule, series) | {"state": state, "at_ms": now_ms} for rule, series, state in states if state]
    upsert(connection, rule_state, rows)
    gone = [_state_key(rule, series) for rule, series, state in states if not state]
    if gone:
        names = ("rule", "site", "node", "device", "metric")
        where = (rule_state.c[name] == bindparam(f"b_{name}") for name in names)
        rows = [{f"b_{name}": row[name] for name in names} for row in gone]
        connection.execute(delete(rule_state).where(*where), rows)


def clock(connection: Connection, key: DeviceKey) -> bytes:
    """The saved event times of a device's series, b"" where there are none."""
    where = (series_clock.c.site == key.site, series_clock.c.node == key.node, series_clock.c.device == key.device)
    return connection.execute(select(series_clock.c.clock).where(*where)).scalar_one_or_none() or b""


def all_clocks(connection: Connection) -> dict[DeviceKey, bytes]:
    """The saved event times of every device."""
    return {DeviceKey(row.site, row.node, row.device): row.clock for row in connection.execute(select(series_clock))}


def save_clocks(connection: Connection, clocks: Iterable[tuple[DeviceKey, bytes]]) -> None:
    """Writes the event times of devices that got samples."""
    rows = [(key.site, key.node, key.device, raw) for key, raw in clocks]
    if rows:  # by the driver itself: there is a row for each device in each flush
        mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
        connection.exec_driver_sql(_SAVE_CLOCK.format(", ".join([mark] * 4)), rows)


# ---- account, dead letters ----------------------------------------------------------------
def add_account(connection: Connection, deltas: Mapping[tuple[str, str], AccountDelta], day: str) -> None:
    """Adds to the day's account of each node."""
    rows = [
        {"site": owner[0], "node": owner[1], "day": day}
        | {name: getattr(delta, name) for name in AccountDelta.__dataclass_fields__}
        for owner, delta in deltas.items()
    ]
    upsert(connection, account, rows, add=True)


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


def _state_key(rule: str, series: Series) -> dict[str, str]:
    return {"rule": rule, "site": series.site, "node": series.node, "device": series.device, "metric": series.metric}


def _is_node(site_id: str, node_id: str) -> Any:
    return (node.c.site == site_id) & (node.c.node == node_id)
