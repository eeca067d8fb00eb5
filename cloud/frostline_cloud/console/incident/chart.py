"""The chart of an alert's evidence, as options of ECharts; a gap in the data is a gap in the line, and shaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from frostline_cloud.console import plot
from frostline_cloud.console.holes import picture_begin_ms
from frostline_cloud.console.incident.measured import Measured
from frostline_cloud.console.plot import Point, Shade


def chart(found: Measured, buffered: Sequence[Point] = ()) -> dict[str, Any]:
    """The options: the line, what no sample speaks for, the alert's own time, and the limits of then.

    Args:
        found: The evidence.
        buffered: The virtual buffer that the rule looked at, beside what was measured; empty where it looked at that.
    """
    evidence = found.evidence
    begin_ms = picture_begin_ms((evidence.from_ms, found.end_ms), found.gaps, evidence.begin_ms)
    made = plot.axes(begin_ms, found.end_ms, found.unit)
    made["yAxis"] |= plot.reach(_numbers(found, buffered))
    main = plot.line(_name(found, buffered), found.points, is_held=found.is_held)
    made["series"] = [main | {"markArea": _shades(found), "markLine": _limits(found)}]
    if found.band:
        made["series"] += [
            plot.edge("lowest", [(at_ms, low) for at_ms, low, _ in found.band]),
            plot.edge("highest", [(at_ms, high) for at_ms, _, high in found.band]),
        ]
    if buffered:
        made["series"].append(plot.line("virtual buffer", buffered, plot.BUFFER) | {"showSymbol": False})
        made["legend"] = {"top": 4, "right": 12, "textStyle": {"color": plot.GREY}}
    return made


def _name(found: Measured, buffered: Sequence[Point]) -> str:
    if buffered:
        return "measured"
    return "mean" if found.band else "value"


def _numbers(found: Measured, buffered: Sequence[Point]) -> list[float]:
    """What the axis must take in: the limit that was passed too, even where nothing was measured near it."""
    lines = [value for _, value in (*found.points, *buffered)]
    lines += [each for _, low, high in found.band for each in (low, high)]
    return [value for value in lines if value is not None] + [each.value for each in found.limits if each.is_passed]


def _shades(found: Measured) -> dict[str, Any]:
    evidence = found.evidence
    own = Shade(evidence.begin_ms, evidence.end_ms or found.end_ms, "alert", plot.LIMIT, 0.1)
    return plot.shades([own, *(Shade(gap.from_ms, gap.to_ms, "no data") for gap in found.gaps)])


def _limits(found: Measured) -> dict[str, Any]:
    return plot.limits((each.value, each.text) for each in found.limits)
