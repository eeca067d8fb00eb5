"""What charts have in common, as options of ECharts: axes, lines that break where nothing is known, limits, shades.

The colours are about as far from white as from the dark card (4:1, enough for graphics: WCAG 2.2, 1.4.11), because a
canvas does not follow the style.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

LINE: Final = "#2a87ae"
LIMIT: Final = "#d4554b"
GREY: Final = "#727f8b"
BUFFER: Final = "#a8722c"

Point = tuple[int, float | None]
"""UTC milliseconds, and the value; None where the line breaks."""


@dataclass(frozen=True, slots=True)
class Shade:
    """A span of time with a word over it.

    Attributes:
        from_ms: Its begin, UTC milliseconds.
        to_ms: Its end.
        word: What it is.
        color: Of the shade.
        opacity: Of the shade, 0 to 1.
    """

    from_ms: int
    to_ms: int
    word: str
    color: str = GREY
    opacity: float = 0.25


def axes(from_ms: int, to_ms: int, unit: str) -> dict[str, Any]:
    """A chart without lines yet: time from left to right, in the browser's zone, and the unit at the top."""
    return {
        "animation": False,
        "grid": {"left": 8, "right": 16, "top": 34, "bottom": 8, "containLabel": True},
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "line"}, "confine": True},
        "xAxis": {
            "type": "time",
            "min": from_ms,
            "max": to_ms,
            "axisLabel": {"color": GREY, "hideOverlap": True},
            "axisLine": {"lineStyle": {"color": GREY}},
        },
        "yAxis": {
            "type": "value",
            "scale": True,
            "name": unit,
            "nameTextStyle": {"color": GREY},
            "axisLabel": {"color": GREY},
            "splitLine": {"lineStyle": {"color": GREY, "opacity": 0.2}},
        },
        "series": [],
    }


def reach(numbers: Sequence[float]) -> dict[str, float]:
    """Round ends of the axis of values around these, and the way between its marks; empty without any."""
    if not numbers:
        return {}
    low, high = min(numbers), max(numbers)
    step = _step((high - low) or abs(high) or 1.0)
    least, most = (low / step - 0.2) // 1 * step, -(-(high / step + 0.2) // 1) * step
    return {"min": round(least, 9), "max": round(most, 9), "interval": step}


def _step(length: float) -> float:
    """A round number of which about four make the length."""
    power = 10.0 ** math.floor(math.log10(length / 4))
    return next(power * each for each in (1, 2, 5, 10) if power * each >= length / 4)


def line(name: str, points: Sequence[Point], color: str = LINE, *, is_held: bool = False) -> dict[str, Any]:
    """A line; `is_held` draws steps, for what stays as it is until it changes."""
    numbers = sum(value is not None for _, value in points)
    return {
        "type": "line",
        "name": name,
        "data": [[at_ms, value] for at_ms, value in points],
        "connectNulls": False,
        "showSymbol": numbers < 60,
        "symbolSize": 4,
        "itemStyle": {"color": color},
        "lineStyle": {"width": 1.8, "color": color},
        **({"step": "end"} if is_held else {}),
    }


def edge(name: str, points: Sequence[Point]) -> dict[str, Any]:
    """A thin line: the lowest or highest of each interval."""
    thin = {"showSymbol": False, "lineStyle": {"width": 0.8, "color": GREY}}
    return {**line(name, points, GREY), **thin}


def limits(found: Iterable[tuple[float, str]]) -> dict[str, Any]:
    """Dashed lines with their words, for a line to carry as `markLine`."""
    return {
        "silent": True,
        "symbol": "none",
        "lineStyle": {"type": "dashed", "width": 1.2, "color": LIMIT},
        "label": {"position": "insideEndTop", "color": LIMIT, "fontSize": 12},
        "data": [{"yAxis": value, "label": {"formatter": text}} for value, text in found],
    }


def shades(found: Iterable[Shade]) -> dict[str, Any]:
    """Spans of time, for a line to carry as `markArea`."""
    return {
        "silent": True,
        "label": {"color": GREY, "fontSize": 12},
        "data": [
            [
                {"name": each.word, "xAxis": each.from_ms, "itemStyle": {"color": each.color, "opacity": each.opacity}},
                {"xAxis": each.to_ms},
            ]
            for each in found
        ],
    }
