"""`type = "defrost"`: a defrost does not come, or does not end.

    [[rule]]
    type = "defrost"
    id = "defrost-missing"
    title = "No defrost for ten hours, or one of more than 45 minutes"
    severity = "warning"
    select = { kind = "cold_room", metric = "defrost_active" }
    every = "10h"         # the longest time without one, from the end of the last
    longest = "45m"

An evaporator that is not defrosted ices up; one whose defrost does not end heats the room. Either key may stand alone.
It is over when a defrost begins that was missing, or ends that was too long.

A gap (longer than `max_gap`) may hide a defrost. So the time without one counts from its end; and as long as the last
defrost that was seen is longer ago than `every`, and a gap or the beginning of all may hide another, it is unknown.

Cost: changes are looked at, and one sample in `max_gap`. Memory: a state and four times.
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
_MINUTE_MS = 60_000

Memory = Mapping[str, Any]


class Defrost(Condition):
    """Fires when a defrost is missing or too long."""

    judges_missing: ClassVar[bool] = True

    type: Literal["defrost"] = "defrost"
    every: Duration | None = Field(None, ge=600_000, description="The longest time without a defrost: 10h.")
    longest: Duration | None = Field(None, ge=60_000, description="The longest that a defrost may last: 45m.")

    @model_validator(mode="after")
    def _has_sense(self) -> Self:
        if self.every is None and self.longest is None:
            raise ValueError("give `every`, `longest` or both")
        if self.every is not None and self.max_gap >= self.every:
            raise ValueError("`max_gap` must be less than `every`")
        return self

    def judge(self, look: Look) -> Verdict | None:
        """How long the defrost lasts, or how long there was none."""
        memory = self._follow(look.state.memory, look)
        if look.value is None:
            return Verdict(None, memory=memory)
        since_ms, last_ms = int(memory["since"]), int(memory["last"])
        lasts_ms = look.at_ms - since_ms
        if memory["is"] == 1.0:
            on = self.longest is not None and lasts_ms >= self.longest
            limit = None if self.longest is None else self.longest / _MINUTE_MS
            note = f"a defrost of more than {text(self.longest)}" if on and self.longest is not None else ""
            return Verdict(on, lasts_ms / _MINUTE_MS, limit, memory=memory, note=note, facts={"since_ms": since_ms})
        if self.every is None:
            return Verdict(False, 0.0, memory=memory)
        facts = {} if last_ms == NEVER else {"last_defrost_ms": last_ms}
        if lasts_ms >= self.every:
            missing = f"no defrost for {text(self.every)}"
            return Verdict(
                True, lasts_ms / _MINUTE_MS, self.every / _MINUTE_MS, memory=memory, note=missing, facts=facts
            )
        if last_ms == NEVER or look.at_ms - last_ms >= self.every:
            return Verdict(None, memory=memory, note="no defrost was seen; one may have been missed")
        return Verdict(False, lasts_ms / _MINUTE_MS, self.every / _MINUTE_MS, memory=memory)

    def band(self, state: State, heard: Heard) -> tuple[float, float] | None:
        """The state that is."""
        known = state.memory.get("is")
        if known is None or (state.phase is Phase.FIRING and self.hard_limit is not None):
            return None
        return _FLAG.band(known)

    def rests_until_ms(self, state: State) -> int | None:
        """Until it may last too long, and no longer than `max_gap`, so that gaps are seen."""
        if not state.memory:
            return None
        until = int(state.memory["at"]) + self.max_gap
        limit = self.longest if state.memory["is"] == 1.0 else self.every
        if limit is None or state.phase is Phase.FIRING:
            return until
        ends = [int(state.memory["since"]) + limit, int(state.memory["last"]) + limit]
        return min([until, *(end for end in ends if end > state.memory["at"])])

    def rest(self, state: State, at_ms: int) -> State:
        """Notes that samples went on to the newest."""
        return replace(state, memory={**state.memory, "at": at_ms})

    def join(self, begun: State, late: State, live: State) -> State:
        """What only the backlog knows of: a defrost in the hole, or that there was none."""
        joined = super().join(begun, late, live)
        if not late.memory or not live.memory:
            return replace(joined, memory=late.memory or live.memory)
        since_ms = live.memory["since"]
        if late.memory["is"] == live.memory["is"] and since_ms <= late.memory["at"]:
            since_ms = late.memory["since"]
        last_ms = max(late.memory["last"], live.memory["last"])
        return replace(joined, memory={**live.memory, "since": since_ms, "last": last_ms})

    def _follow(self, memory: Memory, look: Look) -> Memory:
        """The memory after a sample: state, since when without a gap, when a defrost was last seen."""
        at_ms = look.at_ms
        said = None if look.value is None else _FLAG.read(look.value)
        last_ms = int(memory.get("last", NEVER))
        heard_ms = max(look.heard.last_ms, int(memory.get("at", NEVER)))
        gone_on = bool(memory) and at_ms - heard_ms <= self.max_gap
        if memory.get("is") == 1.0:
            last_ms = at_ms if gone_on else heard_ms
        if said == 1.0:
            last_ms = at_ms
        same = gone_on and memory["is"] == said
        return {"is": said, "since": memory["since"] if same else at_ms, "last": last_ms, "at": at_ms}
