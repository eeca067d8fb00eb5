"""A host and an edge that talk: what tests of the host's session share."""

from __future__ import annotations

from frostline_core.commit import BATCH, COMMIT, GAP
from frostline_core.reading import DataType, DeviceDescription, MetricDescription
from frostline_core.sparkplug import (
    BirthMetric,
    DataCame,
    DeviceBirth,
    EdgeSession,
    Event,
    HostSession,
    Metric,
    Outgoing,
    value_of,
)

ROOM = DeviceDescription(
    "room-1",
    "cold_room",
    "freezer",
    (
        MetricDescription("air_temperature", DataType.DOUBLE, "Cel", -50.0, 60.0),
        MetricDescription("setpoint", DataType.DOUBLE, "Cel", writable=True),
    ),
    {"product": "vaccines"},
)
NODE = (BirthMetric(COMMIT, DataType.BYTES), BirthMetric(GAP, DataType.STRING))


def host_session() -> HostSession:
    host = HostSession("frostline")
    host.will(1000)
    host.online(1001)
    return host


def edge_session(bd_seq: int = 3, proved: bool = True) -> EdgeSession:
    return EdgeSession("site", "gw", bd_seq, "frostline", proved=proved)


def tell(host: HostSession, *messages: Outgoing, at_ms: int = 2000) -> list[Event]:
    return [event for each in messages for event in host.receive(each.topic, each.payload, at_ms)]


def met(proved: bool = True, *devices: DeviceBirth) -> tuple[HostSession, EdgeSession]:
    host, edge = host_session(), edge_session(proved=proved)
    tell(host, *edge.birth(1500, NODE, devices or [DeviceBirth(ROOM)]))
    return host, edge


def room_data(edge: EdgeSession, value: float, at_ms: int = 1900) -> Outgoing:
    metrics = [Metric("air_temperature", value=value, timestamp_ms=at_ms)]
    if edge.proved:
        metrics.append(Metric(BATCH, value=b"mark"))
    return edge.data(at_ms, "room-1", metrics)


def kinds_of(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def values_of(events: list[Event]) -> list[object]:
    return [
        value_of(metric, event.view.aliases[metric.alias].description.datatype)
        for event in events
        if isinstance(event, DataCame)
        for metric in event.message.metrics
        if event.view.aliases[metric.alias].description.name == "air_temperature"
    ]
