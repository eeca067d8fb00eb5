"""One Sparkplug DATA message into samples: alias to slot, value to float or text, quality from its property."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import isfinite
from typing import Any

from frostline_cloud.ingest.series import Plan, SeriesTable
from frostline_cloud.store.port import NumberRow
from frostline_core.errors import ProtocolError
from frostline_core.reading import INTEGERS, DataType, Quality
from frostline_core.sparkplug import Columns, DataCame, value_of
from frostline_core.sparkplug.codec import content_of

_NUMBERS = INTEGERS | {DataType.FLOAT, DataType.DOUBLE, DataType.BOOLEAN, DataType.DATETIME}
_TEXTS = frozenset({DataType.STRING, DataType.TEXT, DataType.UUID})
_GOOD, _BAD = int(Quality.GOOD), int(Quality.BAD)
_ARRAYS = frozenset(range(DataType.INT8_ARRAY, DataType.DATETIME_ARRAY + 1))

Sample = tuple[int, float | str | None, int, int]
"""(slot, value, UTC ms, quality): a tuple because millions a minute are made and thrown away."""


@dataclass(slots=True)
class Batch:
    """The samples of one DATA message.

    Attributes:
        samples: What can be stored and ruled.
        refused: Metric name and reason for what cannot.
        raw: The message as it came, for the dead letters.
        good: How many samples there are.
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
    good: int = 0
    unfit: str = ""

    @property
    def owner(self) -> tuple[str, str]:
        """Site and node."""
        return self.site, self.node

    @property
    def count(self) -> int:
        """Samples that came, whatever becomes of them."""
        return self.good + len(self.refused)


@dataclass(slots=True)
class Regular(NumberRow):
    """One DATA message of a learned form: the row as it is stored, and what it is a row of.

    Most messages are of this kind, and this is the one object that goes with them from decode to commit.

    Attributes:
        plan: What becomes of its values.
        raw: The message as it came.
    """

    plan: Plan
    raw: bytes

    @property
    def owner(self) -> tuple[str, str]:
        """Site and node."""
        return self.plan.key[:2]

    @property
    def good(self) -> int:
        """See `Batch`."""
        return len(self.values)

    @property
    def count(self) -> int:
        """See `Batch`."""
        return len(self.values)

    def spelled_out(self) -> Batch:
        """The same as a batch, for the ways that few messages go."""
        samples: list[Sample] = [
            (slot, value, self.at_ms, _GOOD) for slot, value in zip(self.plan.slots, self.values, strict=True)
        ]
        return Batch(*self.plan.key, self.plan.topic, self.raw, samples, [], good=len(samples))


Item = Batch | Regular


def batch_of(item: Item) -> Batch:
    """A message as a batch, whatever it is."""
    return item.spelled_out() if isinstance(item, Regular) else item


def take(columns: Columns, raw: bytes, series: SeriesTable, latest_ms: int) -> Item:
    """A message that a layout has read.

    Args:
        columns: What it says.
        raw: As it came.
        series: Where its metrics have their slots.
        latest_ms: A sample later than this is refused: its clock is wrong.
    """
    plan, values = columns.metrics.plan or series.plan(columns.metrics), columns.values
    if plan is not None and columns.at_ms <= latest_ms and isfinite(sum(values)):
        return Regular(plan.form, columns.at_ms, values, plan, raw)
    return _odd(columns, raw, latest_ms)


def _odd(columns: Columns, raw: bytes, latest_ms: int) -> Batch:
    """A message with a number that means nothing, with a metric that is no series, or of a time to come."""
    at_ms, topic = columns.at_ms, columns.metrics.topic
    pairs = [(bound, v) for bound, v in zip(columns.metrics.bound, columns.values, strict=True) if bound.slot >= 0]
    batch = Batch(topic.group, topic.node, topic.device, str(topic), raw, [], [])
    if at_ms > latest_ms:
        batch.refused = [(bound.description.name, _late(at_ms)) for bound, _ in pairs]
    else:
        batch.samples = [
            (bound.slot, v, at_ms, _GOOD) if isfinite(v) else (bound.slot, None, at_ms, _BAD) for bound, v in pairs
        ]
        batch.good = len(batch.samples)
    return batch


def decode(event: DataCame, series: SeriesTable, latest_ms: int) -> Batch:
    """Decodes a DATA message that was read in full.

    Args:
        event: As the session gave it.
        series: Where its metrics have their slots.
        latest_ms: A sample later than this is refused: its clock is wrong.
    """
    view = event.view
    samples, refused = samples_of(event, latest_ms)
    return Batch(
        view.site, view.node, event.device, event.topic, event.raw, samples, refused, event.gap, good=len(samples)
    )


def _late(at_ms: int) -> str:
    return f"stamped in the future: {at_ms} ms"


def samples_of(event: DataCame, latest_ms: int) -> tuple[list[Sample], list[tuple[str, str]]]:
    """Decodes the metrics of a parsed payload, each of which has an alias in `event.view.aliases`.

    Args:
        event: As the session gave it.
        latest_ms: A sample later than this is refused: its clock is wrong.

    Returns:
        Samples, and (metric, reason) for each that cannot be stored.
    """
    samples: list[Sample] = []
    refused: list[tuple[str, str]] = []
    aliases, sent_ms = event.view.aliases, event.message.timestamp
    for metric in event.message.metrics:
        bound = aliases[metric.alias]
        if bound.slot < 0:
            continue
        if bound.device != event.device:
            name = bound.description.name
            refused.append((name, f"is a metric of '{bound.device}', not of '{event.device}'"))
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
