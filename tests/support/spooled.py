"""Rows as a gateway's intake makes them, for spools that are filled before the gateway starts."""

from __future__ import annotations

from collections.abc import Sequence

from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Stream
from frostline_core.sparkplug import Metric, Payload, encode
from frostline_gateway.spool import NewRow

NUMBERS = 10
EVENT, TAG = "happened", "tag"


def unit(number: int) -> DeviceDescription:
    """A cold room with ten numbers, an event and tag reads."""
    numbers = tuple(MetricDescription(name, DataType.DOUBLE) for name in (*(f"m_{n}" for n in range(NUMBERS)), EVENT))
    tag = MetricDescription(TAG, DataType.STRING)
    return DeviceDescription(f"unit-{number:02}", "cold_room", "", (*numbers, tag))


def scan(device: str, names: Sequence[str], at_ms: int, value: float) -> NewRow:
    """One value in each of these numbers."""
    return _row(Stream.SAMPLES, device, names, at_ms, value)


def event(device: str, at_ms: int) -> NewRow:
    """Something that happened."""
    return _row(Stream.EVENTS, device, [EVENT], at_ms, 1.0)


def text(device: str, at_ms: int, what: str, *, raw: bool = False) -> NewRow:
    """A text; with `raw` one read of a tag."""
    return _row(Stream.SAMPLES, device, [TAG], at_ms, what, raw=raw)


def _row(
    stream: Stream, device: str, names: Sequence[str], at_ms: int, value: float | str, *, raw: bool = False
) -> NewRow:
    datatype = DataType.STRING if isinstance(value, str) else DataType.DOUBLE
    metrics = tuple(Metric(name, None, at_ms, datatype, value) for name in names)
    return NewRow(stream, device, encode(Payload(at_ms, None, metrics)), len(names), at_ms, at_ms, raw)
