"""An edge's session: what its tests share."""

from __future__ import annotations

from frostline_core.commit import COMMIT, GAP, RUNS
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Reading
from frostline_core.sparkplug import (
    BirthMetric,
    DeviceBirth,
    EdgeSession,
    Metric,
    Outgoing,
    Payload,
    decode,
    encode,
)

ROOM = DeviceDescription(
    "room-1",
    "cold_room",
    "freezer",
    (
        MetricDescription("air_temperature", DataType.DOUBLE, "Cel", -50.0, 60.0),
        MetricDescription("setpoint", DataType.DOUBLE, "Cel", writable=True),
        MetricDescription("door_open", DataType.BOOLEAN),
    ),
    {"product": "vaccines"},
)
DOOR = DeviceDescription("door-1", "door", "", (MetricDescription("door_open", DataType.BOOLEAN),))
NODE = (
    BirthMetric(RUNS, DataType.BYTES, b"\x10"),
    BirthMetric(COMMIT, DataType.BYTES),
    BirthMetric(GAP, DataType.STRING),
)
VALUES = {"air_temperature": Reading("room-1", "air_temperature", -18.5, 900)}


def edge_of(bd_seq: int = 3) -> EdgeSession:
    return EdgeSession("site", "gw", bd_seq, "frostline")


def born_edge(*devices: DeviceBirth, bd_seq: int = 3) -> tuple[EdgeSession, list[Outgoing]]:
    session = edge_of(bd_seq)
    return session, session.birth(1000, NODE, devices or (DeviceBirth(ROOM, VALUES), DeviceBirth(DOOR)))


def metrics_of(outgoing: Outgoing) -> dict[str, Metric]:
    return {metric.name: metric for metric in decode(outgoing.payload).metrics}


def command_of(*metrics: Metric, device: str = "", at_ms: int | None = 5, seq: int | None = None) -> tuple[str, bytes]:
    topic = f"spBv1.0/site/DCMD/gw/{device}" if device else "spBv1.0/site/NCMD/gw"
    return topic, encode(Payload(at_ms, seq, metrics))
