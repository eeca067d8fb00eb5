"""`type = "breach"`: a value is on its way to a limit, and will be there soon.

    [[rule]]
    type = "breach"
    id = "room-will-be-warm"
    title = "A cold room will be too warm within half an hour"
    severity = "warning"
    select = { kind = "cold_room", metric = "air_temperature" }
    above = 8.0
    within = "30m"
    release = "1h"        # over when the limit is farther away than this; twice `within` unless given
    window = "20m"        # the default is 10m
    for = "2m"
    suppress_while = ["defrost_active"]
    grace = "20m"         # at least the window, or what it has seen of the defrost counts

A robust line is laid through the samples of the window and drawn on. It fires when the line is at the limit within the
time, and its direction is sure: even the slowest rise that is likely (one in twenty is slower) gets there. What is told
is when: `crosses_ms`, and between which times, `earliest_ms` and `latest_ms` (one in twenty each is earlier or later;
the latest is missing where it might never be). It is told again when half of the time is over, and when the limit is
passed. A value that is beyond the limit counts as one that is there.

Choose a window that is longer than a cycle of the compressor, or each rise of the cycle is a trend; the certainty is
that of independent samples, and so a little too high. It is unknown with fewer than five samples in the window, with
less than 80 % of it covered, and after a gap (longer than `max_gap` and a 20th of the window) until it is covered
again.

Cost: one sample in a 20th of the window is looked at, for about 60 us. Memory: at most 22 points, written with each.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from frostline_core.rules.condition import Look, Verdict
from frostline_core.rules.duration import Duration, text
from frostline_core.rules.state import Phase
from frostline_core.rules.suppress import Number
from frostline_core.rules.trend import Trend, Trending

_MINUTE_MS = 60_000


class Breach(Trending):
    """Fires when a limit will be passed within a time."""

    least: ClassVar[int] = 5

    type: Literal["breach"] = "breach"
    above: Number | None = Field(None, description="The limit that must not be passed upward, in the metric's unit.")
    below: Number | None = Field(None, description="The limit that must not be passed downward, in the metric's unit.")
    within: Duration = Field(ge=_MINUTE_MS, description="Fires when a limit will be passed within this time.")
    release: Duration | None = Field(
        None, description="Over when the limit is farther away than this; twice `within` unless given."
    )

    @model_validator(mode="after")
    def _has_sense(self) -> Self:
        if self.above is None and self.below is None:
            raise ValueError("give `above`, `below` or both")
        if self.above is not None and self.below is not None and self.below >= self.above:
            raise ValueError("`below` must be less than `above`")
        if self.release is not None and self.release < self.within:
            raise ValueError("`release` must not be less than `within`")
        return self

    def weigh(self, look: Look, trend: Trend) -> Verdict:
        """When the line is at the nearest limit, and how sure that is."""
        limit, upward = self._heading(trend)
        expected = trend.reaches_ms(limit, upward=upward)
        latest = trend.reaches_ms(limit, upward=upward, surely=-1)
        if expected is None or not self._is_on(expected, latest, is_open=look.is_open):
            return Verdict(False, look.value, limit)
        told, worse = look.state.memory.get("told"), False
        if look.state.phase is Phase.FIRING and told is not None:
            worse = expected == 0 < told or _MINUTE_MS <= expected <= told / 2
        return Verdict(
            True,
            look.value,
            limit,
            worse,
            memory={"told": told if look.state.phase is Phase.FIRING and told is not None and not worse else expected},
            note=_note(limit, expected),
            facts=_facts(trend, expected, trend.reaches_ms(limit, upward=upward, surely=1), latest),
        )

    def _is_on(self, expected: float, latest: float | None, *, is_open: bool) -> bool:
        if is_open:
            return expected <= (2 * self.within if self.release is None else self.release)
        return expected <= self.within and (latest is not None or expected == 0)

    def _heading(self, trend: Trend) -> tuple[float, bool]:
        """The limit that is passed, or the one ahead; and whether it is the upper one."""
        if self.above is None or self.below is None:
            limit = self.above if self.above is not None else self.below
            assert limit is not None, "the model demands one"  # noqa: S101
            return limit, self.above is not None
        if trend.level > self.above:
            return self.above, True
        if trend.level < self.below:
            return self.below, False
        return (self.above, True) if trend.slope >= 0 else (self.below, False)


def _note(limit: float, expected_ms: float) -> str:
    if expected_ms == 0:
        return f"beyond {limit:g}"
    return f"beyond {limit:g} in {text(max(1, round(expected_ms / _MINUTE_MS)) * _MINUTE_MS)}"


def _facts(trend: Trend, expected: float, earliest: float | None, latest: float | None) -> dict[str, Any]:
    found = {"crosses_ms": expected, "earliest_ms": earliest, "latest_ms": latest}
    times = {name: trend.at_ms + round(after_ms) for name, after_ms in found.items() if after_ms is not None}
    return {**times, "per_hour": trend.slope * 3_600_000}
