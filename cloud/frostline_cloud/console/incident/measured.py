"""What an alert's evidence says, as a chart and a sheet of facts need it: points, gaps, and the limits of then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from frostline_cloud.alerts.evidence import longest_gap_ms
from frostline_cloud.api.closing import EvidenceOut
from frostline_cloud.console.front.card import COUNT
from frostline_cloud.console.front.values import is_switch
from frostline_cloud.console.holes import Gap, holes
from frostline_cloud.console.limits import Limit, limits_of
from frostline_cloud.console.words import symbol_of


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
        is_held: It stays as it is until it changes: a switch, a count.
    """

    evidence: EvidenceOut
    end_ms: int
    points: tuple[tuple[int, float | None], ...]
    band: tuple[tuple[int, float | None, float | None], ...]
    gaps: tuple[Gap, ...]
    limits: tuple[Limit, ...]
    unit: str
    is_held: bool = False


def measured(evidence: EvidenceOut, now_ms: int, metric: str = "") -> Measured:
    """Takes evidence apart.

    Args:
        evidence: As the API has it.
        now_ms: When it was read: nothing is missing after that.
        metric: What was measured.
    """
    symbol = symbol_of(evidence.unit)
    end_ms = max(evidence.from_ms, min(evidence.to_ms, now_ms))
    speaks_ms = longest_gap_ms(evidence.rule)
    if evidence.interval_ms is None:
        held = [(at_ms, at_ms) for at_ms, _ in evidence.samples]
        values = [(at_ms, value, value, value) for at_ms, value in evidence.samples]
    else:
        held = [(each[0], each[0] + evidence.interval_ms) for each in evidence.intervals]
        values = [(each[0] + evidence.interval_ms // 2, *each[1:4]) for each in evidence.intervals]
    gaps = holes(held, (evidence.from_ms, end_ms), speaks_ms)
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
    is_held = is_switch(value for _, value in points) or metric.startswith(COUNT)
    if is_held and values and values[-1][0] < (held_to_ms := min(end_ms, values[-1][0] + speaks_ms)):
        points.append((held_to_ms, values[-1][2]))
    return Measured(
        evidence=evidence,
        end_ms=end_ms,
        points=tuple(points),
        band=tuple(band) if is_band else (),
        gaps=gaps,
        limits=_limits(evidence, symbol),
        unit=symbol,
        is_held=is_held,
    )


def _limits(evidence: EvidenceOut, symbol: str) -> tuple[Limit, ...]:
    content: Mapping[str, Any] = (evidence.rule or {}).get("content") or {}
    if not content and evidence.limit is not None:
        return (Limit(evidence.limit, f"limit {evidence.limit:g} {symbol}".rstrip(), is_passed=True),)
    return limits_of(content, symbol, evidence.limit)
