"""Reading what births told of: sites, nodes, devices and their metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, exists, func, select, tuple_

from frostline_cloud.sql.tables import device, imported, metric, node, site
from frostline_cloud.store.port import Place
from frostline_core.reading import DataType, DeviceDescription, MetricDescription


@dataclass(frozen=True, slots=True)
class Scope:
    """Which part of the fleet; None is any."""

    site: str | None = None
    node: str | None = None
    device: str | None = None
    kind: str | None = None
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class KnownSite:
    """A site, and how much of it is there."""

    site: str
    first_seen_ms: int
    nodes: int
    nodes_online: int
    devices: int


@dataclass(frozen=True, slots=True)
class KnownNode:
    """A gateway as its newest birth or death left it.

    Attributes:
        held: Runs that its spool held at its newest birth or later, hex; None where nobody knows.
    """

    site: str
    node: str
    online: bool
    proved: bool
    spool: str | None
    held: tuple[str, ...] | None
    birth_ms: int
    death_ms: int | None


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """A device as its newest birth or death left it; id "" is what a node says of itself.

    Attributes:
        retired: Somebody said that it is gone for good, and it was not born since.
        imported: History of it came from files; with `birth_ms` 0 nothing else did.
    """

    site: str
    node: str
    description: DeviceDescription
    online: bool
    node_online: bool
    birth_ms: int
    death_ms: int | None
    retired: bool = False
    imported: bool = False

    @property
    def place(self) -> Place:
        """Where the store keeps its samples."""
        known = self.description
        return Place(known.kind, self.site, self.node, known.id, known.zone)


def sites(connection: Connection, after: str = "", most: int = 100) -> list[KnownSite]:
    """Sites by name, from the one after `after`."""
    nodes_of = (
        select(node.c.site, func.count().label("nodes"), func.count().filter(node.c.online).label("online"))
        .group_by(node.c.site)
        .subquery()
    )
    devices_of = (
        select(device.c.site, func.count().label("devices"))
        .where(device.c.device != "")
        .group_by(device.c.site)
        .subquery()
    )
    query = (
        select(site.c.site, site.c.first_seen_ms, nodes_of.c.nodes, nodes_of.c.online, devices_of.c.devices)
        .outerjoin(nodes_of, nodes_of.c.site == site.c.site)
        .outerjoin(devices_of, devices_of.c.site == site.c.site)
        .where(site.c.site > after)
        .order_by(site.c.site)
        .limit(most)
    )
    return [
        KnownSite(row.site, row.first_seen_ms, row.nodes or 0, row.online or 0, row.devices or 0)
        for row in connection.execute(query)
    ]


def nodes(
    connection: Connection, scope: Scope, after: tuple[str, str] | None = None, most: int = 100
) -> list[KnownNode]:
    """Nodes by site and name, from the one after `after`."""
    query = select(node).order_by(node.c.site, node.c.node).limit(most)
    for column, wanted in ((node.c.site, scope.site), (node.c.node, scope.node)):
        if wanted is not None:
            query = query.where(column == wanted)
    if after is not None:
        query = query.where(tuple_(node.c.site, node.c.node) > tuple_(*after))
    return [_node(row) for row in connection.execute(query)]


def devices(
    connection: Connection, scope: Scope, after: tuple[str, str, str] | None = None, most: int = 100
) -> list[KnownDevice]:
    """Devices with their metrics, by site, node and id, from the one after `after`."""
    query = (
        _scoped(select(device, node.c.online.label("node_online"), _has_history()), scope)
        .outerjoin(node, and_(node.c.site == device.c.site, node.c.node == device.c.node))
        .order_by(device.c.site, device.c.node, device.c.device)
        .limit(most)
    )
    if after is not None:
        query = query.where(tuple_(device.c.site, device.c.node, device.c.device) > tuple_(*after))
    rows = connection.execute(query).all()
    metrics = _metrics(connection, rows)
    return [_device(row, metrics.get((row.site, row.node, row.device), ())) for row in rows]


def _has_history() -> Any:
    names = ("site", "node", "device")
    return exists().where(*(imported.c[name] == device.c[name] for name in names)).label("imported")


def _scoped(query: Select[Any], scope: Scope) -> Select[Any]:
    wanted = (
        (device.c.site, scope.site),
        (device.c.node, scope.node),
        (device.c.device, scope.device),
        (device.c.kind, scope.kind),
        (device.c.zone, scope.zone),
    )
    for column, value in wanted:
        if value is not None:
            query = query.where(column == value)
    return query


def _metrics(
    connection: Connection, rows: Sequence[Row[Any]]
) -> dict[tuple[str, str, str], tuple[MetricDescription, ...]]:
    found: dict[tuple[str, str, str], tuple[MetricDescription, ...]] = {}
    if not rows:
        return found
    keys = [(row.site, row.node, row.device) for row in rows]
    query = select(metric).where(tuple_(metric.c.site, metric.c.node, metric.c.device).in_(keys))
    for row in connection.execute(query.order_by(metric.c.metric)):
        key = (row.site, row.node, row.device)
        described = MetricDescription(row.metric, _datatype(row.datatype), row.unit, row.low, row.high, row.writable)
        found[key] = (*found.get(key, ()), described)
    return found


def _datatype(number: int) -> DataType:
    """A type that a plain node declared and Sparkplug does not know is shown as bytes: nothing is computed of it."""
    return DataType(number) if number in DataType.__members__.values() else DataType.BYTES


def _node(row: Row[Any]) -> KnownNode:
    held = None if row.held is None else tuple(row.held)
    return KnownNode(row.site, row.node, row.online, row.proved, row.spool, held, row.birth_ms, row.death_ms)


def _device(row: Row[Any], metrics: tuple[MetricDescription, ...]) -> KnownDevice:
    description = DeviceDescription(row.device, row.kind, row.zone, metrics, dict(row.labels))
    times = (row.birth_ms, row.death_ms)
    retired = row.birth is None and row.birth_ms > 0
    return KnownDevice(
        row.site, row.node, description, row.online, bool(row.node_online), *times, retired, bool(row.imported)
    )
