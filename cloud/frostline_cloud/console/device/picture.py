"""A device's past as a chart and in words: what was measured with its virtual buffer, the former never hidden."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from frostline_cloud.api.series import PointOut
from frostline_cloud.console import plot
from frostline_cloud.console.device.past import Past
from frostline_cloud.console.front.card import COUNT
from frostline_cloud.console.front.values import is_switch
from frostline_cloud.console.holes import Gap, holes, picture_begin_ms, speaks_to_ms
from frostline_cloud.console.plot import Point, Shade
from frostline_cloud.console.words import number, span, symbol_of

Fact = tuple[str, str]


def picture(past: Past) -> dict[str, Any]:
    """The chart's options: lines, holes, and the limits that lie in reach of what was measured."""
    series = past.series
    unknown = gaps(past)
    begin_ms = picture_begin_ms((series.from_ms, series.to_ms), unknown, series.to_ms)
    made = plot.axes(begin_ms, series.to_ms, symbol_of(series.unit))
    ends = plot.reach(_numbers(past))
    made["yAxis"] |= ends
    shown = [each for each in past.limits if ends and ends["min"] <= each.value <= ends["max"]]
    words = [(each.value, f"{each.text}{' (buffer)' if each.is_of_buffer else ''}") for each in shown]
    is_held = series.metric.startswith(COUNT) or is_switch(value for _, value in past.points)
    main = plot.line("measured", _to_now(past) if is_held else past.points, is_held=is_held)
    shades = plot.shades(Shade(gap.from_ms, gap.to_ms, "no data") for gap in unknown)
    made["series"] = [main | {"markArea": shades, "markLine": plot.limits(words)}]
    if any(each.low != each.high for each in series.points):
        made["series"] += [plot.edge("lowest", _edge(past, "low")), plot.edge("highest", _edge(past, "high"))]
    if past.buffered:
        made["series"].append(plot.line("virtual buffer", past.buffered, plot.BUFFER) | {"showSymbol": False})
        made["legend"] = {"top": 4, "right": 12, "textStyle": {"color": plot.GREY}}
        made["legend"]["data"] = ["measured", "virtual buffer"]
    return made


def gaps(past: Past) -> tuple[Gap, ...]:
    """Where nothing is known; the line breaks at the same places."""
    held = [(each.at_ms, each.at_ms) for each in past.series.points]
    return holes(held, (past.series.from_ms, past.series.to_ms), past.longest_ms, past.blind)


def facts(past: Past) -> list[Fact]:
    """The range in numbers."""
    points, unit = past.series.points, symbol_of(past.series.unit)
    if not points:
        return []
    count = sum(each.count for each in points)
    mean = sum(each.mean * each.count for each in points) / count
    said = [
        ("Lowest", number(min(each.low for each in points), unit)),
        ("Highest", number(max(each.high for each in points), unit)),
        ("Mean of samples", number(mean, unit)),
        ("Samples", f"{count:,}"),
        ("Each point is", span(past.series.bucket_ms)),
    ]
    newest = next((value for _, value in reversed(past.buffered) if value is not None), None)
    if newest is not None:
        said.append(("Virtual buffer, newest", number(newest, unit)))
    return said


def _numbers(past: Past) -> list[float]:
    measured = [value for each in past.series.points for value in (each.low, each.high)]
    return measured + [value for _, value in past.buffered if value is not None]


def _to_now(past: Past) -> Sequence[Point]:
    """What stays as it is until it changes, up to the end of the view or of what its newest value speaks for."""
    if not past.points:
        return past.points
    at_ms, value = past.points[-1]
    end_ms = past.series.to_ms
    return [*past.points, (min(end_ms, speaks_to_ms(at_ms, end_ms, past.longest_ms, past.blind)), value)]


def _edge(past: Past, side: str) -> Sequence[Point]:
    """Lowest or highest of each interval; broken where the line of means is."""
    by_time: dict[int, PointOut] = {each.at_ms: each for each in past.series.points}
    return [
        (at_ms, None if mean is None or at_ms not in by_time else getattr(by_time[at_ms], side))
        for at_ms, mean in past.points
    ]
