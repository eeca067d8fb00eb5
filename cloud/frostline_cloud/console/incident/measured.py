"""What an alert's evidence says, as a chart and a sheet of facts need it: points, gaps, and the limits of then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from frostline_cloud.alerts.evidence import longest_gap_ms
from frostline_cloud.api.closing import EvidenceOut
from frostline_core.units import UNITS

_ABSOLUTE: Final = frozenset({"threshold", "levels", "breach", "exposure", "buffered", "mkt", "stock"})
"""Kinds of rules whose limits are values of the metric itself; those of others are no lines in its chart."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A span that no sample speaks for."""

    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit as it was when the alert opened.

    Attributes:
        value: In the metric's unit.
        text: `above 8 °C for 10h, critical`.
        is_passed: It is the one that the alert is about.
    """

    value: float
    text: str
    is_passed: bool


@dataclass(frozen=True, slots=True)
class Measured:
    """The evidence, taken apart.

    Attributes:
        evidence: As the API has it.
        end_ms: Where the view ends: not after the present.
        points: Instant, and value or None where the line breaks.
        band: Instant, lowest and highest, where there are intervals instead of samples.
        gaps: Where nothing is known.
        limits: Of the rule as it was.
        unit: Its symbol.
    """

    evidence: EvidenceOut
    end_ms: int
    points: tuple[tuple[int, float | None], ...]
    band: tuple[tuple[int, float | None, float | None], ...]
    gaps: tuple[Gap, ...]
    limits: tuple[Limit, ...]
    unit: str


def measured(evidence: EvidenceOut, now_ms: int) -> Measured:
    """Takes evidence apart.

    Args:
        evidence: As the API has it.
        now_ms: When it was read: nothing is missing after that.
    """
    symbol = UNITS[evidence.unit].symbol if evidence.unit in UNITS else evidence.unit or ""
    end_ms = max(evidence.from_ms, min(evidence.to_ms, now_ms))
    speaks_ms = longest_gap_ms(evidence.rule)
    if evidence.interval_ms is None:
        held = [(at_ms, at_ms) for at_ms, _ in evidence.samples]
        values = [(at_ms, value, value, value) for at_ms, value in evidence.samples]
    else:
        held = [(each[0], each[0] + evidence.interval_ms) for each in evidence.intervals]
        values = [(each[0] + evidence.interval_ms // 2, *each[1:4]) for each in evidence.intervals]
    gaps = _gaps(held, (evidence.from_ms, end_ms), speaks_ms)
    points: list[tuple[int, float | None]] = []
    band: list[tuple[int, float | None, float | None]] = []
    after = iter([*gaps, None])
    gap = next(after)
    for at_ms, low, mean, high in values:
        while gap is not None and gap.to_ms <= at_ms:
            points.append((gap.from_ms, None))
            band.append((gap.from_ms, None, None))
            gap = next(after)
        points.append((at_ms, mean))
        band.append((at_ms, low, high))
    is_band = evidence.interval_ms is not None
    return Measured(
        evidence, end_ms, tuple(points), tuple(band) if is_band else (), gaps, _limits(evidence, symbol), symbol
    )


def _gaps(held: Sequence[tuple[int, int]], view: tuple[int, int], speaks_ms: int) -> tuple[Gap, ...]:
    """Where no sample speaks: each does until the next, or for so long."""
    begin_ms, end_ms = view
    found: list[Gap] = []
    known_to_ms = begin_ms
    for from_ms, to_ms in held:
        if from_ms - known_to_ms > (speaks_ms if known_to_ms == begin_ms else 0):
            found.append(Gap(known_to_ms, from_ms))
        known_to_ms = max(known_to_ms, to_ms + speaks_ms)
    if known_to_ms < end_ms or not held:
        found.append(Gap(known_to_ms, end_ms))
    return tuple(each for each in found if each.to_ms > each.from_ms)


def _limits(evidence: EvidenceOut, symbol: str) -> tuple[Limit, ...]:
    content: Mapping[str, Any] = (evidence.rule or {}).get("content") or {}
    found: dict[tuple[float, str], Limit] = {}
    if content.get("type") in _ABSOLUTE:
        for level in (content, *(content.get("level") or ())):
            _add(found, level, (evidence.limit, symbol))
        _add(found, content.get("hard_limit") or {}, (evidence.limit, symbol), "hard limit: ")
    elif evidence.limit is not None and not content:
        found[evidence.limit, ""] = Limit(evidence.limit, f"limit {evidence.limit:g} {symbol}".rstrip(), True)
    return tuple(found.values())


def _add(
    found: dict[tuple[float, str], Limit], level: Mapping[str, Any], about: tuple[float | None, str], before: str = ""
) -> None:
    passed, symbol = about
    for side in ("above", "below"):
        value = level.get(side)
        if isinstance(value, int | float):
            lasts = f" for {level['for']}" if level.get("for") else ""
            grave = f", {level['severity']}" if level.get("severity") and "id" not in level else ""
            text = f"{before}{side} {value:g} {symbol}".rstrip() + lasts + grave
            found.setdefault((value, text), Limit(float(value), text, value == passed))
