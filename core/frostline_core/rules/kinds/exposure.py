"""`type = "exposure"`: how long a value has been beyond a limit, all in all, within a window or a trip.

    [[rule]]
    type = "exposure"
    id = "vaccine-warm"
    title = "Vaccine above 8 degrees for 10 hours in 30 days"
    severity = "critical"
    category = "compliance"
    select = { kind = "cold_room", metric = "air_temperature" }
    above = 8.0
    allowed = "10h"
    within = "30d"

    [[rule]]
    type = "exposure"
    id = "trip-warm"
    title = "More than two hours too warm on this trip"
    select = { metric = "temperature" }
    above = 5.0
    allowed = "2h"
    during = "trip_active"        # counts anew each time that this begins

Many short excursions count like a long one. It fires when the sum has reached `allowed`, and is over when so much has
left the window, or the trip is over. Told are minutes. What is suppressed or out of hours opens nothing, but counts.

Time that was not measured counts neither way; how much it is goes onto the incident (`unseen_ms`). While it could hide
that the sum was reached, the rule does not say that all is well: it is unknown. Before the first sample nothing counts,
and a trip begins where `during` begins.

Cost: samples that cross the limit are looked at, and one in `max_gap`. The window moves in 48 parts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from frostline_core.rules.condition import Look, Verdict, after, before, beyond
from frostline_core.rules.duration import MAX_MS, Duration, text
from frostline_core.rules.state import HIGHEST, NEVER, Heard, Phase, State
from frostline_core.rules.suppress import TRUE_ABOVE, Number
from frostline_core.rules.tally import Memory, Tally
from frostline_core.rules.watch import Input, Watch

_MINUTE_MS = 60_000


class Exposure(Tally):
    """Fires when a value has been beyond a limit for so long, all in all."""

    counts_by: ClassVar[tuple[str, ...]] = ("above", "below", "within", "during")
    type: Literal["exposure"] = "exposure"
    above: Number | None = Field(None, description="What is above this counts.")
    below: Number | None = Field(None, description="What is below this counts.")
    allowed: Duration = Field(ge=1000, description="How long it may be beyond the limit, all in all: 10h.")
    within: Duration | None = Field(None, ge=600_000, description="The window: 24h, 30d.")
    during: str | None = Field(
        None, min_length=1, max_length=200, description="A flag of the same device, in place of a window: a trip."
    )

    @model_validator(mode="after")
    def _has_sense(self) -> Self:
        if self.above is None and self.below is None:
            raise ValueError("give `above`, `below`, or both for a band")
        if self.above is not None and self.below is not None and self.below > self.above:
            raise ValueError("`below` must not be more than `above`")
        if (self.within is None) == (self.during is None):
            raise ValueError("give `within` or `during`, one of them")
        if self.allowed > self.window_ms:
            raise ValueError("`allowed` must not be longer than `within`: it would never fire")
        if self.max_gap > self.window_ms:
            raise ValueError("`max_gap` must not be longer than `within`")
        return self

    @property
    def window_ms(self) -> int:
        """`within`; for a trip the longest duration of all."""
        return MAX_MS if self.within is None else self.within

    def watches(self) -> tuple[Watch, ...]:
        """The trip."""
        return () if self.during is None else (Watch(self.during, above=TRUE_ABOVE),)

    def rate(self, value: float) -> float:
        """1 beyond the limit."""
        return 1.0 if beyond(value, self.below, self.above) else 0.0

    def judge(self, look: Look) -> Verdict | None:
        """Counts on; on a trip only, and anew at its beginning."""
        if self.during is None:
            return super().judge(look)
        trip = self._trip(look.heard)
        begins_ms = trip.since_ms if trip.value == 1.0 else NEVER
        known = look.state.memory
        if known.get("trip") != begins_ms:
            known = _anew(known, begins_ms, look.at_ms) if begins_ms != NEVER else {}
        memory = {**self.count(known, look.heard.last_ms, look.at_ms, look.value), "trip": begins_ms}
        if begins_ms == NEVER:
            is_known = trip.value is not None and look.value is not None
            return Verdict(False if is_known else None, memory={**memory, "parts": []})
        said = Verdict(None) if look.value is None else self.weigh(look, memory)
        return replace(said, memory=memory)

    def weigh(self, look: Look, memory: Memory) -> Verdict:
        """Whether the sum has reached what is allowed, or may have."""
        total = self.total(memory)
        if total.sum < self.allowed <= total.sum + total.unseen_ms:
            return Verdict(None, note=f"{_minutes(total.unseen_ms)} were not measured")
        minutes, told = total.sum / _MINUTE_MS, look.state.value
        return Verdict(
            total.sum >= self.allowed,
            minutes,
            self.allowed / _MINUTE_MS,
            worse=look.state.phase is Phase.FIRING and told is not None and minutes >= 2 * told > 0,
            note=f"{_minutes(total.sum)} {self._what()}" if total.sum >= self.allowed else "",
            facts={"beyond_ms": round(total.sum), "seen_ms": round(total.seen_ms), "unseen_ms": round(total.unseen_ms)},
        )

    def band(self, state: State, heard: Heard) -> tuple[float, float] | None:
        """The values on the same side of the limit."""
        known = state.memory.get("value")
        if known is None or (state.phase is Phase.FIRING and self.hard_limit is not None):
            return None
        if self.during is not None:
            trip = self._trip(heard)
            if state.memory["trip"] != (trip.since_ms if trip.value == 1.0 else NEVER):
                return None
        if state.phase is Phase.OK and self.total(state.memory).sum >= self.allowed:
            return None
        low, high = -HIGHEST if self.below is None else self.below, HIGHEST if self.above is None else self.above
        if low <= known <= high:
            return low, high
        return (after(high), HIGHEST) if known > high else (-HIGHEST, before(low))

    def rests_until_ms(self, state: State) -> int | None:
        """Until the sum may have reached what is allowed, or twice what was told, and no longer than `max_gap`."""
        until = super().rests_until_ms(state)
        known = state.memory.get("value")
        if until is None or known is None or not self.rate(known):
            return until
        told = state.value if state.phase is Phase.FIRING else None
        news_ms = self.allowed if told is None else 2 * told * _MINUTE_MS
        return min(until, int(state.memory["at"] + max(1.0, news_ms - self.total(state.memory).sum)))

    def merged(self, late: Memory, live: Memory, twice: Memory) -> Memory:
        """A trip that began after the hole has nothing of it; one that the backlog knows better is the backlog's."""
        if self.during is None:
            return super().merged(late, live, twice)
        if NEVER in (late["trip"], live["trip"]) or live["trip"] > late["at"] + self.max_gap:
            return live
        return super().merged(late, live, twice if twice.get("trip") == live["trip"] else {})

    def _trip(self, heard: Heard) -> Input:
        (watch,) = self.watches()
        return heard.inputs.get(watch, Input())

    def _what(self) -> str:
        sides = [f"above {self.above:g}"] if self.above is not None else []
        sides += [f"below {self.below:g}"] if self.below is not None else []
        return " or ".join(sides) + (f" within {text(self.within)}" if self.within is not None else "")


def _anew(memory: Memory, begins_ms: int, at_ms: int) -> Memory:
    """What is known where a trip begins: the value that lasts then, if it was measured."""
    begins_ms = min(begins_ms, at_ms)
    held = memory.get("value") if memory and memory["at"] <= begins_ms else None
    return {"from": begins_ms, "at": begins_ms, "value": held, "parts": []}


def _minutes(ms: float) -> str:
    return text(max(1, round(ms / _MINUTE_MS)) * _MINUTE_MS)
