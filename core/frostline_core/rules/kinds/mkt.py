"""`type = "mkt"`: the mean kinetic temperature of a window is above a limit.

    [[rule]]
    type = "mkt"
    id = "pharmacy-mkt"
    title = "Mean kinetic temperature of a day above 8 degrees"
    severity = "critical"
    category = "compliance"
    select = { kind = "cold_room", metric = "air_temperature", labels = { product = "2-8" } }
    above = 8.0
    within = "24h"                # controlled cold temperature; 30d for controlled room temperature, above 25.0

It is the one temperature that would do as much harm to a product as those measured: warm hours weigh more than cold
ones. After USP <1079.2>, with 83.144 kJ/mol for the heat of activation, each value weighed by the time that it lasted;
the metric must be in degrees Celsius. What USP allows besides, peaks and their duration, are rules of their own:
`threshold` and `exposure`.

It is not for what must not freeze, nor for long times, where a mean hides the worst day: a window of more than 30 days
is refused, and while a value at or below `freezing` is in the window it is not judged: unknown. So it is while less
than `coverage` of the window was measured. Both are said in the note.

Cost: every sample is looked at that differs by more than `tolerance` from the one before, and one in `max_gap`. The
window moves in 48 parts. Memory: with each look about 4 KiB are written.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from frostline_core.rules.condition import Look, Verdict, after
from frostline_core.rules.duration import Duration, text
from frostline_core.rules.state import HIGHEST, Heard, Phase, State
from frostline_core.rules.suppress import Number
from frostline_core.rules.tally import Memory, Tally

ACTIVATION_K = 10_000.0
"""Heat of activation over the gas constant: 83.144 kJ/mol over 8.3144 J/(mol K); USP <1079.2>."""

LONGEST_MS = 30 * 86_400_000
"""The longest window of USP <1079.2>."""

_ZERO_K = 273.15
_COLDEST_K = 50.0  # what is below is no goods; it keeps the exponential from becoming 0
_MINUTE_MS = 60_000

_Extreme = Sequence[float]  # (index of a part, lowest, highest)


class Mkt(Tally):
    """Fires while the mean kinetic temperature is above a limit."""

    counts_by: ClassVar[tuple[str, ...]] = ("within",)
    type: Literal["mkt"] = "mkt"
    above: Number = Field(description="The highest mean kinetic temperature that is in order, degrees Celsius.")
    hysteresis: Number = Field(0.0, ge=0, description="How far below the limit it must come back.")
    within: Duration = Field(86_400, ge=3_600_000, le=LONGEST_MS, description="The window: 24h, or 30d at most.")
    freezing: Number = Field(0.0, ge=0, description="With a value at or below this in the window it is not judged.")
    coverage: Number = Field(0.8, ge=0.5, le=1, description="The part of the window that must have been measured.")
    tolerance: Number = Field(
        0.0, ge=0, le=1, description="Samples that differ by no more count as the same; it may be wrong by so much."
    )

    @model_validator(mode="after")
    def _has_sense(self) -> Self:
        if self.above <= self.freezing:
            raise ValueError("`above` must be more than `freezing`: what is frozen has no mean kinetic temperature")
        if self.max_gap > self.within:
            raise ValueError("`max_gap` must not be longer than `within`")
        return self

    @property
    def window_ms(self) -> int:
        """`within`."""
        return self.within

    def rate(self, value: float) -> float:
        """How fast a product ages at a temperature."""
        return math.exp(-ACTIVATION_K / max(_COLDEST_K, value + _ZERO_K))

    def count(self, memory: Memory, last_ms: int, at_ms: int, value: float | None) -> Memory:
        """Also keeps the lowest and the highest value of each part."""
        extremes: list[_Extreme] = memory.get("extremes", [])
        held, step = memory.get("value"), self.part_ms
        if held is not None:
            until_ms = self.lasts_until(memory, last_ms, at_ms)
            for index in range(int(memory["at"]) // step, (until_ms - 1) // step + 1):
                extremes = _widened(extremes, (index, held, held))
        if value is not None:
            extremes = _widened(extremes, (at_ms // step, value, value))
        return {**super().count(memory, last_ms, at_ms, value), "extremes": self._extremes_in_window(extremes, at_ms)}

    def weigh(self, look: Look, memory: Memory) -> Verdict:
        """The mean, where it may be judged."""
        total = self.total(memory)
        low, high = min(each[1] for each in memory["extremes"]), max(each[2] for each in memory["extremes"])
        if low <= self.freezing:
            return Verdict(None, note=f"not judged: {low:g} was in the window")
        if total.seen_ms < self.coverage * self.within or total.seen_ms <= 0:
            return Verdict(None, note=f"{_minutes(total.seen_ms)} of {text(self.within)} were measured")
        found = mean(total.sum / total.seen_ms)
        facts: dict[str, Any] = {"mkt": found, "lowest": low, "highest": high, "seen_ms": round(total.seen_ms)}
        limit = self.above - self.hysteresis if look.is_open else self.above
        told = look.state.value
        worse = look.state.phase is Phase.FIRING and told is not None and found - self.above >= 2 * (told - self.above)
        return Verdict(
            found > limit, found, self.above, worse and found > self.above, note=f"mean of {found:.2f}", facts=facts
        )

    def band(self, state: State, heard: Heard) -> tuple[float, float] | None:
        """The values that count as the same as the last one, but none that is freezing."""
        known = state.memory.get("value")
        if known is None or known <= self.freezing or (state.phase is Phase.FIRING and self.hard_limit is not None):
            return None
        return max(known - self.tolerance, after(self.freezing)), min(known + self.tolerance, HIGHEST)

    def merged(self, late: Memory, live: Memory, twice: Memory) -> Memory:
        """The extremes of both."""
        extremes: list[_Extreme] = list(late["extremes"])
        for extreme in live["extremes"]:
            extremes = _widened(extremes, extreme)
        kept = self._extremes_in_window(extremes, int(live["at"]))
        return {**super().merged(late, live, twice), "extremes": kept}

    def _extremes_in_window(self, extremes: Sequence[_Extreme], at_ms: int) -> list[_Extreme]:
        return [each for each in extremes if (each[0] + 1) * self.part_ms > at_ms - self.within]


def mean(rate: float) -> float:
    """The temperature, degrees Celsius, at which a product ages at a rate (Haynes, J. Pharm. Sci. 60, 1971)."""
    return -ACTIVATION_K / math.log(rate) - _ZERO_K


def _widened(extremes: Sequence[_Extreme], more: _Extreme) -> list[_Extreme]:
    index, low, high = more
    found = {each[0]: each for each in extremes}
    if index in found:
        low, high = min(low, found[index][1]), max(high, found[index][2])
    found[index] = [index, low, high]
    return [found[each] for each in sorted(found)]


def _minutes(ms: float) -> str:
    return text(round(ms / _MINUTE_MS) * _MINUTE_MS)
