"""Where a value is heading: a robust line through the samples of the last minutes, and what rules about trends share.

The line is Theil's and Sen's: its slope is the median of the slopes between all pairs of points, so that up to 29 % of
them may be wrong without moving it much (H. Theil 1950; P. K. Sen, J. Am. Stat. Assoc. 63, 1968). Its doubt comes from
the residuals: 1.4826 times the median of their sizes, without the two smallest, which the line's two numbers explain.

Points are thinned: the first sample in each 20th of the window is kept. A gap, longer than `max_gap` and such a part,
begins the window anew: what lies on both sides of a gap says nothing about now.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean, median
from typing import ClassVar

from pydantic import Field

from frostline_core.rules.condition import Condition, Look, Verdict
from frostline_core.rules.duration import Duration
from frostline_core.rules.state import HIGHEST, Heard, Phase, State

POINTS = 20
"""In so many parts of the window one sample each is kept; a fit costs the square of it, about 50 us."""

COVERAGE = 0.8
"""The part of the window that samples must cover."""

TOO_FEW = "too few samples for a trend"

_TO_DEVIATION = 1.4826  # of a normal distribution: the standard deviation over the median size
_EXPLAINED = 2  # numbers of a line
_SURE = 1.6449  # of a normal distribution: 95 % lie below

Point = Sequence[float]
"""(event time in ms, value)."""


@dataclass(frozen=True, slots=True)
class Trend:
    """A line through points.

    Attributes:
        at_ms: Event time of the newest point.
        slope: Per millisecond.
        level: Of the line at `at_ms`.
        middle_ms: The points' mean time, relative to `at_ms`; there the line is known best.
        slope_doubt: How far the slope may be off, to either side, with a certainty of 95 % each.
        level_doubt: The same of the line's level at `middle_ms`.
    """

    at_ms: int
    slope: float
    level: float
    middle_ms: float
    slope_doubt: float
    level_doubt: float

    def reaches_ms(self, limit: float, *, upward: bool, surely: int = 0) -> float | None:
        """How long after `at_ms` the line is at a limit: 0 where it is beyond; None where it never gets there.

        Args:
            limit: In the unit of the values.
            upward: Whether the limit is one to stay below.
            surely: 0 for the line itself, 1 for the earliest time that is likely, -1 for the latest.
        """
        side = 1.0 if upward else -1.0
        slope = side * self.slope + surely * self.slope_doubt
        middle = side * (self.level + self.slope * self.middle_ms) + surely * self.level_doubt
        short = side * limit - (middle - slope * self.middle_ms)
        if short < 0:
            return 0.0
        return short / slope if slope > 0 else None


def fit(points: Sequence[Point]) -> Trend:
    """The line through at least three points, oldest first, all of different times."""
    at_ms = int(points[-1][0])
    times = [time - at_ms for time, _ in points]
    values = [value for _, value in points]
    pairs = list(zip(times, values, strict=True))
    slope = median([(y - v) / (x - u) for later, (x, y) in enumerate(pairs) for u, v in pairs[:later]])
    level = median([value - slope * time for time, value in pairs])
    sizes = sorted([abs(value - level - slope * time) for time, value in pairs])
    deviation = _TO_DEVIATION * median(sizes[_EXPLAINED:])
    middle = fmean(times)
    spread = math.sqrt(sum((time - middle) ** 2 for time in times))
    sure = _quantile(len(points) - _EXPLAINED) * deviation
    return Trend(at_ms, slope, level, middle, sure / spread, sure / math.sqrt(len(points)))


def _quantile(freedom: int) -> float:
    """What 95 % of Student's t lie below, within 2 % from three degrees of freedom (Abramowitz and Stegun, 26.7.5)."""
    z = _SURE
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


class Trending(Condition):
    """A condition on the trend of a value. Memory: at most 22 points of time and value."""

    least: ClassVar[int] = 3
    """Points without which it cannot be said."""

    window: Duration = Field(
        600, ge=10_000, description="The time over which the trend is taken; it must hold several samples."
    )

    @abstractmethod
    def weigh(self, look: Look, trend: Trend) -> Verdict:
        """What a trend means; what it says changes only with the trend and the phase."""

    def judge(self, look: Look) -> Verdict | None:
        """Takes the sample into the window, and weighs the trend; unknown while too little of the window is covered."""
        if look.value is None:
            return None
        points = self._keep(look.state.memory.get("points", []), (look.at_ms, look.value))
        if len(points) < self.least or points[-1][0] - points[0][0] < COVERAGE * self.window:
            return Verdict(None, memory={"points": points}, note=TOO_FEW)
        said = self.weigh(look, fit(points))
        return replace(said, memory={**said.memory, "points": points})

    def band(self, state: State, heard: Heard) -> tuple[float, float] | None:
        """Any value, until the next point is due."""
        if not state.memory or (state.phase is Phase.FIRING and self.hard_limit is not None):
            return None
        return -HIGHEST, HIGHEST

    def rests_until_ms(self, state: State) -> int | None:
        """Until the next point is due."""
        points = state.memory.get("points")
        return int(points[-1][0]) + self._step if points else None

    def join(self, begun: State, late: State, live: State) -> State:
        """The points of the backlog belong to the live window."""
        points: list[Point] = []
        for point in sorted([*late.memory.get("points", []), *live.memory.get("points", [])]):
            points = self._keep(points, point)
        return replace(super().join(begun, late, live), memory={**live.memory, "points": points})

    @cached_property
    def _step(self) -> int:
        return self.window // POINTS

    def _keep(self, points: list[Point], point: Point) -> list[Point]:
        """The window with one more sample, if it is that one's turn; the oldest point is at or before its start."""
        at_ms = point[0]
        lag = at_ms - points[-1][0] if points else self._step
        if lag < self._step:
            return points
        if lag > self._step + self.max_gap:
            return [list(point)]
        first = 0
        while first + 1 < len(points) and points[first + 1][0] <= at_ms - self.window:
            first += 1
        return [*points[first:], list(point)]
