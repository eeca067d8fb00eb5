"""Samples as rows: each row a Sparkplug payload of one device, with names and types, as it goes to the disk. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from frostline_core.reading import DataType, DeviceDescription, Quality, Reading, Stream
from frostline_core.sparkplug import MetricMessage, PayloadMessage, set_quality, set_value
from frostline_gateway.spool.rows import NewRow

MOST_METRICS_IN_ROW = 500
"""A scan of more metrics becomes several rows, so that no message comes near the bound of a payload."""
MOST_TEXT = 65_536
"""Longest text or blob of one sample; a longer one is kept as bad, without its value."""
MOST_ROW_BYTES = 512 * 1024
"""Largest row; a larger one is divided. Half of what a payload may weigh, and brokers commonly take."""


class Packing:
    """Knows the types of what each device measures.

    Args:
        own: The gateway itself, device "".
    """

    def __init__(self, own: DeviceDescription) -> None:
        self._types: dict[str, dict[str, DataType]] = {}
        self._raw: dict[str, frozenset[str]] = {}
        self.learn(own, ())

    def __contains__(self, device: str) -> bool:
        return device in self._types

    def learn(self, device: DeviceDescription, raw: Sequence[str]) -> None:
        """What a device measures.

        Args:
            device: As it was born.
            raw: Metrics each reading of which is one read of a tag.
        """
        self._types[device.id] = {metric.name: metric.datatype for metric in device.metrics}
        self._raw[device.id] = frozenset(raw)

    def rows(self, stream: Stream, device: str, samples: Sequence[Reading], boot: str) -> Iterator[NewRow]:
        """One row, or as many as keep each within its bounds.

        Args:
            stream: Of the rows.
            device: A known one.
            samples: Of its metrics.
            boot: "" where the stamps are times of day; else see `NewRow.boot`.
        """
        for start in range(0, len(samples), MOST_METRICS_IN_ROW):
            yield from self._fitting(stream, device, samples[start : start + MOST_METRICS_IN_ROW], boot)

    def _fitting(self, stream: Stream, device: str, samples: Sequence[Reading], boot: str) -> Iterator[NewRow]:
        """One row, or two where one would be too large (long texts)."""
        row = self._row(stream, device, samples)
        if len(row.payload) > MOST_ROW_BYTES and len(samples) > 1:
            half = len(samples) // 2
            yield from self._fitting(stream, device, samples[:half], boot)
            yield from self._fitting(stream, device, samples[half:], boot)
        else:
            yield replace(row, boot=boot) if boot else row

    def _row(self, stream: Stream, device: str, samples: Sequence[Reading]) -> NewRow:
        """One row: every sample with name, type, time and, where it is not good, quality."""
        types, tags = self._types[device], self._raw[device]
        message = PayloadMessage()
        for sample in samples:
            name = sample.metric
            metric, datatype = message.metrics.add(), types[name]
            metric.name, metric.timestamp, metric.datatype = name, sample.at_ms, datatype
            quality = _put(metric, datatype, sample)
            if quality is not Quality.GOOD:
                set_quality(metric, quality)
        times = [sample.at_ms for sample in samples]
        first_ms, last_ms = min(times), max(times)
        message.timestamp = last_ms
        raw = stream is Stream.SAMPLES and len(tags) > 0 and all(sample.metric in tags for sample in samples)
        return NewRow(stream, device, message.SerializeToString(), len(samples), first_ms, last_ms, raw)


def _put(metric: MetricMessage, datatype: DataType, sample: Reading) -> Quality:
    """Writes a sample's value; text that no message can carry becomes a bad sample without value."""
    value = sample.value
    if not (isinstance(value, str | bytes) and len(value) > MOST_TEXT):
        try:
            set_value(metric, datatype, value)
            return sample.quality
        except ValueError:
            metric.ClearField("string_value")
    metric.is_null = True
    return Quality.BAD
