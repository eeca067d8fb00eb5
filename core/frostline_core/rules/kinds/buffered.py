"""`type = "buffered"`: the product is too warm or too cold, not only the air for a moment.

    [[rule]]
    type = "buffered"
    id = "product-warm"
    title = "The product is too warm"
    severity = "critical"
    category = "compliance"
    select = { kind = "cold_room", metric = "air_temperature" }
    tau = "30m"           # 15m: small packs; 45m: a full pallet
    above = 7.0
    hysteresis = 0.5

A defrost or an open door warms the air long before the goods. In place of the air's value a virtual buffer is judged: a
lag of first order, as a probe in glycol has it. After 20 minutes at 14 degrees, from 4, it is at 11.4 with a `tau` of
15 minutes, at 8.9 with 30, at 7.6 with 45. What is stored is the air as it was measured; `hard_limit` is for the air,
and a rule for the air itself belongs beside this one.

Told is the buffer's level; the air is on the incident (`measured`). After a gap (longer than `max_gap`), and at the
beginning, the buffer is taken to be as warm as the air. If that is out of range it fires; else it is unknown until
three times `tau` have passed.

Cost: samples are looked at that differ by more than `tolerance` from the one before, and one in a 20th of `tau`, so it
may fire that much late. Memory: four numbers, written with each look.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, ClassVar, Literal

from pydantic import Field

from frostline_core.rules.buffer import Level
from frostline_core.rules.condition import Condition, Look, Verdict
from frostline_core.rules.duration import Duration
from frostline_core.rules.limits import Limits
from frostline_core.rules.state import Heard, Phase, State
from frostline_core.rules.suppress import Number

_LOOKS = 20


class Buffered(Condition, Limits):
    """Fires while a virtual buffer is beyond a limit."""

    counts_by: ClassVar[tuple[str, ...]] = ("tau",)
    type: Literal["buffered"] = "buffered"
    tau: Duration = Field(ge=60_000, le=86_400_000, description="After this time the buffer is 63 % of the way: 30m.")
    tolerance: Number = Field(
        0.0, ge=0, description="Samples that differ by no more count as the same; the buffer may be off by so much."
    )

    def judge(self, look: Look) -> Verdict | None:
        """The buffer's level against the limits."""
        if look.value is None:
            return None
        found = self._follow(look.state.memory, look.heard.last_ms, look.at_ms, look.value)
        level, memory = found.level, asdict(found)
        on = self.is_out(level, is_open=look.is_open)
        facts = {"measured": look.value}
        if not on and not found.is_settled(self.tau):
            return Verdict(None, memory=memory, note="the buffer is not settled yet", facts=facts)
        worse = look.state.phase is Phase.FIRING and self.is_news(level, look.state.value)
        return Verdict(on, level, self.nearest(level), worse, memory=memory, facts=facts)

    def band(self, state: State, heard: Heard) -> tuple[float, float] | None:
        """The same value."""
        if not state.memory or (state.phase is Phase.FIRING and self.hard_limit is not None):
            return None
        return state.memory["value"] - self.tolerance, state.memory["value"] + self.tolerance

    def rests_until_ms(self, state: State) -> int | None:
        """Until the level may have moved notably."""
        return int(state.memory["at_ms"]) + self._step if state.memory else None

    def rest(self, state: State, at_ms: int) -> State:
        """Follows up to the newest sample."""
        return replace(state, memory=asdict(_read(state.memory).then(at_ms, state.memory["value"], self.tau)))

    def join(self, begun: State, late: State, live: State) -> State:
        """The level of what is live, corrected by what the backlog has found; the lag is linear, so that is exact."""
        joined = super().join(begun, late, live)
        if not late.memory or not live.memory:
            return replace(joined, memory=late.memory or live.memory)
        then, now = _read(late.memory), _read(live.memory)
        if now.at_ms <= then.at_ms:  # the guard has passed what is live since the hole: it is alike
            return replace(joined, memory=late.memory)
        if now.from_ms > then.at_ms:  # another gap since
            return replace(joined, memory=live.memory)
        assumed = self._follow(begun.memory, int(begun.memory.get("at_ms", -1)), then.at_ms, then.value)
        left = math.exp(-(now.at_ms - then.at_ms) / self.tau)
        right = replace(now, level=now.level + (then.level - assumed.level) * left, from_ms=then.from_ms)
        return replace(joined, memory=asdict(right))

    @property
    def _step(self) -> int:
        return min(self.tau // _LOOKS, self.max_gap)

    def _follow(self, memory: Mapping[str, Any], last_ms: int, at_ms: int, value: float) -> Level:
        """The buffer after a sample; anew after a gap, or after samples without a value for as long."""
        if not memory:
            return Level.first(at_ms, value)
        known = _read(memory)
        gap = at_ms - max(last_ms, known.at_ms) > self.max_gap or at_ms - known.at_ms > self.max_gap + self._step
        return Level.first(at_ms, value) if gap else known.then(at_ms, value, self.tau)


def _read(memory: Mapping[str, Any]) -> Level:
    return Level(memory["at_ms"], memory["value"], memory["level"], memory["from_ms"])
