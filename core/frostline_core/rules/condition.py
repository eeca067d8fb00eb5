"""What kinds with a condition share: they only say what a sample means, and where it means the same as before.

See README.md, "Adding a kind".
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

from pydantic import Field

from frostline_core.rules import hold, suppress
from frostline_core.rules.calm import Calm
from frostline_core.rules.duration import Duration
from frostline_core.rules.hold import Hold, Verdict
from frostline_core.rules.rule import Rule
from frostline_core.rules.schedule import Schedule
from frostline_core.rules.state import CLOSED_GUARD, DEFAULT, HIGHEST, NEVER, Guard, Heard, Outcome, Phase, State
from frostline_core.rules.suppress import HardLimit, Suppression
from frostline_core.rules.watch import Watch

__all__ = ["Condition", "Look", "Verdict"]


@dataclass(frozen=True, slots=True)
class Look:
    """What a kind sees at one instant.

    Attributes:
        value: The sample's; None when the kind asked to look without a sample (`again_ms`).
        at_ms: Event time.
        state: As time alone has led to; `state.memory` is what the kind kept, `state.phase` where the alert stands.
        heard: How data flows; `heard.last_ms` is the sample before, `heard.inputs` the rule's other metrics.
    """

    value: float | None
    at_ms: int
    state: State
    heard: Heard

    @property
    def is_open(self) -> bool:
        """Whether hysteresis counts: the alert is pending or firing, or would be if it were not suppressed."""
        return self.state.phase in (Phase.PENDING, Phase.FIRING) or self.state.held_ms != NEVER

    def input(self, watch: Watch) -> float | None:
        """The value of another metric at that instant; None where there is no usable one."""
        found = self.heard.inputs.get(watch)
        return None if found is None else found.value


class Condition(Rule, Suppression):
    """A rule that fires while a condition holds.

    A kind gives `judge`, and `band` where most samples mean nothing new; `watches` for other metrics of the device, and
    `again_ms` where time alone can change its verdict. All of them are pure.
    """

    judges_missing: ClassVar[bool] = False
    """Whether `judge` is also asked about samples without a usable value; such a kind has no `again_ms`."""

    steady: ClassVar[bool] = False
    """Whether all that the kind says of the default state follows from the rule's keys alone, and it never asks to look
    again: it is computed once then, not for each series."""

    clears_unseen: ClassVar[bool] = True
    """Whether what `band` and `rests_until_ms` say when OK counts while it is clearing too, to the sample."""

    for_ms: Duration = Field(0, alias="for", description="How long it must last before it fires, for example 10m.")
    clear_for: Duration = Field(0, description="How long it must be back in range before it is resolved.")
    max_gap: Duration = Field(
        hold.MAX_GAP_MS // 1000,  # a default is read like a file: in seconds
        ge=1000,
        description="How long a value is taken to last when no newer one comes. Longer silences neither fire nor "
        "resolve; for a series with slower samples it must be longer than their interval.",
    )
    hard_limit: HardLimit | None = Field(
        None, description="Limits that fire at once, whatever is suppressed, closed or under maintenance."
    )
    schedule: Schedule | None = Field(None, description="When it may open incidents; without it, always.")

    @abstractmethod
    def judge(self, look: Look) -> Verdict | None:
        """What a sample means, or (`look.value` is None) the time that `again_ms` named; None: it cannot be said."""

    def band(self, state: State, heard: Heard) -> tuple[float, float] | None:
        """The values, lowest and highest, with which `judge` says the same as before; None: every sample counts.

        Asked only when the state is OK and nothing is held back, or FIRING with data; while it is clearing, as if it
        were OK.
        """
        return None

    def watches(self) -> tuple[Watch, ...]:
        """Metrics of the same device that `judge` and `band` need, besides those that suppress."""
        return ()

    def again_ms(self, state: State) -> int | None:
        """When to `judge` again although no sample has come; None for never. Only `state.memory` may decide."""
        return None

    def rests_until_ms(self, state: State) -> int | None:
        """Before which event time samples within the band need not be looked at; None: for ever.

        Unlike `again_ms` it wakes nobody: the first sample after it is shown.
        """
        return None

    # ---- what the engine asks of a rule ------------------------------------------------------------------------
    def inputs(self) -> tuple[Watch, ...]:
        """All metrics of the same device that the rule needs."""
        return self._inputs

    def observe(self, state: State, value: float | None, at_ms: int, heard: Heard) -> Outcome:
        """Takes one sample; see `frostline_core.rules.hold` for what follows from it."""
        passed = self.catch_up(state, heard, at_ms)
        shown = value is not None or self.judges_missing
        verdict = self._judge(Look(value, at_ms, passed.state, heard)) if shown else None
        taken = hold.take(passed.state, at_ms, verdict, self._hold, heard)
        return Outcome(taken.state, passed.steps + taken.steps)

    def catch_up(self, state: State, heard: Heard, at_ms: int) -> Outcome:
        """What `for`, silence and the kind's own times have led to."""
        return hold.catch_up(state, self._hold, heard, at_ms)

    def due_ms(self, state: State, heard: Heard) -> int | None:
        """When `for` or a suppression ends, when a silence has become longer than `max_gap`, or as the kind says."""
        if state is DEFAULT and self.calm is not None:
            return None if heard.last_ms == NEVER else self.calm.due_ms(heard.last_ms, heard.listening_ms)
        return hold.due_ms(state, self._hold, heard)

    def expire(self, state: State, heard: Heard, until_ms: int) -> Outcome:
        """Fires when `for` is over; notes a silence."""
        return hold.expire(state, self._hold, heard, until_ms)

    def guard(self, state: State, heard: Heard) -> Guard:
        """The kind's band, narrowed to the hard limit; closed while every sample counts."""
        return self.calm.guard if state is DEFAULT and self.calm is not None else self._guard(state, heard)

    @cached_property
    def calm(self) -> Calm | None:
        """Of a steady kind: its band, and a silence; before the first sample silence means nothing."""
        if not self.steady:
            return None
        return Calm(self._guard(DEFAULT, Heard(NEVER, NEVER, NEVER)), self.max_gap + 1)

    def _guard(self, state: State, heard: Heard) -> Guard:
        ends = []
        if state.phase is Phase.CLEARING and self.clears_unseen:
            ends = self._clearing_ends(state, heard)
            state = replace(state, phase=Phase.OK)  # a sample means what it means there: it is in range, or it is not
        calm = state.phase is Phase.OK and state.held_ms == NEVER
        if not calm and (state.phase is not Phase.FIRING or state.blind_ms != NEVER):
            return CLOSED_GUARD
        band = self.band(state, heard)
        if band is None:
            return CLOSED_GUARD
        low, high = band
        if self.hard_limit is not None and calm:
            low = max(low, -HIGHEST if self.hard_limit.below is None else self.hard_limit.below)
            high = min(high, HIGHEST if self.hard_limit.above is None else self.hard_limit.above)
        ends += [end for end in (self.again_ms(state), self.rests_until_ms(state)) if end is not None]
        return Guard(low, high, min(ends)) if ends else Guard(low, high)

    def _clearing_ends(self, state: State, heard: Heard) -> list[int]:
        """When a sample in range resolves, and when one comes after a silence that starts the clearing anew."""
        return [state.since_ms + self.clear_for, hold.silence_ms(self._hold, replace(heard, listening_ms=NEVER))]

    @cached_property
    def _inputs(self) -> tuple[Watch, ...]:
        return tuple(dict.fromkeys((*self.watches(), *self._suppressors)))

    @cached_property
    def _suppressors(self) -> tuple[Watch, ...]:
        return tuple(each.watch for each in self.suppress_while)

    @cached_property
    def _hold(self) -> Hold:
        return Hold(self.for_ms, self.clear_for, self.max_gap, self._quiet_until, self._look, self.again_ms)

    def _judge(self, look: Look) -> Verdict | None:
        verdict = self.judge(look)
        if self.hard_limit is None or look.value is None:
            return verdict
        limit = self.hard_limit.passed(look.value)
        if limit is None:
            return verdict
        known: dict[str, Any] = {} if verdict is None else {"memory": verdict.memory, "facts": verdict.facts}
        worse = verdict is not None and verdict.worse
        severity = None if verdict is None else verdict.severity
        return Verdict(True, look.value, limit, worse, at_once=True, severity=severity, **known)

    def _look(self, state: State, heard: Heard, at_ms: int) -> Verdict | None:
        return self.judge(Look(None, at_ms, state, heard))

    def _quiet_until(self, state: State, heard: Heard, at_ms: int) -> int:
        """Until when an instant is suppressed, out of hours, or in maintenance; NEVER or earlier: it is not."""
        watched = (self._suppressors, self.grace, self.cap)
        ends = [suppress.paused_until_ms(heard.pauses, at_ms)]
        if self._suppressors:
            ends.append(suppress.until_ms(watched, state.held_ms, heard, at_ms))
        if self.schedule is not None and not self.schedule.is_open(at_ms):
            ends.append(self.schedule.closed_until_ms(at_ms))
        return max(ends)


Condition.shared_keys = frozenset(Condition.model_fields)


def beyond(value: float, low: float | None, high: float | None) -> bool:
    """Whether a value is outside of a band; None is no limit."""
    return (high is not None and value > high) or (low is not None and value < low)


def after(value: float) -> float:
    """The next larger number."""
    return math.nextafter(value, math.inf)


def before(value: float) -> float:
    """The next smaller number."""
    return math.nextafter(value, -math.inf)
