"""One Sparkplug DATA message into samples: alias to slot, value to float or text, quality from its property."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from frostline_core.errors import FrostlineError
from frostline_core.reading import INTEGERS, DataType, Quality, Value
from frostline_core.sparkplug import BoundMetric, NodeView, value_of

_NUMBERS = INTEGERS | {DataType.FLOAT, DataType.DOUBLE, DataType.BOOLEAN, DataType.DATETIME}
_TEXTS = frozenset({DataType.STRING, DataType.TEXT, DataType.UUID})
_ARRAYS = frozenset(range(DataType.INT8_ARRAY, DataType.DATETIME_ARRAY + 1))

Sample = tuple[int, float | str | None, int, int]
"""(slot, value, UTC ms, quality): a tuple because millions a minute are made and thrown away."""


class UnknownAliasError(FrostlineError):
    """A metric that no birth has declared: a rebirth is needed to read this message."""


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


def samples_of(view: NodeView, device: str, message: Any, latest_ms: int) -> tuple[list[Sample], list[tuple[str, str]]]:
    """Decodes the metrics of a parsed payload.

    Args:
        view: The node, with the alias table of its newest birth.
        device: Whose message it is; "" for NDATA.
        message: The upb payload.
        latest_ms: A sample later than this is refused: its clock is wrong.

    Returns:
        Samples, and (metric, reason) for each that cannot be stored.

    Raises:
        UnknownAliasError: A metric that no birth has declared.
    """
    samples: list[Sample] = []
    refused: list[tuple[str, str]] = []
    aliases, sent_ms = view.aliases, message.timestamp
    for metric in message.metrics:
        bound = aliases.get(metric.alias)
        if bound is None or metric.name:
            bound = _by_name(view, device, metric, bound)
        slot = bound.slot
        if slot < 0:
            continue
        at_ms = metric.timestamp or sent_ms
        if at_ms > latest_ms:
            refused.append((bound.description.name, f"stamped in the future: {at_ms} ms"))
            continue
        datatype = bound.description.datatype
        quality = _quality(metric)
        if metric.is_null or quality == Quality.BAD:
            samples.append((slot, None, at_ms, Quality.BAD))
        elif datatype in _NUMBERS:
            samples.append((slot, float(value_of(metric, datatype)), at_ms, quality))
        else:
            text = _text(value_of(metric, datatype), datatype)
            if text is None:
                refused.append((bound.description.name, f"type {datatype.name} cannot be kept as a time series"))
            else:
                samples.append((slot, text, at_ms, quality))
    return samples, refused


def _by_name(view: NodeView, device: str, metric: Any, by_alias: BoundMetric | None) -> BoundMetric:
    name = metric.name
    if not name:
        raise UnknownAliasError(f"alias {metric.alias} was declared by no birth of {view.site}/{view.node}")
    if by_alias is not None and by_alias.device == device and by_alias.description.name == name:
        return by_alias
    bound = view.by_name.get((device, name))
    if bound is None:
        raise UnknownAliasError(f"metric '{name}' was declared by no birth of {view.site}/{view.node}/{device}")
    return bound


def _quality(metric: Any) -> int:
    if not metric.HasField("properties"):
        return Quality.GOOD
    properties = metric.properties
    for key, value in zip(properties.keys, properties.values, strict=False):
        if key == "Quality":
            return int(value.int_value)
    return Quality.GOOD


def _text(value: Value, datatype: DataType) -> str | None:
    if datatype in _TEXTS:
        return str(value)
    if datatype in (DataType.BYTES, DataType.FILE) and isinstance(value, bytes):
        return value.hex()
    if datatype in _ARRAYS:
        return json.dumps(value, default=str)
    return None
