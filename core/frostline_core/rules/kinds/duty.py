"""`type = "duty"`: a machine ran more of the day, or less, than it usually does.

    [[rule]]
    type = "duty"
    id = "compressor-works-harder"
    title = "A compressor ran 15 % of the day longer than usual"
    severity = "warning"
    select = { kind = "cold_room", metric = "compressor_running" }
    above = 0.15                        # so much of the day more than usual
    ambient = "condenser_temperature"   # compare only with days that were as warm
    similar = 3.0                       # within so many degrees; the default

A compressor that loses refrigerant, or whose condenser is dirty, runs longer for the same cold, weeks before the room
is too warm. The duty is the part of a day (UTC) in which it ran. When a day is over it is compared with the median of
the days before it in `history`; it is told as a part of 1, with what is usual as `usual` on the incident. The alert
lasts until a day is usual again; so it is a day late, and about drift.

With `ambient`, only days count whose mean of that metric was similar; a day without it is not judged. A day of which
less than 80 % was measured, or that has fewer than five days to be compared with, is unknown.

Cost: switches are looked at, and one sample in `max_gap`; the ambient at the same times, and a little for each value of
it. Memory: five numbers for each day of `history`.
"""

from __future__ import annotations

from statistics import median
from typing import Literal, Self

from pydantic import Field, model_validator

from frostline_core.rules.condition import Look, Verdict
from frostline_core.rules.duration import Duration
from frostline_core.rules.state import Heard, Phase, State
from frostline_core.rules.suppress import TRUE_ABOVE, Number
from frostline_core.rules.tally import Memory, Tally, added
from frostline_core.rules.watch import Watch

DAY_MS = 86_400_000
LEAST_DAYS = 5
"""Days without which nothing is usual."""

COVERAGE = 0.8
"""The part of a day that must have been measured."""

_FLAG = Watch("", above=TRUE_ABOVE)


class Duty(Tally):
    """Fires after a day in which a machine ran notably more, or less, than usual."""

    type: Literal["duty"] = "duty"
    above: Number | None = Field(None, gt=0, lt=1, description="How much more of the day than usual fires, of 1.")
    below: Number | None = Field(None, gt=0, lt=1, description="How much less of the day than usual fires, of 1.")
    history: Duration = Field(
        14 * 86_400, ge=LEAST_DAYS * DAY_MS, le=60 * DAY_MS, description="What is usual is the median of these days."
    )
    ambient: str | None = Field(
        None, min_length=1, max_length=200, description="A temperature of the same device that explains the duty."
    )
    similar: Number = Field(3.0, gt=0, description="How far that temperature's mean may be off, to compare two days.")

    @model_validator(mode="after")
    def _has_sense(self) -> Self:
        if self.above is None and self.below is None:
            raise ValueError("give `above`, `below` or both")
        return self

    @property
    def window_ms(self) -> int:
        """`history`, and the day that is judged."""
        return self.history + DAY_MS

    @property
    def part_ms(self) -> int:
        """A day."""
        return DAY_MS

    def watches(self) -> tuple[Watch, ...]:
        """The ambient."""
        return () if self.ambient is None else (Watch(self.ambient),)

    def rate(self, value: float) -> float:
        """1 while it runs."""
        return _FLAG.read(value)

    def judge(self, look: Look) -> Verdict | None:
        """Also adds up the ambient, by the time that each value was there."""
        if self.ambient is None:
            return super().judge(look)
        known = look.state.memory
        warmth, here = known.get("warmth", []), look.input(Watch(self.ambient))
        if known.get("value") is not None and here is not None:
            span = (int(known["at"]), self.lasts_until(known, look.heard.last_ms, look.at_ms))
            warmth = self._in_window(added(warmth, DAY_MS, span, here), look.at_ms)
        memory = {**self.count(known, look.heard.last_ms, look.at_ms, look.value), "warmth": warmth}
        said = Verdict(None) if look.value is None else self.weigh(look, memory)
        return Verdict(said.on, said.value, said.limit, memory=memory, note=said.note, facts=said.facts)

    def weigh(self, look: Look, memory: Memory) -> Verdict:
        """Yesterday against the days before it."""
        yesterday = look.at_ms // DAY_MS - 1
        duty = {int(day): ran / seen for day, seen, ran in memory["parts"] if seen >= COVERAGE * DAY_MS}
        warmth = {int(day): total / seen for day, seen, total in memory.get("warmth", ()) if seen > 0}
        if self.ambient is not None:
            duty = {day: ran for day, ran in duty.items() if self._is_similar(warmth, day, yesterday)}
        if yesterday not in duty:
            return Verdict(None, note="too little of yesterday was measured")
        others = [ran for day, ran in duty.items() if day < yesterday]
        if len(others) < LEAST_DAYS:
            return Verdict(None, note=f"{len(others)} days to compare with, of {LEAST_DAYS} needed")
        ran, usual = duty[yesterday], median(others)
        facts = {"usual": usual, "days": len(others)}
        if self.above is not None and ran > usual + self.above:
            return Verdict(
                True, ran, usual + self.above, note=f"{ran:.0%} of the day, usually {usual:.0%}", facts=facts
            )
        if self.below is not None and ran < usual - self.below:
            return Verdict(
                True, ran, usual - self.below, note=f"{ran:.0%} of the day, usually {usual:.0%}", facts=facts
            )
        return Verdict(False, ran, facts=facts)

    def band(self, state: State, heard: Heard) -> tuple[float, float] | None:
        """The state that is."""
        known = state.memory.get("value")
        if known is None or (state.phase is Phase.FIRING and self.hard_limit is not None):
            return None
        return _FLAG.band(_FLAG.read(known))

    def merged(self, late: Memory, live: Memory, twice: Memory) -> Memory:
        """Of a day that both know, the backlog's ambient counts."""
        merged = super().merged(late, live, twice)
        if self.ambient is None:
            return merged
        known = {part[0]: part for part in (*live.get("warmth", ()), *late.get("warmth", ()))}
        return {**merged, "warmth": [known[day] for day in sorted(known)]}

    def _is_similar(self, warmth: dict[int, float], day: int, judged: int) -> bool:
        return day in warmth and judged in warmth and abs(warmth[day] - warmth[judged]) <= self.similar
