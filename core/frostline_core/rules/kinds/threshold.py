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

from typing import Literal, Self

from pydantic import Field, model_validator

from frostline_core.rules.condition import Condition, Look, Verdict, after, before, beyond
from frostline_core.rules.state import HIGHEST, Heard, Phase, State
from frostline_core.rules.suppress import Number


class Threshold(Condition):
    """Fires while a value is beyond a limit. A value exactly on a limit is within it."""

    type: Literal["threshold"] = "threshold"
    above: Number | None = Field(None, description="Fires above this value, in the metric's unit.")
    below: Number | None = Field(None, description="Fires below this value, in the metric's unit.")
    hysteresis: Number = Field(
        0.0, ge=0, description="How far inside the limit a value must come back, in the metric's unit."
    )

    @model_validator(mode="after")
    def _has_limits(self) -> Self:
        if self.above is None and self.below is None:
            raise ValueError("give `above`, `below`, or both for a band")
        if (
            self.above is not None
            and self.below is not None
            and self.below + self.hysteresis > self.above - self.hysteresis
        ):
            raise ValueError(
                "`below` + `hysteresis` must not be more than `above` - `hysteresis`: it could never be resolved"
            )
        return self

    def judge(self, look: Look) -> Verdict | None:
        """Beyond a limit, or not back by the hysteresis."""
        value, state = look.value, look.state
        if value is None:
            return None
        out = beyond(value, self.below, self.above)
        on = not self._within(value) if look.is_open else out
        worse = out and state.phase is Phase.FIRING and self._is_worse(value, state.value)
        return Verdict(on, value, self._limit(self._is_high(value)), worse)

    def band(self, state: State, heard: Heard) -> tuple[float, float] | None:
        """Within the limits when OK; from the hysteresis to the next value worth telling when firing."""
        if state.phase is Phase.OK:
            return -HIGHEST if self.below is None else self.below, HIGHEST if self.above is None else self.above
        if state.value is None:
            return None
        if self._is_high(state.value):
            return after(self._back(True)), before(self._news(state.value))
        return after(self._news(state.value)), before(self._back(False))

    def _within(self, value: float) -> bool:
        """Whether the value is back in range by the hysteresis."""
        return (self.above is None or value <= self._back(True)) and (self.below is None or value >= self._back(False))

    def _is_high(self, value: float) -> bool:
        """Whether the upper limit is the one that the value is measured against."""
        if self.above is None or self.below is None:
            return self.above is not None
        return value - self.below >= self.above - value

    def _limit(self, high: bool) -> float:
        limit = self.above if high else self.below
        assert limit is not None, "a side without a limit is never looked at"  # noqa: S101
        return limit

    def _back(self, high: bool) -> float:
        """The value at which it is back in range."""
        return self._limit(high) - self.hysteresis if high else self._limit(high) + self.hysteresis

    def _news(self, told: float) -> float:
        """The value that is worth telling again after `told`: twice as far beyond, and by the hysteresis at least."""
        high = self._is_high(told)
        limit = self._limit(high)
        step = max(2 * ((told - limit) if high else (limit - told)), self.hysteresis)
        return limit + step if high else limit - step

    def _is_worse(self, value: float, told: float | None) -> bool:
        if told is None or self._is_high(told) != self._is_high(value):
            return True
        return value >= self._news(told) if self._is_high(told) else value <= self._news(told)
