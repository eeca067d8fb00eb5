"""`type = "setpoint"`: a value is too far from its set-point, another metric of the same device.

    [[rule]]
    type = "setpoint"
    id = "room-off-setpoint"
    title = "A cold room is not at its set-point"
    severity = "warning"
    select = { kind = "cold_room", metric = "air_temperature" }
    setpoint = "setpoint"     # the default
    above = 3.0               # warmer than the set-point by more than this
    below = -3.0              # colder by more than this
    hysteresis = 1.0
    for = "15m"
    settle = "1h"             # after a change of the set-point nothing opens for so long
    suppress_while = ["defrost_active"]
    grace = "20m"

Without a set-point nothing can be said: while there is none, it has no usable value, or it has not been heard of for
`max_gap`, the rule is unknown, and what fires stays so. A set-point that is seen for the first time has not changed.
`settle` ends at the latest when the value has been out of range for `settle` or `cap`, whichever is longer, however
often the set-point is changed.

What is told is the value and the limit that follows from the set-point of then; the set-point and the deviation are on
the incident. While it fires, a deviation twice as far beyond the limit is told again. Cost: as `threshold`, and one
sample in `max_gap`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal

from pydantic import Field

from frostline_core.rules.condition import Condition, Look, Verdict
from frostline_core.rules.duration import Duration
from frostline_core.rules.limits import Limits
from frostline_core.rules.state import NEVER, Guard, Heard, Phase, State
from frostline_core.rules.watch import Input, Watch

NO_SETPOINT = "no set-point"
STALE_SETPOINT = "the set-point has not been heard of"

_ROUNDING = 1e-9  # of a sum of two values: so near to a limit a sample is looked at


class Setpoint(Condition, Limits):
    """Fires while a value deviates from its set-point by more than a limit."""

    type: Literal["setpoint"] = "setpoint"
    setpoint: str = Field(
        "setpoint", min_length=1, max_length=200, description="The metric of the same device that is the set-point."
    )
    settle: Duration = Field(0, description="How long after a change of the set-point nothing opens.")

    def watches(self) -> tuple[Watch, ...]:
        """The set-point."""
        return (self._watch,)

    def judge(self, look: Look) -> Verdict | None:
        """The deviation against the limits."""
        setpoint = look.input(self._watch)
        if look.value is None:
            return None
        if setpoint is None or look.at_ms - look.heard.seen_ms(self.setpoint) > self.max_gap:
            return Verdict(None, memory=look.state.memory, note=NO_SETPOINT if setpoint is None else STALE_SETPOINT)
        deviation, told = look.value - setpoint, look.state.memory.get("told")
        firing = look.state.phase is Phase.FIRING
        worse = firing and self.is_news(deviation, told)
        memory: Mapping[str, Any] = {}
        on = self.is_out(deviation, is_open=look.is_open)
        if on:
            memory = {"told": told if firing and told is not None and not worse else deviation}
        facts = {"setpoint": setpoint, "deviation": deviation} if on else {}
        return Verdict(on, look.value, setpoint + self.nearest(deviation), worse, memory=memory, facts=facts)

    def band(self, state: State, heard: Heard) -> tuple[float, float] | None:
        """Around the set-point."""
        found, told = heard.inputs.get(self._watch), state.memory.get("told")
        if found is None or found.value is None or (state.phase is Phase.FIRING and told is None):
            return None
        low, high = self.quiet() if state.phase is Phase.OK else self.no_news(told or 0.0)
        size = 1.0 + abs(found.value)
        return found.value + low + _ROUNDING * (size + abs(low)), found.value + high - _ROUNDING * (size + abs(high))

    def guard(self, state: State, heard: Heard) -> Guard:
        """No longer than the set-point is good for."""
        guard = super().guard(state, heard)
        return replace(guard, deadline_ms=min(guard.deadline_ms, heard.seen_ms(self.setpoint) + self.max_gap + 1))

    @cached_property
    def _watch(self) -> Watch:
        return Watch(self.setpoint)

    def _quiet_until(self, state: State, heard: Heard, at_ms: int) -> int:
        """A set-point that has changed needs its time too."""
        found = heard.inputs.get(self._watch, Input())
        end = super()._quiet_until(state, heard, at_ms)
        if found.was is None or found.value is None:
            return end
        settled = found.since_ms + self.settle
        if state.held_ms != NEVER:
            settled = min(settled, state.held_ms + max(self.settle, self.cap))
        return max(end, settled)
