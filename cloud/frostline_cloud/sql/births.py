"""Writing what births and deaths say, many in one go: statements are bundled by kind, one call of the driver each.

Of metrics only those that are new or have changed are written.

A device that went offline with its node, and not by a death of its own, has the node's time of death: it comes back
with the node (see `living`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update

from frostline_cloud.sql import clones
from frostline_cloud.sql.changes import BornDevice, BornNode, Changes, Key, NodeKey
from frostline_cloud.sql.tables import device, metric, node, run, site
from frostline_cloud.sql.upsert import insert_new, upsert
from frostline_core.commit import run_text
from frostline_core.reading import DeviceDescription, MetricDescription

_IN_ONE_QUERY = 500
_STAMP: dict[str, Any] = {"online": bindparam("b_online"), "death_ms": bindparam("b_death_ms")}
_NODE_STATE = (
    update(node).where(node.c.site == bindparam("b_site"), node.c.node == bindparam("b_node")).values(**_STAMP)
)
_DEVICE_STATE = (
    update(device)
    .where(
        device.c.site == bindparam("b_site"),
        device.c.node == bindparam("b_node"),
        device.c.device == bindparam("b_device"),
    )
    .values(**_STAMP)
)
_DEVICES_GONE = (
    update(device)
    .where(device.c.site == bindparam("b_site"), device.c.node == bindparam("b_node"), device.c.online.is_(True))
    .values(online=False, death_ms=bindparam("b_death_ms"))
)
_HELD = (
    update(node)
    .where(node.c.site == bindparam("b_site"), node.c.node == bindparam("b_node"))
    .values(spool=bindparam("b_spool"), held=bindparam("b_held"))
)
_METRICS_GONE = delete(metric).where(
    metric.c.site == bindparam("b_site"),
    metric.c.node == bindparam("b_node"),
    metric.c.device == bindparam("b_device"),
)
_METRIC_GONE = delete(metric).where(
    metric.c.site == bindparam("b_site"),
    metric.c.node == bindparam("b_node"),
    metric.c.device == bindparam("b_device"),
    metric.c.metric == bindparam("b_metric"),
)
_ANNOUNCED = (
    update(run)
    .where(run.c.run == bindparam("b_run"), run.c.announced < bindparam("b_announced"))
    .values(announced=bindparam("b_announced"), at_ms=bindparam("b_at_ms"))
)


def write(connection: Connection, changes: Changes, known: Mapping[Key, DeviceDescription], now_ms: int) -> None:
    """Writes changes; the caller's transaction makes them one atom.

    Args:
        connection: In that transaction.
        changes: What has changed.
        known: Devices as SQL has them; one that is not there has its metrics written anew as a whole.
        now_ms: UTC.
    """
    changes = changes.in_order()
    _forget_births(connection, changes.retired)
    _write_nodes(connection, changes, now_ms)
    _write_devices(connection, changes)
    _write_metrics(connection, changes.devices, known)


def living(node_row: Any, devices: Iterable[Any]) -> frozenset[str]:
    """Devices that were online when their node was last heard, of rows of `node` and `device`."""
    return frozenset(
        each.device
        for each in devices
        if each.online or (node_row.death_ms is not None and each.death_ms == node_row.death_ms)
    )


def read(connection: Connection) -> list[tuple[Any, list[Any]]]:
    """Every node with a birth, and its devices with theirs, newest first: the alias tables after a restart."""
    devices: dict[NodeKey, list[Any]] = {}
    query = select(
        device.c.site, device.c.node, device.c.device, device.c.online, device.c.death_ms, device.c.birth
    ).where(device.c.birth.is_not(None))
    for row in connection.execute(query.order_by(device.c.birth_ms.desc())):
        devices.setdefault((row.site, row.node), []).append(row)
    nodes = connection.execute(select(node).where(node.c.birth.is_not(None))).all()
    return [(row, devices.get((row.site, row.node), [])) for row in nodes]


def nobody_listened(connection: Connection, now_ms: int) -> None:
    """Who is online is not known any more: deaths may have been missed."""
    connection.execute(update(device).where(device.c.online.is_(True)).values(online=False, death_ms=now_ms))
    connection.execute(update(node).where(node.c.online.is_(True)).values(online=False, death_ms=now_ms))


def _forget_births(connection: Connection, retired: Mapping[NodeKey, set[str | None]]) -> None:
    """A device without a birth is retired: it is neither restored nor awaited after a restart; its row stays."""
    for owner, names in retired.items():
        of_node = (device.c.site == owner[0], device.c.node == owner[1])
        if None in names:
            connection.execute(update(device).where(*of_node).values(birth=None))
            connection.execute(update(node).where(node.c.site == owner[0], node.c.node == owner[1]).values(birth=None))
        else:
            connection.execute(update(device).where(*of_node, device.c.device.in_(names)).values(birth=None))


def _write_nodes(connection: Connection, changes: Changes, now_ms: int) -> None:
    births = changes.nodes
    if births:
        insert_new(
            connection,
            site,
            [{"site": name, "first_seen_ms": now_ms} for name in sorted({owner[0] for owner in births})],
        )
        upsert(connection, node, [_node_row(birth, changes.node_died[owner]) for owner, birth in births.items()])
    gone = [_b(site=owner[0], node=owner[1], death_ms=at_ms) for owner, at_ms in changes.gone.items()]
    _many(connection, _DEVICES_GONE, gone)
    states = [
        _b(site=owner[0], node=owner[1], online=died_ms is None, death_ms=died_ms)
        for owner, died_ms in changes.node_died.items()
        if owner not in births
    ]
    _many(connection, _NODE_STATE, states)
    _announce(connection, births.values(), now_ms)


def _node_row(birth: BornNode, died_ms: int | None) -> dict[str, object]:
    return {
        "site": birth.site,
        "node": birth.node,
        "online": died_ms is None,
        "proved": birth.proved,
        "bd_seq": birth.bd_seq,
        "birth_ms": birth.birth_ms,
        "death_ms": died_ms,
        "birth": birth.raw,
    }


def _announce(connection: Connection, births: Iterable[BornNode], now_ms: int) -> None:
    """What births say the gateways hold. Never moves `committed`."""
    told = {(birth.site, birth.node): birth.runs for birth in births if birth.runs is not None}
    listed = {owner: [run_text(number) for number in runs.held] for owner, runs in told.items()}
    clones.note(connection, listed, now_ms)
    held = [
        _b(site=owner[0], node=owner[1], spool=f"{runs.spool:016x}", held=None if runs.more else listed[owner])
        for owner, runs in told.items()
    ]
    _many(connection, _HELD, held)
    last: dict[str, int] = {}
    owners: dict[str, NodeKey] = {}
    for owner, runs in told.items():
        for text, n in zip(listed[owner], runs.held.values(), strict=True):
            last[text] = max(n, last.get(text, 0))
            owners.setdefault(text, owner)
    known = announced(connection, list(last))
    insert_new(
        connection, run, [_run_row(text, owners[text], n, now_ms) for text, n in last.items() if text not in known]
    )
    more = [_b(run=text, announced=n, at_ms=now_ms) for text, n in last.items() if n > known.get(text, n)]
    _many(connection, _ANNOUNCED, more)


def _run_row(text: str, owner: NodeKey, announced: int, now_ms: int) -> dict[str, object]:
    return {
        "run": text,
        "site": owner[0],
        "node": owner[1],
        "stream": 1,
        "committed": 0,
        "announced": announced,
        "at_ms": now_ms,
    }


def announced(connection: Connection, runs: Sequence[str]) -> dict[str, int]:
    """The highest number that a birth told of each of these runs; runs that nobody has heard of are absent."""
    found: dict[str, int] = {}
    for some in _pieces(runs):
        for row in connection.execute(select(run.c.run, run.c.announced).where(run.c.run.in_(some))):
            found[row.run] = row.announced
    return found


def _write_devices(connection: Connection, changes: Changes) -> None:
    rows = [
        {
            "site": birth.site,
            "node": birth.node,
            "device": birth.description.id,
            "kind": birth.description.kind,
            "zone": birth.description.zone,
            "labels": dict(birth.description.labels),
            "online": changes.device_died[key[:2]][key[2]] is None,
            "birth_ms": birth.birth_ms,
            "death_ms": changes.device_died[key[:2]][key[2]],
            "birth": birth.raw,
        }
        for key, birth in changes.devices.items()
    ]
    upsert(connection, device, rows)
    states = [
        _b(site=owner[0], node=owner[1], device=name, online=died_ms is None, death_ms=died_ms)
        for owner, died in changes.device_died.items()
        for name, died_ms in died.items()
        if (*owner, name) not in changes.devices
    ]
    _many(connection, _DEVICE_STATE, states)


def _write_metrics(
    connection: Connection, births: Mapping[Key, BornDevice], known: Mapping[Key, DeviceDescription]
) -> None:
    new: list[dict[str, object]] = []
    gone: list[dict[str, object]] = []
    rows: list[dict[str, object]] = []
    for key, birth in births.items():
        before = known.get(key)
        if before is None:
            new.append(_b(site=key[0], node=key[1], device=key[2]))
        elif before.metrics == birth.description.metrics:
            continue
        had = {} if before is None else {each.name: each for each in before.metrics}
        names = {each.name for each in birth.description.metrics}
        gone += [_b(site=key[0], node=key[1], device=key[2], metric=name) for name in had.keys() - names]
        rows += [_metric_row(key, each) for each in birth.description.metrics if had.get(each.name) != each]
    _many(connection, _METRICS_GONE, new)
    _many(connection, _METRIC_GONE, gone)
    upsert(connection, metric, rows)


def _metric_row(key: Key, each: MetricDescription) -> dict[str, object]:
    return {
        "site": key[0],
        "node": key[1],
        "device": key[2],
        "metric": each.name,
        "datatype": int(each.datatype),
        "unit": each.unit,
        "low": each.low,
        "high": each.high,
        "writable": each.writable,
    }


def _b(**values: object) -> dict[str, object]:
    return {f"b_{name}": value for name, value in values.items()}


def _pieces(items: Sequence[str]) -> Iterator[Sequence[str]]:
    return (items[start : start + _IN_ONE_QUERY] for start in range(0, len(items), _IN_ONE_QUERY))


def _many(connection: Connection, statement: Any, rows: Sequence[Mapping[str, object]]) -> None:
    if rows:
        connection.execute(statement, rows)
