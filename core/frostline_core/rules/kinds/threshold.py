"""`type = "threshold"`: a value above a limit, below one, or outside a band.

    [[rule]]
    type = "threshold"
    id = "freezer-warm"
    title = "Freezer too warm"
    severity = "critical"
    select = { kind = "cold_room", metric = "air_temperature", zone = "freezer-*" }
    above = -15.0
    hysteresis = 1.0      # back in range only at -16.0 or colder
    for = "10m"
    clear_for = "5m"
    max_gap = "10m"       # the default
    suppress_while = ["defrost_active"]
    grace = "20m"
    cap = "45m"
    hard_limit = { above = -5.0 }

While it fires, a value that lies at least twice as far beyond the limit as the one last told about is told about again.
"""

from __future__ import annotations

from typing import Literal

from frostline_core.rules.condition import Condition, Look, Verdict
from frostline_core.rules.limits import Limits
from frostline_core.rules.state import Heard, Phase, State


class Threshold(Condition, Limits):
    """Fires while a value is beyond a limit. A value exactly on a limit is within it."""

    steady = True
    type: Literal["threshold"] = "threshold"

    def judge(self, look: Look) -> Verdict | None:
        """Beyond a limit, or not back by the hysteresis."""
        value, state = look.value, look.state
        if value is None:
            return None
        worse = state.phase is Phase.FIRING and self.is_news(value, state.value)
        return Verdict(self.is_out(value, is_open=look.is_open), value, self.nearest(value), worse)

    def band(self, state: State, heard: Heard) -> tuple[float, float] | None:
        """Within the limits when OK; from the hysteresis to the next value worth telling when firing."""
        if state.phase is Phase.OK:
            return self.quiet()
        return None if state.value is None else self.no_news(state.value)
