"""`type = "cycling"`: a machine switches on or off for too short a time, again and again.

    [[rule]]
    type = "cycling"
    id = "compressor-short-cycles"
    title = "A compressor cycles too fast"
    severity = "warning"
    select = { kind = "compressor_rack", metric = "compressor_1_running" }
    min_on = "3m"
    min_off = "2m"
    times = 4             # the default is 3
    within = "1h"         # the default

It fires with the switch that ends the `times`-th run, or pause, that was too short within the time, and lasts until a
sample says that they are fewer. Told is how many they were. Starts alone, short or not, are counted by `change`.

A run that began before the first sample, or ended in samples without a value, is of unknown length and does not count.
In a gap a run may only have been shorter than it looks; so a gap makes none that was not.

Cost: only switches are looked at. Memory: the state, since when, and the times of the last `times` short runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from frostline_core.rules.condition import Condition, Look, Verdict
from frostline_core.rules.duration import Duration, text
from frostline_core.rules.state import NEVER, Heard, Phase, State
from frostline_core.rules.suppress import TRUE_ABOVE
from frostline_core.rules.watch import Watch

_FLAG = Watch("", above=TRUE_ABOVE)


class Cycling(Condition):
    """Fires when runs or pauses have been too short too often."""

    judges_missing: ClassVar[bool] = True

    type: Literal["cycling"] = "cycling"
    min_on: Duration | None = Field(None, ge=1000, description="A run that is shorter is too short.")
    min_off: Duration | None = Field(None, ge=1000, description="A pause that is shorter is too short.")
    times: int = Field(3, ge=1, le=1000, description="So many fire.")
    within: Duration = Field(3600, ge=60_000, description="In so long.")

    @model_validator(mode="after")
    def _has_sense(self) -> Self:
        if self.min_on is None and self.min_off is None:
            raise ValueError("give `min_on`, `min_off` or both")
        return self

    def judge(self, look: Look) -> Verdict | None:
        """Whether the run or pause that ends was too short, and how many of the last ones were."""
        memory = look.state.memory
        if look.value is None:
            return Verdict(None, memory={**memory, "is": None, "since": NEVER})
        said, known, short = _FLAG.read(look.value), memory.get("is"), memory.get("short", [])
        since_ms = int(memory.get("since", NEVER))
        if said != known:
            if known is not None and self._is_short(known, since_ms, look.at_ms):
                short = [*short, look.at_ms][-self.times :]
            since_ms = NEVER if known is None else look.at_ms
        count = sum(at_ms > look.at_ms - self.within for at_ms in short)
        return Verdict(
            count >= self.times,
            float(count),
            float(self.times),
            memory={"is": said, "since": since_ms, "short": short},
            note=f"{count} too short within {text(self.within)}" if count >= self.times else "",
        )

    def band(self, state: State, heard: Heard) -> tuple[float, float] | None:
        """The state that is."""
        known = state.memory.get("is")
        if known is None or (state.phase is Phase.FIRING and self.hard_limit is not None):
            return None
        return _FLAG.band(known)

    def rests_until_ms(self, state: State) -> int | None:
        """While it fires: until the first short run is too long ago."""
        if state.phase is not Phase.FIRING or not state.memory.get("short"):
            return None
        return int(state.memory["short"][0]) + self.within

    def join(self, begun: State, late: State, live: State) -> State:
        """The short runs of the backlog, and those of the live samples after it."""
        joined = super().join(begun, late, live)
        if not late.memory or not live.memory:
            return replace(joined, memory=late.memory or live.memory)
        return replace(joined, memory=self._merged(begun.memory, late.memory, live.memory))

    def _is_short(self, known: float, since_ms: int, at_ms: int) -> bool:
        least = self.min_on if known == 1.0 else self.min_off
        return least is not None and since_ms != NEVER and at_ms - since_ms < least

    def _merged(self, begun: Mapping[str, Any], late: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
        """What ended after the first live switch is the live samples' to tell; what the hole made up is not."""
        before = begun.get("short", [])
        last_ms = before[-1] if before else NEVER
        own = [at_ms for at_ms in live.get("short", []) if at_ms > last_ms]
        alike = live["is"] == late.get("is") and live["since"] <= late.get("since", NEVER)
        since_ms = late["since"] if alike else live["since"]
        return {**live, "since": since_ms, "short": sorted({*late.get("short", []), *own})[-self.times :]}
