"""One Sparkplug DATA message into samples: alias to slot, value to float or text, quality from its property."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import isfinite
from typing import Any

from frostline_cloud.ingest.series import Plan, SeriesTable
from frostline_core.errors import ProtocolError
from frostline_core.reading import INTEGERS, DataType, Quality
from frostline_core.sparkplug import Columns, DataCame, NodeView, value_of
from frostline_core.sparkplug.codec import content_of

_NUMBERS = INTEGERS | {DataType.FLOAT, DataType.DOUBLE, DataType.BOOLEAN, DataType.DATETIME}
_TEXTS = frozenset({DataType.STRING, DataType.TEXT, DataType.UUID})
_GOOD, _BAD = int(Quality.GOOD), int(Quality.BAD)
_ARRAYS = frozenset(range(DataType.INT8_ARRAY, DataType.DATETIME_ARRAY + 1))

Sample = tuple[int, float | str | None, int, int]
"""(slot, value, UTC ms, quality): a tuple because millions a minute are made and thrown away."""


Numbers = tuple[Plan, int, tuple[float, ...]]
"""(plan, UTC ms, values): the samples of one instant, all numbers of good quality."""


@dataclass(slots=True)
class Batch:
    """The samples of one DATA message.

    Attributes:
        samples: What can be stored and ruled.
        refused: Metric name and reason for what cannot.
        raw: The message as it came, for the dead letters.
        numbers: What came in the device's usual form; comes before `samples`.
        good: How many samples `numbers` and `samples` hold.
        unfit: Why nobody can take the batch; "" for nearly all. It has no samples then, and `good` is what it had.
    """

    site: str
    node: str
    device: str
    topic: str
    raw: bytes
    samples: list[Sample]
    refused: list[tuple[str, str]]
    gap: str | None = None
    numbers: Numbers | None = None
    good: int = 0
    unfit: str = ""

    @property
    def count(self) -> int:
        """Samples that came, whatever becomes of them."""
        return self.good + len(self.refused)


def decode(event: DataCame, series: SeriesTable, latest_ms: int) -> Batch:
    """Decodes a DATA message.

    Args:
        event: As the session gave it.
        series: Where its metrics have their slots.
        latest_ms: A sample later than this is refused: its clock is wrong.
    """
    view, columns = event.view, event.columns
    samples: list[Sample] = []
    refused: list[tuple[str, str]] = []
    if columns is None or event.batch is None or len(event.message.metrics) > 1:  # else the batch metric is all
        samples, refused = samples_of(view, event.message, latest_ms)
    batch = Batch(view.site, view.node, event.device, event.topic, event.raw, samples, refused, event.gap)
    batch.good = len(samples)
    if columns is not None:
        _add(batch, columns, series.plan(columns.layout), latest_ms)
    return batch


def _add(batch: Batch, columns: Columns, plan: Plan | None, latest_ms: int) -> None:
    """Adds what a layout has read."""
    at_ms, bound = columns.at_ms, columns.layout.bound
    if at_ms > latest_ms:
        reason = _late(at_ms)
        batch.refused[:0] = [(each.description.name, reason) for each in bound if each.slot >= 0]
    elif plan is None or not isfinite(sum(columns.values)):
        pairs = zip(bound, columns.values, strict=True)
        batch.samples[:0] = [
            (each.slot, value, at_ms, _GOOD) if isfinite(value) else (each.slot, None, at_ms, _BAD)
            for each, value in pairs
            if each.slot >= 0
        ]
        batch.good = len(batch.samples)
    else:
        batch.numbers = (plan, at_ms, columns.values)
        batch.good += len(columns.values)


def _late(at_ms: int) -> str:
    return f"stamped in the future: {at_ms} ms"


def samples_of(view: NodeView, message: Any, latest_ms: int) -> tuple[list[Sample], list[tuple[str, str]]]:
    """Decodes the metrics of a parsed payload, each of which has an alias in `view.aliases`.

    Args:
        view: The node, with the alias table of its newest birth.
        message: The upb payload.
        latest_ms: A sample later than this is refused: its clock is wrong.

    Returns:
        Samples, and (metric, reason) for each that cannot be stored.
    """
    samples: list[Sample] = []
    refused: list[tuple[str, str]] = []
    aliases, sent_ms = view.aliases, message.timestamp
    for metric in message.metrics:
        bound = aliases[metric.alias]
        if bound.slot < 0:
            continue
        at_ms = metric.timestamp or sent_ms
        if at_ms > latest_ms:
            refused.append((bound.description.name, _late(at_ms)))
            continue
        quality = _quality(metric) if metric.HasField("properties") else _GOOD
        try:
            value = None if quality == Quality.BAD else _value(metric, bound.description.datatype)
        except ProtocolError as error:
            refused.append((bound.description.name, str(error)))
        else:
            samples.append((bound.slot, value, at_ms, quality if value is not None else _BAD))
    return samples, refused


def _value(metric: Any, datatype: DataType) -> float | str | None:
    """The value as it is kept; None where there is none, or no number that means anything.

    Raises:
        ProtocolError: It does not fit the type, or the type cannot be kept as a time series.
    """
    content: Any
    if datatype in _NUMBERS:
        content = value_of(metric, datatype)
        return None if content is None or not isfinite(content) else float(content)
    content = content_of(metric, datatype)
    if content is None:
        return None
    if datatype in _TEXTS:
        return str(content)
    if datatype in (DataType.BYTES, DataType.FILE):
        return bytes(content).hex()
    if datatype in _ARRAYS:
        return json.dumps(content, default=str)
    raise ProtocolError(f"type {datatype.name} cannot be kept as a time series")


def _quality(metric: Any) -> int:
    properties = metric.properties
    for key, value in zip(properties.keys, properties.values, strict=False):
        if key == "Quality":
            return int(value.int_value)
    return Quality.GOOD
