"""Readings, and the descriptions of the devices and metrics that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

Value = float | int | bool | str | bytes | None
"""What a metric can hold. None is "known to be unknown": the device was asked and gave no usable value."""


class Quality(IntEnum):
    """How far a value can be trusted, as Sparkplug's `Quality` property spells it.

    Source: Sparkplug 3.0, payloads-propertyset-quality-value-value (0 bad, 192 good, 500 stale). What
    other systems call "uncertain" (a calibration that has run out, an implausible jump) travels as 500.
    """

    BAD = 0
    GOOD = 192
    UNCERTAIN = 500


class DataType(IntEnum):
    """Sparkplug 3.0 data types, section 6.4.16 (1 to 22 basic, 22 to 34 arrays)."""

    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13
    TEXT = 14
    UUID = 15
    DATASET = 16
    BYTES = 17
    FILE = 18
    TEMPLATE = 19
    PROPERTYSET = 20
    PROPERTYSETLIST = 21
    INT8_ARRAY = 22
    INT16_ARRAY = 23
    INT32_ARRAY = 24
    INT64_ARRAY = 25
    UINT8_ARRAY = 26
    UINT16_ARRAY = 27
    UINT32_ARRAY = 28
    UINT64_ARRAY = 29
    FLOAT_ARRAY = 30
    DOUBLE_ARRAY = 31
    BOOLEAN_ARRAY = 32
    STRING_ARRAY = 33
    DATETIME_ARRAY = 34


INTEGERS = frozenset(range(DataType.INT8, DataType.UINT64 + 1))
NUMBERS = INTEGERS | {DataType.FLOAT, DataType.DOUBLE}


class Stream(IntEnum):
    """Which of the spool's two streams a sample belongs to (commit protocol, section 1)."""

    EVENTS = 0
    SAMPLES = 1


class Lane(StrEnum):
    """How a run is scheduled (commit protocol, section 1); never part of a batch's identity."""

    EVENTS = "events"
    LIVE = "live"
    BACKLOG = "backlog"


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one metric of one device at one instant.

    Attributes:
        device: The device's id, unique in its gateway.
        metric: The metric's name, unique in its device.
        value: The value in the metric's unit; None exactly when the device gave no usable value.
        at_ms: When it was measured, UTC milliseconds since 1970.
        quality: How far the value can be trusted.
    """

    device: str
    metric: str
    value: Value
    at_ms: int
    quality: Quality = Quality.GOOD

    def __post_init__(self) -> None:
        if self.value is None and self.quality is Quality.GOOD:
            raise ValueError(f"{self.device}/{self.metric}: a good reading needs a value")
        if self.value is not None and self.quality is Quality.BAD:
            raise ValueError(f"{self.device}/{self.metric}: a bad reading must not carry a value")


@dataclass(frozen=True, slots=True)
class MetricDescription:
    """What a metric is: its type, its unit and what it can plausibly be.

    Attributes:
        name: Unique in its device, also without regard to case (case-sensitivity-metric-names).
        datatype: The Sparkplug type on the wire.
        unit: UCUM code, for example `Cel`, `%`, `kW.h`, `1` (see `frostline_core.units`); "" for text and flags.
        low: Lowest value that the sensor can really measure; None where unbounded.
        high: Highest value that the sensor can really measure; None where unbounded.
        writable: Whether an operator may write it (DCMD); False unless the profile declares it.
    """

    name: str
    datatype: DataType
    unit: str = ""
    low: float | None = None
    high: float | None = None
    writable: bool = False


@dataclass(frozen=True, slots=True)
class DeviceDescription:
    """What a device is: its kind decides the measurement in the store, its metrics the fields.

    Attributes:
        id: Unique in its gateway; a valid Sparkplug device id (no `+`, `/`, `#`).
        kind: What sort of thing it is, for example `cold_room`; the measurement in the store.
        zone: Where it stands, for example `freezer-1`; "" where that means nothing.
        metrics: Every metric that it can ever send in this session.
        labels: Anything else that rules and people select by, for example `{"product": "vaccines"}`.
    """

    id: str
    kind: str
    zone: str = ""
    metrics: tuple[MetricDescription, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    def metric(self, name: str) -> MetricDescription | None:
        """The description of the metric with that name, or None."""
        return next((m for m in self.metrics if m.name == name), None)
