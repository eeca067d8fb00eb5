"""`type = "absence"`: no usable value for longer than `max_silence`.

    [[rule]]
    type = "absence"
    id = "room-silent"
    title = "No data from a cold room"
    severity = "warning"
    select = { kind = "cold_room", metric = "air_temperature" }
    max_silence = "15m"

Samples are sent at least every 300 s unless a device says otherwise, so `max_silence` is best two or three times that.
Select one metric of a device, or each of its metrics raises an alert of its own.

It is about now: silence is measured by the clock, and only while ingest has been listening, so that its own restart is
nobody's silence. A gap in a backlog raises nothing, and old data of a backlog ends nothing.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal

from pydantic import Field

from frostline_core.rules.calm import Calm
from frostline_core.rules.duration import Duration, text
from frostline_core.rules.rule import Rule
from frostline_core.rules.state import (
    CLOSED_GUARD,
    DEFAULT,
    NEVER,
    OPEN_GUARD,
    Guard,
    Heard,
    Outcome,
    Phase,
    State,
    Step,
)


class Absence(Rule):
    """Fires when a series has had no usable value for too long; the first fresh value resolves it."""

    in_backlog = False
    type: Literal["absence"] = "absence"
    max_silence: Duration = Field(ge=1000, description="The longest time without a usable value, for example 15m.")

    @cached_property
    def calm(self) -> Calm:
        """Silence counts from when listening began."""
        return Calm(OPEN_GUARD, self.max_silence, self.max_silence)

    def observe(self, state: State, value: float | None, at_ms: int, heard: Heard) -> Outcome:
        """A usable value that is fresh ends the absence; one without a value lets the silence go on."""
        if value is None:
            return Outcome(state if state.blind_ms != NEVER else State(state.phase, state.since_ms, None, at_ms))
        if state.phase is not Phase.FIRING:
            return Outcome(DEFAULT)
        if at_ms + self.max_silence <= heard.now_ms:
            return Outcome(state)
        return Outcome(DEFAULT, (Step(Phase.FIRING, Phase.RESOLVED, at_ms, value, None, "data again"),))

    def due_ms(self, state: State, heard: Heard) -> int | None:
        """When the silence becomes too long."""
        return None if state.phase is Phase.FIRING else self._from_ms(state, heard) + self.max_silence

    def expire(self, state: State, heard: Heard, until_ms: int) -> Outcome:
        """Fires when the silence is too long."""
        due = self.due_ms(state, heard)
        if due is None or due > until_ms:
            return Outcome(state)
        fired = State(Phase.FIRING, due, None, self._from_ms(state, heard))
        return Outcome(
            fired, (Step(state.phase, Phase.FIRING, due, None, None, f"no data for {text(self.max_silence)}"),)
        )

    def guard(self, state: State, heard: Heard) -> Guard:
        """Any value is as good as another while data flows."""
        return OPEN_GUARD if state == DEFAULT else CLOSED_GUARD

    def _from_ms(self, state: State, heard: Heard) -> int:
        """From when silence counts; samples without a value do not interrupt it."""
        if state.blind_ms == NEVER:
            return heard.silent_from_ms
        return max(state.blind_ms, heard.listening_ms)
