"""Births: how a device and its metrics stand in NBIRTH and DBIRTH, written and read.

What Sparkplug has no place for goes where it suggests: facts of a device as `Properties/...` metrics, facts of a metric
as its properties (`engUnit`, `engLow`, `engHigh`, `Quality` are the names in common use).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Quality, Reading, Value
from frostline_core.sparkplug.payload import Metric, Payload, Property
from frostline_core.sparkplug.topics import has_control
from frostline_core.sparkplug.values import QUALITY

BD_SEQ = "bdSeq"
REBIRTH = "Node Control/Rebirth"
KIND, ZONE, LABELS = "Properties/Kind", "Properties/Zone", "Properties/Labels"
UNIT, LOW, HIGH, WRITABLE = "engUnit", "engLow", "engHigh", "writable"
UNKNOWN_KIND = "device"
"""Kind of a device that does not say it: any third party's."""
MOST_LABELS, MOST_TEXT = 64, 256
"""Labels of a device, and characters of a label, zone or unit, that a birth may bring; what is beyond is left out."""
_MOST_ALIKE = 10_000
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_NO_MEASUREMENT = ("Properties/", "Frostline/", "Node Control/", "Device Control/", "Node Info/", BD_SEQ)


@dataclass(frozen=True, slots=True)
class BirthMetric:
    """One metric as a birth declares it, with its value of now.

    Attributes:
        name: Unique in its device.
        datatype: On the wire, for the whole session.
        value: In the unit below; None is null.
        at_ms: When the value was measured; None where there never was one.
        unit: UCUM code; "" for none.
        low: Lowest value that the sensor can really measure.
        high: Highest value that the sensor can really measure.
        writable: Whether a command may write it.
        quality: How far the value can be trusted; None leaves the property out (what is no measurement).
    """

    name: str
    datatype: DataType
    value: Value = None
    at_ms: int | None = None
    unit: str = ""
    low: float | None = None
    high: float | None = None
    writable: bool = False
    quality: Quality | None = None

    @classmethod
    def of(cls, metric: MetricDescription, reading: Reading | None) -> BirthMetric:
        """A device's metric with its last reading; one that was never read is null and stale."""
        value, at_ms, quality = None, None, Quality.UNCERTAIN
        if reading is not None:
            value, at_ms, quality = reading.value, reading.at_ms, reading.quality
        return cls(
            metric.name, metric.datatype, value, at_ms, metric.unit, metric.low, metric.high, metric.writable, quality
        )


@dataclass(frozen=True, slots=True)
class DeviceBirth:
    """A device to be born: what it is, and the last reading of each metric that has one, by metric name."""

    description: DeviceDescription
    values: Mapping[str, Reading] = field(default_factory=dict)


def birth_metric(metric: BirthMetric, alias: int, now_ms: int) -> Metric:
    """The metric of a birth as it goes into the payload."""
    properties: dict[str, Property] = {}
    if metric.unit:
        properties[UNIT] = Property(DataType.STRING, metric.unit)
    if metric.low is not None:
        properties[LOW] = Property(DataType.DOUBLE, metric.low)
    if metric.high is not None:
        properties[HIGH] = Property(DataType.DOUBLE, metric.high)
    if metric.writable:
        properties[WRITABLE] = Property(DataType.BOOLEAN, True)
    if metric.quality is not None:
        properties[QUALITY] = Property(DataType.INT32, int(metric.quality))
    return Metric(
        metric.name,
        alias,
        now_ms if metric.at_ms is None else metric.at_ms,
        metric.datatype,
        metric.value,
        metric.value is None,
        properties=properties,
    )


def device_metrics(device: DeviceBirth, now_ms: int) -> list[BirthMetric]:
    """Everything that a DBIRTH says of a device: what it is, then its metrics with their last readings."""
    description = device.description
    labels = json.dumps(dict(description.labels), sort_keys=True)
    texts = ((KIND, description.kind), (ZONE, description.zone), (LABELS, labels))
    found = [BirthMetric(name, DataType.STRING, text, now_ms) for name, text in texts]
    return found + [BirthMetric.of(metric, device.values.get(metric.name)) for metric in description.metrics]


def describe(device: str, birth: Payload, described: Iterable[MetricDescription] | None = None) -> DeviceDescription:
    """What a birth says the device is; a third party's is of kind `device`, without zone and labels.

    A kind becomes a measurement in the store, so one that is no plain name is not taken over.

    Args:
        device: Its id.
        birth: Its NBIRTH or DBIRTH.
        described: What the birth says of each metric, where the caller has read that already.
    """
    said = {metric.name: metric.value for metric in birth.metrics if metric.name.startswith("Properties/")}
    kind, zone = said.get(KIND), said.get(ZONE)
    return DeviceDescription(
        device,
        kind if isinstance(kind, str) and _KIND.fullmatch(kind) else UNKNOWN_KIND,
        _text(zone),
        tuple(
            each
            for each in (map(describe_metric, birth.metrics) if described is None else described)
            if not each.name.startswith(_NO_MEASUREMENT)
        ),
        _labels(said.get(LABELS)),
    )


def describe_metric(metric: Metric) -> MetricDescription:
    """What a birth says of one metric; a property of the wrong type counts as absent."""
    if not metric.properties:
        return _description(metric.name, metric.datatype or DataType.STRING, "", None, None, False)
    unit, low, high = _property(metric, UNIT), _property(metric, LOW), _property(metric, HIGH)
    return _description(
        metric.name,
        metric.datatype or DataType.STRING,
        _text(unit),
        float(low) if isinstance(low, int | float) else None,
        float(high) if isinstance(high, int | float) else None,
        _property(metric, WRITABLE) is True,
    )


@lru_cache(_MOST_ALIKE)
def _description(  # noqa: PLR0913 - what tells descriptions apart
    name: str, datatype: DataType, unit: str, low: float | None, high: float | None, writable: bool
) -> MetricDescription:
    """The same object for metrics that are alike: a fleet has thousands of each, and births come in bursts."""
    return MetricDescription(name, datatype, unit, low, high, writable)


def _property(metric: Metric, key: str) -> object:
    found = metric.properties.get(key)
    return None if found is None else found.value


def _labels(text: object) -> Mapping[str, str]:
    try:
        table = json.loads(text) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        table = {}
    if not isinstance(table, dict):
        return {}
    found = {str(key): str(value) for key, value in list(table.items())[:MOST_LABELS]}
    return {key: value for key, value in found.items() if _text(key) and (_text(value) or not value)}


def _text(value: object) -> str:
    """A short text of one line; "" in place of anything else."""
    fits = isinstance(value, str) and len(value) <= MOST_TEXT and not has_control(value)
    return value if fits and isinstance(value, str) else ""
