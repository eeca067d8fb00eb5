"""`type = "change"`: a state lasts too long, or comes too often: an open door, lost power, an alarm code.

    [[rule]]
    type = "change"
    id = "door-open"
    title = "The door stands open"
    severity = "warning"
    select = { kind = "cold_room", metric = "door_open" }
    is = true             # or a number, or a list of numbers
    for = "5m"

    [[rule]]
    type = "change"
    id = "door-traffic"
    title = "The door is opened more than 30 times an hour"
    select = { kind = "cold_room", metric = "door_open" }
    is = true
    times = 30
    within = "1h"

    [[rule]]
    type = "change"
    id = "controller-alarm"
    title = "The controller reports an alarm"
    select = { kind = "cold_room", metric = "alarm_code" }
    is_not = 0            # any state but this

With `times` it fires at the sample with which the state has come so often in the time before, and lasts until a sample
says that it is fewer. Without `is` and `is_not` every change counts. A change that nobody saw, between two samples or
in silence, counts once at most.

Cost: only changes are looked at. Memory: the last state and when it was entered the last `times` times, at most 1,000.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from frostline_core.rules.condition import Condition, Look, Verdict, after, before
from frostline_core.rules.duration import Duration, text
from frostline_core.rules.state import HIGHEST, Heard, Phase, State
from frostline_core.rules.suppress import Number

MOST_TIMES = 1_000
"""The most times that a rule may count."""


def _as_numbers(value: object) -> object:
    values = value if isinstance(value, list | tuple) else [value]
    return tuple(float(each) if isinstance(each, bool) else each for each in values)


States = Annotated[
    tuple[Number, ...],
    BeforeValidator(_as_numbers, json_schema_input_type=bool | float | list[bool | float]),
    Field(max_length=50),
]
"""States as numbers: true is 1 and false is 0, one alone or a list."""


class Change(Condition):
    """Fires while a metric is in a state, or has come into it too often."""

    steady: ClassVar[bool] = True

    type: Literal["change"] = "change"
    states: States = Field((), alias="is", description="The states that are wrong: true, false, a number, or a list.")
    others: States = Field((), alias="is_not", description="The states that are right; any other is wrong.")
    times: int | None = Field(
        None, ge=2, le=MOST_TIMES, description="Fires when the state has come so often within `within`."
    )
    within: Duration | None = Field(None, ge=1000, description="The time over which `times` counts, for example 1h.")

    @model_validator(mode="after")
    def _has_sense(self) -> Self:
        if self.states and self.others:
            raise ValueError("give `is` or `is_not`, not both")
        if (self.times is None) != (self.within is None):
            raise ValueError("`times` and `within` belong together")
        if self.times is None and not (self.states or self.others):
            raise ValueError("give `is`, `is_not`, or `times` and `within`")
        return self

    def judge(self, look: Look) -> Verdict | None:
        """In the state; or in it for the n-th time within the time before."""
        if look.value is None:
            return None
        if self.times is None:
            return Verdict(self._is_wrong(look.value), look.value)
        return self._count(look.value, look.at_ms, look.state.memory)

    def band(self, state: State, heard: Heard) -> tuple[float, float] | None:
        """The states that say the same; where it counts, the state that is."""
        if self.times is not None:
            known = state.memory.get("is")
            return None if known is None else (known, known)
        if state.phase is Phase.OK:
            return _free_of(self.states) if self.states else (self.others[0], self.others[0])
        return None if state.value is None else (state.value, state.value)

    def rests_until_ms(self, state: State) -> int | None:
        """While it fires for a number of times: until the first of them is too long ago."""
        if self.within is None or state.phase is not Phase.FIRING or not state.memory.get("at"):
            return None
        return int(state.memory["at"][0]) + self.within

    def join(self, begun: State, late: State, live: State) -> State:
        """What the backlog has counted belongs to what is live."""
        joined = super().join(begun, late, live)
        return joined if self.times is None else replace(joined, memory=self._merged(begun, late, live))

    def _is_wrong(self, value: float) -> bool:
        return value in self.states if self.states else value not in self.others

    def _enters(self, known: float | None, value: float) -> bool:
        """Whether a value after another counts as a time; the first of all does not."""
        if known is None or value == known:
            return False
        if not (self.states or self.others):
            return True
        return self._is_wrong(value) and not self._is_wrong(known)

    def _count(self, value: float, at_ms: int, memory: Mapping[str, Any]) -> Verdict:
        assert self.times is not None and self.within is not None, "only where it counts"  # noqa: S101
        entries: list[int] = memory.get("at", [])
        if self._enters(memory.get("is"), value):
            entries = [*entries, at_ms][-self.times :]
        count = sum(entry > at_ms - self.within for entry in entries)
        return Verdict(
            count >= self.times,
            float(count),
            float(self.times),
            memory={"is": value, "at": entries},
            note=f"{count} times within {text(self.within)}" if count >= self.times else "",
        )

    def _merged(self, begun: State, late: State, live: State) -> dict[str, Any]:
        """The entries of the backlog, and those of the live samples after it.

        The live sample after a hole is compared with the one before it: an entry that this makes up is the backlog's to
        tell, which knows when it really was.
        """
        assert self.times is not None, "only where it counts"  # noqa: S101
        before_hole = begun.memory.get("at", [])
        own = [entry for entry in live.memory.get("at", []) if not before_hole or entry > before_hole[-1]]
        known, reached = begun.memory.get("is"), late.memory.get("is")
        if reached is not None and self._enters(known, reached) and len(own) < self.times:
            own = own[1:]
        entries = sorted({*late.memory.get("at", []), *own})
        return {"is": live.memory.get("is", reached), "at": entries[-self.times :]}


def _free_of(states: tuple[float, ...]) -> tuple[float, float]:
    """The widest interval of numbers, around 0 or near it, that holds none of these."""
    middle = next(float(number) for number in range(len(states) + 1) if number not in states)
    below = [after(state) for state in states if state < middle]
    above = [before(state) for state in states if state > middle]
    return max(below, default=-HIGHEST), min(above, default=HIGHEST)
