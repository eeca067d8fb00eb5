"""The chart of an alert's evidence, as options of ECharts; a gap in the data is a gap in the line, and shaded."""

from __future__ import annotations

import math
from typing import Any, Final

from frostline_cloud.console.incident.measured import Measured

_LINE: Final = "#2b8fb8"
_LIMIT: Final = "#c9483f"
_GREY: Final = "#7d8b97"


def chart(found: Measured) -> dict[str, Any]:
    """The options: the line, what no sample speaks for, the alert's own time, and the limits of then."""
    evidence = found.evidence
    return {
        "animation": False,
        "grid": {"left": 8, "right": 16, "top": 34, "bottom": 8, "containLabel": True},
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "line"}},
        "xAxis": {
            "type": "time",
            "min": evidence.from_ms,
            "max": found.end_ms,
            "axisLabel": {"color": _GREY, "hideOverlap": True},
            "axisLine": {"lineStyle": {"color": _GREY}},
        },
        "yAxis": {
            "type": "value",
            "scale": True,
            "name": found.unit,
            "nameTextStyle": {"color": _GREY},
            "axisLabel": {"color": _GREY},
            "splitLine": {"lineStyle": {"color": _GREY, "opacity": 0.2}},
            **_reach(found),
        },
        "series": [_line(found), *_band(found)],
    }


def _reach(found: Measured) -> dict[str, float]:
    """The axis takes the limit that was passed in, even where nothing was measured near it."""
    passed = [each.value for each in found.limits if each.is_passed]
    numbers = [value for _, value in found.points if value is not None] + passed
    numbers += [each for _, low, high in found.band for each in (low, high) if each is not None]
    if not numbers:
        return {}
    low, high = min(numbers), max(numbers)
    step = _step((high - low) or abs(high) or 1.0)
    return {"min": round((low / step - 0.2) // 1 * step, 9), "max": round(-(-(high / step + 0.2) // 1) * step, 9)}


def _step(length: float) -> float:
    """A round number of which about four make the length."""
    power = 10.0 ** math.floor(math.log10(length / 4))
    return next(power * each for each in (1, 2, 5, 10) if power * each >= length / 4)


def _line(found: Measured) -> dict[str, Any]:
    evidence = found.evidence
    numbers = sum(value is not None for _, value in found.points)
    own = {"itemStyle": {"color": _LIMIT, "opacity": 0.1}, "name": "alert"}
    unknown = {"itemStyle": {"color": _GREY, "opacity": 0.25}, "name": "no data"}
    areas = [
        [own | {"xAxis": evidence.begin_ms}, {"xAxis": evidence.end_ms or found.end_ms}],
        *[[unknown | {"xAxis": gap.from_ms}, {"xAxis": gap.to_ms}] for gap in found.gaps],
    ]
    return {
        "type": "line",
        "name": "mean" if found.band else "value",
        "data": [[at_ms, value] for at_ms, value in found.points],
        "connectNulls": False,
        "showSymbol": numbers < 60,
        "symbolSize": 4,
        "itemStyle": {"color": _LINE},
        "lineStyle": {"width": 1.8, "color": _LINE},
        "markArea": {"silent": True, "label": {"color": _GREY, "fontSize": 11}, "data": areas},
        "markLine": {
            "silent": True,
            "symbol": "none",
            "lineStyle": {"type": "dashed", "width": 1.2, "color": _LIMIT},
            "label": {"position": "insideEndTop", "color": _LIMIT, "fontSize": 11},
            "data": [{"yAxis": each.value, "label": {"formatter": each.text}} for each in found.limits],
        },
    }


def _band(found: Measured) -> list[dict[str, Any]]:
    """Lowest and highest of each interval, as two thin lines."""
    if not found.band:
        return []
    thin = {"type": "line", "connectNulls": False, "showSymbol": False, "lineStyle": {"width": 0.8, "color": _GREY}}
    return [
        {**thin, "name": "lowest", "itemStyle": {"color": _GREY}, "data": [[at, low] for at, low, _ in found.band]},
        {**thin, "name": "highest", "itemStyle": {"color": _GREY}, "data": [[at, high] for at, _, high in found.band]},
    ]
