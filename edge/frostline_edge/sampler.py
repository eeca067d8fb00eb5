"""Readings to samples: unit, calibration, plausibility, then only what is worth keeping.

The sampler has no clock: intervals are measured by the readings' own times. A reading is kept when it is the first
since start or birth, when its quality differs from that of the last sample, when its value has changed by the deadband
and `min_interval_s` has passed, or when `max_interval_s` has passed. Silence therefore always means that the device is
silent. A reading whose time lies before that of the last sample is kept: the clock was set back, and waiting for it to
catch up would lose everything in between. Two samples of one metric never share an instant: a store would keep one.

The account never leaks: read = kept + filtered + rejected, at any moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from frostline_core.reading import DeviceDescription, Reading
from frostline_edge.sampled_metric import Metric, Rejection
from frostline_edge.sampling import Sampling
from frostline_edge.scan import Scan

_DEFAULT = Sampling(every=True)


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
        self._metrics: dict[str, dict[str, Metric]] = {}
        self._columns: dict[str, tuple[tuple[str, ...], list[Metric | None]]] = {}
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
            metric.name: Metric(device, metric, sampling.get(metric.name, _DEFAULT)) for metric in description.metrics
        }
        for name, metric in made.items():
            metric.stamp_ms = before[name].stamp_ms if name in before else metric.stamp_ms
        self._metrics[device] = made
        self._columns.pop(device, None)

    def forget(self, device: str) -> None:
        """Drops a device that has left the configuration; its readings are rejected from now on."""
        self._metrics.pop(device, None)
        self._columns.pop(device, None)

    def take(self, readings: Sequence[Reading], *, event: bool = False) -> list[Reading]:
        """The samples among the readings, in their order.

        Args:
            readings: What a driver emitted.
            event: Something happened: unit, calibration and range apply, but nothing is filtered.
        """
        if isinstance(readings, Scan) and not event:
            return self._take_scan(readings)
        kept: list[Reading] = []
        for reading in readings:
            device = self._metrics.get(reading.device)
            metric = None if device is None else device.get(reading.metric)
            sample = self._one(reading, metric, event=event)
            if sample is not None:
                kept.append(sample)
        return kept

    def _one(self, reading: Reading, metric: Metric | None, *, event: bool) -> Reading | None:
        self._read += 1
        if metric is None:
            self._rejections[Rejection.METRIC if reading.device in self._metrics else Rejection.DEVICE] += 1
            return None
        result = metric.clean(reading)
        if isinstance(result, Rejection):
            self._rejections[result] += 1
            return None
        if event or metric.is_news(result):
            self._kept += 1
            return metric.keep(reading, result)
        self._filtered += 1
        return None

    def _take_scan(self, scan: Scan) -> list[Reading]:
        """The same for columns: a value inside its metric's guard is filtered without becoming a reading."""
        kept: list[Reading] = []
        quiet, at_ms = 0, scan.at_ms
        for index, (metric, value) in enumerate(zip(self._column(scan), scan.values, strict=True)):
            if (
                metric is not None
                and type(value) is metric.kind
                and metric.floor <= value <= metric.ceiling
                and metric.from_ms <= at_ms < metric.until_ms
            ):
                quiet += 1
                continue
            sample = self._one(scan[index], metric, event=False)
            if sample is not None:
                kept.append(sample)
        self._read += quiet
        self._filtered += quiet
        return kept

    def _column(self, scan: Scan) -> list[Metric | None]:
        """The metrics in the order of a scan's values; None for those that nobody declared."""
        known = self._columns.get(scan.device)
        if known is None or known[0] is not scan.names:
            device = self._metrics.get(scan.device, {})
            known = scan.names, [device.get(name) for name in scan.names]
            if device:
                self._columns[scan.device] = known
        return known[1]
