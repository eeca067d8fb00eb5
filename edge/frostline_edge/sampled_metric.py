"""One metric of one device: unit, calibration, plausibility, and whether a reading is worth a sample. Pure."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from enum import StrEnum
from typing import Any

from frostline_core.errors import ConfigError
from frostline_core.reading import INTEGERS, NUMBERS, DataType, MetricDescription, Quality, Reading, Value
from frostline_core.units import convert
from frostline_edge.sampling import Sampling

_TEXTS = frozenset({DataType.STRING, DataType.TEXT, DataType.UUID})
_FLOAT32_MAX = 3.4028234663852886e38
# A step of exactly one deadband counts as a change, although 0.3 - 0.2 is a little less than 0.1 in binary.
_NEARLY = 1 - 1e-9
_WELL_INSIDE = 1 - 1e-6
# Readings that share an instant come from one burst; a second is more than a burst lasts, and less than a clock step.
_BURST_MS = 1000


class Rejection(StrEnum):
    """Why a reading became nothing."""

    DEVICE = "unknown device"
    METRIC = "unknown metric"
    TYPE = "wrong type"
    SIZE = "does not fit its type"


class Metric:
    """One metric: its rules, compiled, its last sample, and its guard.

    A good value of type `kind` from `floor` to `ceiling` that was measured from `from_ms` on and before `until_ms` is
    filtered, whatever else holds; about others the guard says nothing. No guard: `kind` is None.
    """

    __slots__ = (
        "_convert",
        "_high",
        "_keep_ms",
        "_low",
        "_metric",
        "_native",
        "_number",
        "_plain",
        "_sampling",
        "_sound",
        "ceiling",
        "floor",
        "from_ms",
        "kind",
        "last",
        "stamp_ms",
        "until_ms",
    )

    def __init__(self, device: str, metric: MetricDescription, sampling: Sampling) -> None:
        self._metric = metric
        self._sampling = sampling
        self._number = metric.datatype in NUMBERS
        self._low = -math.inf if metric.low is None else metric.low
        self._high = math.inf if metric.high is None else metric.high
        source = sampling.source_unit
        self._convert = (source, metric.unit) if source and source != metric.unit else None
        self._plain = self._number and self._convert is None and not sampling.calibration_offset
        self._native: type | None = None
        self._sound = (0.0, 0.0)
        if self._plain:
            self._native, self._sound = _passing(metric)
        self._keep_ms = int(sampling.max_interval_s * 1000) - 1
        self.last: Reading | None = None
        self.stamp_ms = -1
        self.kind: type | None = None
        self.floor: Any = None
        self.ceiling: Any = None
        self.from_ms = self.until_ms = 0
        if self._convert is not None:
            try:
                convert(0.0, *self._convert)
            except ConfigError as error:
                raise ConfigError(f"{device}/{metric.name}: {error}") from error

    def clean(self, reading: Reading) -> Reading | Rejection:
        """The reading in the metric's unit, calibrated; without a value where that is implausible."""
        value = reading.value
        if value is None or (type(value) is self._native and self._sound[0] <= value <= self._sound[1]):  # type: ignore[operator] # a number
            return reading
        if not _is_of(value, self._metric.datatype):
            return Rejection.TYPE
        if not self._number:
            return reading
        try:
            number = self._calibrated(float(value) if isinstance(value, float) else int(value))
        except OverflowError:  # an integer that no float can hold, from a device that speaks JSON
            number = math.inf
        if not math.isfinite(number) or not self._low <= number <= self._high:
            return Reading(reading.device, reading.metric, None, reading.at_ms, Quality.BAD)
        if not _fits(number, self._metric.datatype):
            return Rejection.SIZE
        if number is value or (number == value and type(number) is type(value)):
            return reading
        return Reading(reading.device, reading.metric, number, reading.at_ms, reading.quality)

    def _stamped(self, reading: Reading) -> Reading:
        """The sample with an instant of its own: a store keeps one value per series and instant.

        Readings that come in a burst (tags that move together, messages that waited) share a millisecond; each but the
        first is moved to the next free one. A clock that went back further than a burst lasts is not hidden here.
        """
        at_ms = reading.at_ms
        if self.stamp_ms - _BURST_MS <= at_ms <= self.stamp_ms:
            at_ms = self.stamp_ms + 1
            reading = replace(reading, at_ms=at_ms)
        self.stamp_ms = at_ms
        return reading

    def _calibrated(self, number: float | int) -> float | int:
        """The value in the metric's unit; rounded where the metric is an integer."""
        if self._convert is not None:
            number = convert(number, *self._convert)
        if self._sampling.calibration_offset:
            number += self._sampling.calibration_offset
        if self._metric.datatype in INTEGERS:
            return round(number) if math.isfinite(number) else number
        return float(number)

    def is_news(self, reading: Reading) -> bool:
        """Whether the reading is worth a sample."""
        last, sampling = self.last, self._sampling
        if last is None or sampling.every or reading.quality is not last.quality:
            return True
        age_s = (reading.at_ms - last.at_ms) / 1000
        if age_s < 0 or age_s >= sampling.max_interval_s:
            return True
        return age_s >= sampling.min_interval_s and self._has_changed(last.value, reading.value)

    def keep(self, reading: Reading, sample: Reading) -> Reading:
        """Takes what became of a reading as the last sample; returns it with an instant of its own."""
        self.last, self.kind = sample, None
        if sample.value is not None and sample.quality is Quality.GOOD and not self._sampling.every:
            self.kind, raw = type(reading.value), reading.value
            self.from_ms, self.until_ms = sample.at_ms, sample.at_ms + self._keep_ms
            self.floor, self.ceiling = self._quiet_span(sample.value) if self._plain else (raw, raw)
        return self._stamped(sample)

    def _quiet_span(self, last: Any) -> tuple[float, float]:
        """Numbers that are no change after the last sample; what drivers read is what is kept."""
        band = self._band(last) * _WELL_INSIDE
        if not band:
            return last, last
        floor, ceiling = max(last - band, self._low), min(last + band, self._high)
        return (
            last if self._has_changed(last, floor) else floor,
            last if self._has_changed(last, ceiling) else ceiling,
        )

    def _band(self, before: float) -> float:
        percent = self._sampling.deadband_percent
        return max(self._sampling.deadband, abs(before) * percent / 100) if percent else self._sampling.deadband

    def _has_changed(self, before: Value, now: Value) -> bool:
        if not self._number or before is None or now is None:
            return before != now
        step = abs(float(now) - float(before))
        return step > 0 and step >= self._band(float(before)) * _NEARLY


def _passing(metric: MetricDescription) -> tuple[type, tuple[float, float]]:
    """The type and the span of values that are samples as they are, where nothing is converted."""
    least: float = -math.inf if metric.low is None else metric.low
    most: float = math.inf if metric.high is None else metric.high
    if metric.datatype in INTEGERS:
        low, high = _integers(metric.datatype)
        return int, (max(least, low), min(most, high))
    largest = _FLOAT32_MAX if metric.datatype is DataType.FLOAT else sys.float_info.max
    return float, (max(least, -largest), min(most, largest))


def _integers(datatype: DataType) -> tuple[int, int]:
    """The least and the largest number of an integer type."""
    bits = 8 << ((datatype - 1) % 4)
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if datatype <= DataType.INT64 else (0, (1 << bits) - 1)


def _is_of(value: Value, datatype: DataType) -> bool:
    """Whether a value has the type that the metric declares."""
    if datatype in INTEGERS or datatype is DataType.DATETIME:
        return isinstance(value, int) and not isinstance(value, bool)
    if datatype in NUMBERS:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if datatype is DataType.BOOLEAN:
        return isinstance(value, bool)
    return isinstance(value, str if datatype in _TEXTS else bytes)


def _fits(number: float | int, datatype: DataType) -> bool:
    """Whether a number survives the way over the wire."""
    if datatype in INTEGERS:
        low, high = _integers(datatype)
        return low <= number <= high
    return datatype is not DataType.FLOAT or abs(number) <= _FLOAT32_MAX
