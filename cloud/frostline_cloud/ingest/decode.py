"""One Sparkplug DATA message into samples: alias to slot, value to float or text, quality from its property."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import isfinite
from typing import Any

from frostline_cloud.ingest.series import Plan
from frostline_core.commit import Queued, Regular, mark_of
from frostline_core.errors import ProtocolError
from frostline_core.reading import INTEGERS, DataType, Quality
from frostline_core.sparkplug import DataCame, quality_of, value_of
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
    def count(self) -> int:
        """Samples that came, whatever becomes of them."""
        return self.good + len(self.refused)


Item = Batch | Regular
"""A message: nearly all are `Regular`, whose plan is a `Plan`."""


def batch_of(item: Item) -> Batch:
    """A message as a batch, for the ways that few messages go."""
    if isinstance(item, Batch):
        return item
    plan: Plan = item[3]
    _, _, _, _, at_ms, values, raw, _ = item
    samples: list[Sample] = [(slot, value, at_ms, _GOOD) for slot, value in zip(plan.slots, values, strict=True)]
    site, node, device = plan.key
    return Batch(site, node, device, plan.topic, raw, samples, [], good=len(samples))


def spelled_out(batch: Regular) -> Queued[Batch]:
    """A numbered message as it would have come to the queue the long way."""
    return Queued(mark_of(batch), batch_of(batch), len(batch[6]))


def owner_of(item: Item) -> tuple[str, str]:
    """Site and node."""
    if isinstance(item, Batch):
        return item.site, item.node
    plan: Plan = item[3]
    return plan.key[:2]


def count_of(item: Item) -> int:
    """Samples that came, whatever becomes of them."""
    return item.count if isinstance(item, Batch) else len(item[5])


def decode(event: DataCame, latest_ms: int) -> Batch:
    """Decodes a DATA message that was read in full.

    Args:
        event: As the session gave it.
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
        quality = int(quality_of(metric)) if metric.HasField("properties") else _GOOD
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
