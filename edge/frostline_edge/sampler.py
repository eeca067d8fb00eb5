"""Readings to samples: unit, calibration, plausibility, then only what is worth keeping.

The sampler has no clock: intervals are measured by the readings' own times. A reading is kept when it is the first
since start or birth, when its quality differs from that of the last sample, when its value has changed by the deadband
and `min_interval_s` has passed, or when `max_interval_s` has passed. Silence therefore always means that the device is
silent. A reading whose time lies before that of the last sample is kept: the clock was set back, and waiting for it to
catch up would lose everything in between. Two samples of one metric never share an instant: a store would keep one.

The account never leaks: read = kept + filtered + rejected, at any moment.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from frostline_core.errors import ConfigError
from frostline_core.reading import (
    INTEGERS,
    NUMBERS,
    DataType,
    DeviceDescription,
    MetricDescription,
    Quality,
    Reading,
    Value,
)
from frostline_core.units import convert
from frostline_edge.sampling import Sampling

_DEFAULT = Sampling(every=True)
_TEXTS = frozenset({DataType.STRING, DataType.TEXT, DataType.UUID})
_FLOAT32_MAX = 3.4028234663852886e38
# A step of exactly one deadband counts as a change, although 0.3 - 0.2 is a little less than 0.1 in binary.
_NEARLY = 1 - 1e-9
# Readings that share an instant come from one burst; a second is more than a burst lasts, and less than a clock step.
_BURST_MS = 1000


class Rejection(StrEnum):
    """Why a reading became nothing."""

    DEVICE = "unknown device"
    METRIC = "unknown metric"
    TYPE = "wrong type"
    SIZE = "does not fit its type"


@dataclass(frozen=True, slots=True)
class SamplerAccount:
    """What became of the readings since start; `read == kept + filtered + rejected`.

    Attributes:
        read: Readings that came in.
        kept: Samples that went out.
        filtered: Readings that said nothing new.
        rejected: Readings that fit no declared metric; `Sampler.rejections` says why.
    """

    read: int = 0
    kept: int = 0
    filtered: int = 0
    rejected: int = 0


class Sampler:
    """Thins and cleans the readings of every device. Memory is bounded by the metrics that `configure` declared."""

    def __init__(self) -> None:
        self._metrics: dict[str, dict[str, _Metric]] = {}
        self._read = self._kept = self._filtered = 0
        self._rejections: Counter[Rejection] = Counter()

    @property
    def account(self) -> SamplerAccount:
        """The account at this moment."""
        return SamplerAccount(self._read, self._kept, self._filtered, self._rejections.total())

    @property
    def rejections(self) -> Mapping[Rejection, int]:
        """How many readings were rejected for which reason."""
        return dict(self._rejections)

    def configure(self, device: str, sampling: Mapping[str, Sampling], description: DeviceDescription) -> None:
        """Takes over what a birth says; the next reading of every metric is kept.

        Args:
            device: The device's id.
            sampling: By metric name; a metric without an entry is kept as it comes.
            description: The device with all its metrics.

        Raises:
            ConfigError: A source unit is unknown, or of another dimension than the metric's unit.
        """
        before = self._metrics.get(device, {})
        made = {
            metric.name: _Metric(device, metric, sampling.get(metric.name, _DEFAULT)) for metric in description.metrics
        }
        for name, metric in made.items():
            metric.stamp_ms = before[name].stamp_ms if name in before else metric.stamp_ms
        self._metrics[device] = made

    def forget(self, device: str) -> None:
        """Drops a device that has left the configuration; its readings are rejected from now on."""
        self._metrics.pop(device, None)

    def take(self, readings: Sequence[Reading], *, event: bool = False) -> list[Reading]:
        """The samples among the readings, in their order.

        Args:
            readings: What a driver emitted.
            event: Something happened: unit, calibration and range apply, but nothing is filtered.
        """
        kept: list[Reading] = []
        for reading in readings:
            self._read += 1
            device = self._metrics.get(reading.device)
            metric = device.get(reading.metric) if device is not None else None
            if metric is None:
                self._rejections[Rejection.DEVICE if device is None else Rejection.METRIC] += 1
                continue
            result = metric.clean(reading)
            if isinstance(result, Rejection):
                self._rejections[result] += 1
            elif event or metric.is_news(result):
                metric.last = result
                kept.append(metric.stamped(result))
                self._kept += 1
            else:
                self._filtered += 1
        return kept


class _Metric:
    """One metric: its rules, compiled, and its last sample."""

    __slots__ = ("_convert", "_high", "_low", "_metric", "_number", "_sampling", "last", "stamp_ms")

    def __init__(self, device: str, metric: MetricDescription, sampling: Sampling) -> None:
        self._metric = metric
        self._sampling = sampling
        self._number = metric.datatype in NUMBERS
        self._low = -math.inf if metric.low is None else metric.low
        self._high = math.inf if metric.high is None else metric.high
        source = sampling.source_unit
        self._convert = (source, metric.unit) if source and source != metric.unit else None
        self.last: Reading | None = None
        self.stamp_ms = -1
        if self._convert is not None:
            try:
                convert(0.0, *self._convert)
            except ConfigError as error:
                raise ConfigError(f"{device}/{metric.name}: {error}") from error

    def clean(self, reading: Reading) -> Reading | Rejection:
        """The reading in the metric's unit, calibrated; without a value where that is implausible."""
        value = reading.value
        if value is None:
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

    def stamped(self, reading: Reading) -> Reading:
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

    def _has_changed(self, before: Value, now: Value) -> bool:
        if not self._number or before is None or now is None:
            return before != now
        step = abs(float(now) - float(before))
        percent = self._sampling.deadband_percent
        band = max(self._sampling.deadband, abs(float(before)) * percent / 100) if percent else self._sampling.deadband
        return step > 0 and step >= band * _NEARLY


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
        bits = 8 << ((datatype - 1) % 4)
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if datatype <= DataType.INT64 else (0, (1 << bits) - 1)
        return low <= number <= high
    return datatype is not DataType.FLOAT or abs(number) <= _FLOAT32_MAX
