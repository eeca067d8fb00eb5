"""Which rows may go when the disk is short: of each device and span of time, all but those that hold an extreme.

Rows are immutable once they are numbered, so thinning chooses rows and never rewrites one: what survives keeps its own
number, its own instants and all its samples. A row survives if it holds the lowest or the highest value of a metric in
its span, or anything that is not a good number or flag (text, a bad or uncertain sample, what cannot be read). Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from frostline_core.errors import ProtocolError
from frostline_core.reading import NUMBERS, DataType
from frostline_core.sparkplug.codec import parse, type_of
from frostline_core.sparkplug.messages import MetricMessage, PayloadMessage
from frostline_core.sparkplug.values import value_of

MINUTE_MS, TEN_MINUTES_MS = 60_000, 600_000
_COMPARED = NUMBERS | {DataType.BOOLEAN}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A data row that may go: its number, device, event time of its oldest sample (UTC ms) and payload."""

    n: int
    device: str
    first_ms: int
    payload: bytes


def survivors(rows: Iterable[Candidate], span_ms: int) -> set[int]:
    """Numbers of the rows that stay when each device keeps only the extremes of each span.

    Args:
        rows: In any order; a span that is cut by the end of the rows counts as one.
        span_ms: Length of a span; spans start at multiples of it.
    """
    spans: dict[tuple[str, int], list[Candidate]] = {}
    for row in rows:
        spans.setdefault((row.device, row.first_ms // span_ms), []).append(row)
    stay: set[int] = set()
    for each in spans.values():
        stay |= _extremes(each)
    return stay


def _extremes(rows: Sequence[Candidate]) -> set[int]:
    """Of the rows of one span: few that hold every extreme between them."""
    stay: set[int] = set()
    lowest: dict[str, tuple[float, set[int]]] = {}
    highest: dict[str, tuple[float, set[int]]] = {}
    for row in rows:
        values = _numbers(row.payload)
        if values is None:
            stay.add(row.n)
            continue
        for name, value in values:
            _note(highest, name, value, row.n)
            _note(lowest, name, -value, row.n)
    wanted = [holders for _, holders in (*lowest.values(), *highest.values())]
    for holders in sorted(wanted, key=len):
        if not holders & stay:
            stay.add(max(holders))
    return stay


def _note(best: dict[str, tuple[float, set[int]]], name: str, value: float, n: int) -> None:
    found = best.get(name)
    if found is None or value > found[0]:
        best[name] = value, {n}
    elif value == found[0]:
        found[1].add(n)


def _numbers(payload: bytes) -> list[tuple[str, float]] | None:
    """Every sample of a row as (name, number); None where one of them cannot be compared."""
    try:
        message: PayloadMessage = parse(payload)
        return [(metric.name, _number(metric)) for metric in message.metrics]
    except ProtocolError:
        return None


def _number(metric: MetricMessage) -> float:
    """The value of a good number or flag.

    Raises:
        ProtocolError: It is something else.
    """
    datatype = type_of(metric.datatype)
    if datatype not in _COMPARED or metric.HasField("properties"):
        raise ProtocolError(f"{metric.name}: nothing to compare")
    value = value_of(metric, datatype)
    if not isinstance(value, int | float) or math.isnan(value):
        raise ProtocolError(f"{metric.name}: nothing to compare")
    return value
