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

While it fires, a value that lies at least twice as far beyond the limit as the one last told about is told about again.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from frostline_core.rules import hold
from frostline_core.rules.duration import Duration
from frostline_core.rules.hold import Finding, Hold
from frostline_core.rules.rule import Rule
from frostline_core.rules.state import CLOSED_GUARD, HIGHEST, NEVER, Guard, Heard, Outcome, Phase, State

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Threshold(Rule):
    """Fires while a value is beyond a limit. A value exactly on a limit is within it."""

    type: Literal["threshold"] = "threshold"
    above: Number | None = Field(None, description="Fires above this value, in the metric's unit.")
    below: Number | None = Field(None, description="Fires below this value, in the metric's unit.")
    hysteresis: Number = Field(
        0.0, ge=0, description="How far inside the limit a value must come back, in the metric's unit."
    )
    for_ms: Duration = Field(0, alias="for", description="How long it must last before it fires, for example 10m.")
    clear_for: Duration = Field(0, description="How long it must be back in range before it is resolved.")
    max_gap: Duration = Field(
        hold.MAX_GAP_MS // 1000,  # a default is read like a file: in seconds
        ge=1000,
        description="How long a value is taken to last when no newer one comes. Longer silences neither fire nor "
        "resolve; for a series with slower samples it must be longer than their interval.",
    )

    @model_validator(mode="after")
    def _has_sense(self) -> Self:
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

    def observe(self, state: State, value: float | None, at_ms: int, heard: Heard) -> Outcome:
        """Takes one sample; see `frostline_core.rules.hold` for what follows from it."""
        if value is None:
            return self._limited(hold.miss(state, at_ms, self._hold, heard))
        known: float = value
        return self._limited(hold.follow(state, at_ms, lambda now: self._judge(now, known, at_ms), self._hold, heard))

    def due_ms(self, state: State, heard: Heard) -> int | None:
        """When `for` ends, or when a silence has become longer than `max_gap`."""
        return hold.due_ms(state, self._hold, heard)

    def expire(self, state: State, heard: Heard, until_ms: int) -> Outcome:
        """Fires when `for` is over; notes a silence."""
        return self._limited(hold.expire(state, self._hold, heard, until_ms))

    def guard(self, state: State) -> Guard:
        """Within the limits when OK; from the hysteresis to the next value worth telling when firing."""
        if state.phase is Phase.OK:
            low, high = self.below, self.above
            return Guard(-HIGHEST if low is None else low, HIGHEST if high is None else high)
        if state.phase is not Phase.FIRING or state.blind_ms != NEVER or state.value is None:
            return CLOSED_GUARD
        if self._is_high(state.value):
            return Guard(math.nextafter(self._back(True), math.inf), math.nextafter(self._news(state.value), -math.inf))
        return Guard(math.nextafter(self._news(state.value), math.inf), math.nextafter(self._back(False), -math.inf))

    @property
    def _hold(self) -> Hold:
        return Hold(self.for_ms, self.clear_for, self.max_gap)

    def _judge(self, state: State, value: float, at_ms: int) -> Finding:
        beyond = self._beyond(value)
        on = not self._within(value) if state.phase in (Phase.PENDING, Phase.FIRING) else beyond
        worse = beyond and state.phase is Phase.FIRING and self._is_worse(value, state.value)
        return Finding(on, at_ms, value, self._limit(self._is_high(value)), worse)

    def _beyond(self, value: float) -> bool:
        return (self.above is not None and value > self.above) or (self.below is not None and value < self.below)

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

    def _limited(self, outcome: Outcome) -> Outcome:
        """Steps that the clock made know no limit yet."""
        steps = tuple(
            replace(step, limit=self._limit(self._is_high(step.value)))
            if step.limit is None and step.value is not None
            else step
            for step in outcome.steps
        )
        return Outcome(outcome.state, steps)
