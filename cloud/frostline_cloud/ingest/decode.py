"""One Sparkplug DATA message into samples: alias to slot, value to float or text, quality from its property."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from frostline_core.reading import INTEGERS, DataType, Quality
from frostline_core.sparkplug import NodeView, WireValue, value_of

_NUMBERS = INTEGERS | {DataType.FLOAT, DataType.DOUBLE, DataType.BOOLEAN, DataType.DATETIME}
_TEXTS = frozenset({DataType.STRING, DataType.TEXT, DataType.UUID})
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
    """

    site: str
    node: str
    device: str
    topic: str
    raw: bytes
    samples: list[Sample]
    refused: list[tuple[str, str]]
    gap: str | None = None
    proved: bool = False

    @property
    def count(self) -> int:
        """Samples that came, whatever becomes of them."""
        return len(self.samples) + len(self.refused)


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
        slot = bound.slot
        if slot < 0:
            continue
        at_ms = metric.timestamp or sent_ms
        if at_ms > latest_ms:
            refused.append((bound.description.name, f"stamped in the future: {at_ms} ms"))
            continue
        datatype = bound.description.datatype
        quality = _quality(metric)
        value: Any
        if metric.is_null or quality == Quality.BAD:
            samples.append((slot, None, at_ms, Quality.BAD))
        elif datatype in _NUMBERS:
            value = value_of(metric, datatype)
            samples.append((slot, float(value), at_ms, quality))
        else:
            text = _text(value_of(metric, datatype), datatype)
            if text is None:
                refused.append((bound.description.name, f"type {datatype.name} cannot be kept as a time series"))
            else:
                samples.append((slot, text, at_ms, quality))
    return samples, refused


def _quality(metric: Any) -> int:
    if not metric.HasField("properties"):
        return Quality.GOOD
    properties = metric.properties
    for key, value in zip(properties.keys, properties.values, strict=False):
        if key == "Quality":
            return int(value.int_value)
    return Quality.GOOD


def _text(value: WireValue, datatype: DataType) -> str | None:
    if datatype in _TEXTS:
        return str(value)
    if datatype in (DataType.BYTES, DataType.FILE) and isinstance(value, bytes):
        return value.hex()
    if datatype in _ARRAYS:
        return json.dumps(value, default=str)
    return None
