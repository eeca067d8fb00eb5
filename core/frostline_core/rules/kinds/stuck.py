"""`type = "stuck"`: a value does not move although samples come: a frozen sensor, a gateway that repeats what it has.

    [[rule]]
    type = "stuck"
    id = "probe-stuck"
    title = "A probe shows the same value all the time"
    severity = "warning"
    select = { kind = "cold_room", metric = "air_temperature" }
    unchanged_for = "2h"
    tolerance = 0.0                             # the default: exactly the same
    while_cycling = ["compressor_running"]      # only where this was on and off meanwhile

A quiet room is not a stuck probe. A value that is sent again because nothing has changed is the value of then, which
is hardly ever the same to the last digit; so a tolerance of 0 tells them apart where the sensor resolves more than the
room moves. Where it does not (whole degrees), name in `while_cycling` what must have moved the value: the rule is
silent until one of these has gone on and off, or off and on, since the value stands still. While none of them has ever
been seen, it cannot be said whether the value is stuck: unknown.

Samples must keep coming: after a gap (longer than `max_gap` and a 24th of `unchanged_for`) the time begins anew.

Cost: at most two samples in a 24th of `unchanged_for` are looked at, so the beginning is known that well and it may
fire that much late. Memory: a value, two times and a flag.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal

from pydantic import Field

from frostline_core.rules.condition import Condition, Look, Verdict
from frostline_core.rules.duration import Duration, text
from frostline_core.rules.state import HIGHEST, NEVER, Heard, Phase, State
from frostline_core.rules.suppress import Circumstances, Number
from frostline_core.rules.watch import Input, Watch

LOOKS = 24
"""In so many parts of `unchanged_for` a sample is looked at."""


class Stuck(Condition):
    """Fires when a value has not moved for a time in which samples came."""

    type: Literal["stuck"] = "stuck"
    unchanged_for: Duration = Field(ge=60_000, description="How long it must stand still, for example 2h.")
    tolerance: Number = Field(0.0, ge=0, description="How far it may move and still count as the same.")
    while_cycling: Circumstances = Field(
        (), description="Metrics of the device of which one must have gone on and off meanwhile, else it says nothing."
    )

    def watches(self) -> tuple[Watch, ...]:
        """What must have cycled."""
        return tuple(each.watch for each in self.while_cycling)

    def judge(self, look: Look) -> Verdict | None:
        """Whether the value is still that of `unchanged_for` ago."""
        if look.value is None:
            return None
        phase, memory = look.state.phase, look.state.memory
        if phase is Phase.OK and look.state.held_ms == NEVER and self._is_between(look.value, look.at_ms, memory):
            return Verdict(False, look.value, memory=memory)
        memory = self._remember(look.value, look.at_ms, look.state)
        since_ms = int(memory["since"])
        on: bool | None = not memory["moved"] and look.at_ms - since_ms >= self.unchanged_for
        if on and self.while_cycling and phase is not Phase.FIRING:
            on = self._has_cycled(look.heard, since_ms)
        if not on:
            return Verdict(on, look.value, memory=memory)
        stood = f"the same for {text(self.unchanged_for)}"
        return Verdict(True, look.value, memory=memory, note=stood, facts={"unchanged_since_ms": since_ms})

    def band(self, state: State, heard: Heard) -> tuple[float, float] | None:
        """The values that count as the same; once it has moved, any, until the next look."""
        if not state.memory or (state.phase is Phase.FIRING and self.hard_limit is not None):
            return None
        return (-HIGHEST, HIGHEST) if state.memory["moved"] else self._same(state.memory)

    def rests_until_ms(self, state: State) -> int | None:
        """Until the next look; while it fires only another value is news."""
        return None if state.phase is Phase.FIRING else self._next_look(state.memory)

    def join(self, begun: State, late: State, live: State) -> State:
        """Since when a value stands that stood at the end of a hole too, only the backlog knows."""
        joined, known, found = super().join(begun, late, live), live.memory, late.memory
        if not known or not found or known["since"] > found["at"] + self._step + self.max_gap:
            return joined
        low, high = self._same(found)
        stood = low <= known["value"] <= high and not found["moved"]
        since = found["since"] if stood else max(known["since"], found["at"])
        return replace(joined, memory={**known, "since": since})

    @cached_property
    def _step(self) -> int:
        return self.unchanged_for // LOOKS

    def _next_look(self, memory: Mapping[str, Any]) -> int:
        """At the next part of the time, or at its end."""
        end = int(memory["since"]) + self.unchanged_for
        following = int(memory["at"]) + self._step
        return min(following, end) if end > memory["at"] else following

    def _same(self, memory: Mapping[str, Any]) -> tuple[float, float]:
        return memory["value"] - self.tolerance, memory["value"] + self.tolerance

    def _is_between(self, value: float, at_ms: int, memory: Mapping[str, Any]) -> bool:
        """Whether a sample between two looks tells nothing new."""
        if not memory or at_ms >= self._next_look(memory):
            return False
        low, high = self._same(memory)
        return memory["moved"] or low <= value <= high

    def _remember(self, value: float, at_ms: int, state: State) -> Mapping[str, Any]:
        memory = state.memory
        anew = {"value": value, "since": at_ms, "at": at_ms, "moved": False}
        if not memory:
            return anew
        low, high = self._same(memory)
        same = low <= value <= high
        if state.phase is Phase.FIRING:
            return memory if same else anew
        if at_ms - memory["at"] > self._step + self.max_gap:
            return anew
        if at_ms < self._next_look(memory):
            return memory if same or memory["moved"] else {**memory, "moved": True}
        return {**memory, "at": at_ms} if same and not memory["moved"] else anew

    def _has_cycled(self, heard: Heard, since_ms: int) -> bool | None:
        """Whether one of the metrics has gone on and off since then; None while none of them is known."""
        found = [heard.inputs.get(watch, Input()) for watch in self.watches()]
        known = [each for each in found if each.value is not None]
        if not known:
            return None
        return any(each.was is not None and each.was_since_ms > since_ms for each in known)
