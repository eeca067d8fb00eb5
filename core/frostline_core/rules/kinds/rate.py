"""`type = "rate"`: a value rises or falls too fast.

    [[rule]]
    type = "rate"
    id = "room-warms-fast"
    title = "A cold room warms fast"
    severity = "warning"
    select = { kind = "cold_room", metric = "air_temperature" }
    above = 6.0           # Cel per hour; `below` is negative for what falls
    per = "hour"          # the default; or minute
    window = "15m"        # the default is 10m
    hysteresis = 2.0
    for = "2m"
    clear_for = "5m"
    suppress_while = ["defrost_active", "door_open"]
    grace = "20m"         # at least the window, or what it has seen of the defrost counts

The rate is the slope of a robust line through the samples of the window, so that single wrong samples do not move it.
It is unknown while samples cover less than 80 % of the window, or are fewer than three, and after a gap (longer than
`max_gap` and a 20th of the window) until the window is covered again. Choose a window that holds at least three
samples even when nothing changes, and a cycle of the compressor.

While it fires, a rate of twice what was told is told again.

Cost: one sample in a 20th of the window is looked at, for about 60 us. Memory: at most 22 points, written with each.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from frostline_core.rules.condition import Look, Verdict, beyond
from frostline_core.rules.duration import text
from frostline_core.rules.limits import Limits
from frostline_core.rules.state import Phase
from frostline_core.rules.trend import Trend, Trending


class Per(StrEnum):
    """The time that a rate is told for."""

    MINUTE = "minute"
    HOUR = "hour"

    @property
    def ms(self) -> int:
        """In milliseconds."""
        return 60_000 if self is Per.MINUTE else 3_600_000


class Rate(Trending, Limits):
    """Fires while a value changes faster than a limit."""

    type: Literal["rate"] = "rate"
    per: Per = Field(Per.HOUR, description="minute or hour: the time that the limits are for.")

    def weigh(self, look: Look, trend: Trend) -> Verdict:
        """The slope against the limits; what people are told is the rate."""
        rate = trend.slope * self.per.ms
        told = look.state.value
        worse = look.state.phase is Phase.FIRING and told is not None and self._is_worse(rate, told)
        on = self.is_out(rate, is_open=look.is_open)
        note = f"{rate:+.3g} per {self.per.value} over {text(self.window)}" if on else ""
        facts = {"per": self.per.value, "window_ms": self.window} if on else {}
        return Verdict(on, rate, self.nearest(rate), worse, note=note, facts=facts)

    def _is_worse(self, rate: float, told: float) -> bool:
        """Twice as fast, or the other way: a rate grows into its limit slowly, so it is not news that it is beyond."""
        limit = self.nearest(rate)
        return beyond(rate, self.below, self.above) and (
            abs(rate) >= 2 * max(abs(told), abs(limit)) or limit != self.nearest(told)
        )
