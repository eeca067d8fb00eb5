"""The present: the newest value of each metric of a device, and whether it may still be called the present."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from frostline_cloud.sql.registry import KnownDevice
from frostline_cloud.store.port import FieldValue, Latest
from frostline_core.reading import INTEGERS, DataType, MetricDescription, Quality

_NOT_MEASURED: Final = ("Properties/", "Node Control/", "Device Control/", "Node Info/", "Frostline/")
_WHOLE = INTEGERS | {DataType.DATETIME}

LiveContent = float | int | bool | str | None


@dataclass(frozen=True, slots=True)
class Freshness:
    """What decides whether a value is stale.

    Attributes:
        now_ms: UTC milliseconds.
        stale_after_ms: A value older than this is stale.
        ingest_fault: Why ingest takes no data; "" when it does.
    """

    now_ms: int
    stale_after_ms: int
    ingest_fault: str = ""


@dataclass(frozen=True, slots=True)
class LiveValue:
    """The newest that the store has of a metric.

    Attributes:
        value: In the metric's unit and type; None when there is none, or when the newest reading was bad.
        quality: Of the newest reading; None when there is none.
        at_ms: When it was measured; None when it never was.
        stale: Why it must not be taken for the present; "" when it may.
    """

    metric: MetricDescription
    value: LiveContent
    quality: Quality | None
    at_ms: int | None
    stale: str

    def age_ms(self, now_ms: int) -> int | None:
        """How old it is; None when it was never measured."""
        return None if self.at_ms is None else max(0, now_ms - self.at_ms)


def live_values(device: KnownDevice, latest: Iterable[Latest], freshness: Freshness) -> list[LiveValue]:
    """The newest value of every metric of a device, also of those that were never measured."""
    fields = {each.field: each for each in latest}
    return [
        _live(metric, device, fields, freshness)
        for metric in device.description.metrics
        if not metric.name.startswith(_NOT_MEASURED)
    ]


def find(values: Sequence[LiveValue], *names: str) -> LiveValue | None:
    """The first of these metrics that the device has."""
    return next((value for name in names for value in values if value.metric.name == name), None)


def _live(metric: MetricDescription, device: KnownDevice, fields: dict[str, Latest], freshness: Freshness) -> LiveValue:
    newest = fields.get(metric.name) or fields.get(f"{metric.name}_text")
    quality, quality_ms = _quality(fields.get(f"{metric.name}_quality"))
    value_ms = newest.at_ms if newest is not None else -1
    if newest is None and quality_ms < 0:
        return LiveValue(metric, None, None, None, _stale(device, None, freshness))
    at_ms = max(value_ms, quality_ms)
    if quality_ms < value_ms:
        quality = Quality.GOOD  # a good reading is written without its quality
    value = _typed(newest.value, metric.datatype) if newest is not None and quality is not Quality.BAD else None
    return LiveValue(metric, value, quality, at_ms, _stale(device, at_ms, freshness))


def _quality(stored: Latest | None) -> tuple[Quality, int]:
    """A quality that nobody here knows is taken for bad."""
    if stored is None:
        return Quality.GOOD, -1
    known = {float(quality): quality for quality in Quality}
    return known.get(stored.value, Quality.BAD) if isinstance(stored.value, float) else Quality.BAD, stored.at_ms


def _typed(value: FieldValue, datatype: DataType) -> LiveContent:
    if isinstance(value, str):
        return value
    if datatype is DataType.BOOLEAN:
        return bool(value)
    return round(value) if datatype in _WHOLE else value


def _stale(device: KnownDevice, at_ms: int | None, freshness: Freshness) -> str:
    if freshness.ingest_fault:
        return freshness.ingest_fault
    if not device.node_online:
        return "gateway offline"
    if not device.online:
        return "device offline"
    if at_ms is None:
        return "never measured"
    if freshness.now_ms - at_ms > freshness.stale_after_ms:
        return "no new sample"
    return ""
