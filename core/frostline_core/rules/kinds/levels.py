"""`type = "levels"`: several limits, each with its time and severity, as data loggers have them; one incident.

    [[rule]]
    type = "levels"
    id = "vaccine-limits"
    title = "Vaccine out of range"
    category = "compliance"
    select = { kind = "cold_room", metric = "air_temperature", labels = { product = "vaccine" } }
    hysteresis = 0.2
    clear_for = "10m"
    level = [
      { above = 8.0, for = "10m", severity = "warning" },
      { above = 8.0, for = "10h", severity = "critical" },
      { above = 8.0, for = "20h", mode = "cumulative", within = "30d", severity = "critical" },
      { below = -0.5, for = "60m", severity = "critical" },
    ]

A level is reached when the value has been beyond it for its time:

* `consecutive` (the default): without coming back. Once reached, it comes back by the hysteresis.
* `cumulative` with `within`: all in all in that window, whatever was between. It stays until enough has left it.
* `cumulative` without: all in all in one incident, which is over when the value has been within all levels for
  `clear_for`, whether or not an alert was raised.

While any level is reached it fires. The incident has the highest severity reached, and keeps it until it is resolved; a
higher one is told as it is reached. Time that was not measured (after `max_gap` of silence, or a sample without a
value) counts neither way: it is not added, and does not begin a time anew.

A value on a limit is within it. Cost: samples that cross a limit are looked at; while one is passed, one in `max_gap`
too. Memory: two numbers for a level; for one with a window, three for each of at most 50 parts in which it was passed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from frostline_core.rules.condition import Condition, Look, Verdict, after, before
from frostline_core.rules.level import Level, Mode, with_span
from frostline_core.rules.level import joined as joined_level
from frostline_core.rules.state import HIGHEST, Heard, Phase, State
from frostline_core.rules.suppress import Number

MOST_LEVELS = 18
"""Six above, six below, six bands: what the loggers with the most have."""

Memory = Mapping[str, Any]
"""at: the last look; value: then; back: since when within all levels; spent: of each level [since, ms] or the parts."""


class Levels(Condition):
    """Fires while one of several levels is reached."""

    judges_missing: ClassVar[bool] = True
    steady: ClassVar[bool] = True

    type: Literal["levels"] = "levels"
    level: Annotated[tuple[Level, ...], Field(min_length=1, max_length=MOST_LEVELS)] = Field(
        description="The limits, each with `above` and/or `below`, `for`, `mode`, `within` and `severity`."
    )
    hysteresis: Number = Field(
        0.0, ge=0, description="How far inside a level that is reached a value must come back, in the metric's unit."
    )

    @model_validator(mode="after")
    def _has_no_time_of_its_own(self) -> Self:
        if self.for_ms:
            raise ValueError("`for` belongs to each level")
        return self

    def judge(self, look: Look) -> Verdict | None:
        """Adds the time since the last look, and says which levels are reached."""
        memory = self._count(look.state.memory, look.heard.last_ms, look.at_ms, look.value)
        if look.value is None:
            return Verdict(None, memory=memory)
        reached = self._reached(memory)
        if not reached:
            return Verdict(False, look.value, memory={} if self._is_calm(memory) else memory)
        worst = max(reached, key=lambda level: level.severity.rank)  # of equals the first
        return Verdict(
            True,
            look.value,
            worst.limit(look.value),
            severity=worst.severity,
            memory=memory,
            note=str(worst),
            facts={"levels": [str(level) for level in reached]},
        )

    def band(self, state: State, heard: Heard) -> tuple[float, float] | None:
        """The values that are beyond the same levels."""
        if state.phase is Phase.FIRING and (self.hard_limit is not None or not state.memory):
            return None
        if not state.memory:
            return max(self._lows, default=-HIGHEST), min(self._highs, default=HIGHEST)
        value = state.memory["value"]
        if value is None:
            return None
        highs = [*self._highs, *(high - self.hysteresis for high in self._highs)]
        lows = [*self._lows, *(low + self.hysteresis for low in self._lows)]
        low = max(
            [after(cut) for cut in highs if cut < value] + [cut for cut in lows if cut <= value], default=-HIGHEST
        )
        high = min(
            [cut for cut in highs if cut >= value] + [before(cut) for cut in lows if cut > value], default=HIGHEST
        )
        return low, high

    def rests_until_ms(self, state: State) -> int | None:
        """Until a level may be reached, or may not be any more; while time adds up no longer than `max_gap`."""
        memory = state.memory
        if not memory:
            return None
        at_ms, value = int(memory["at"]), memory["value"]
        ends = [at_ms + self.max_gap] if value is not None and any(each.is_out(value) for each in self.level) else []
        if memory["back"] is not None:
            ends.append(min(at_ms + self.max_gap, int(memory["back"]) + self.clear_for))
        for level, spent in zip(self.level, memory["spent"], strict=True):
            ms = level.spent_ms(spent, at_ms)
            if ms < level.for_ms and value is not None and level.is_out(value):
                ends.append(at_ms + max(1, int(level.for_ms - ms)))
            elif level.within is not None and ms >= level.for_ms:
                ends.append(at_ms + max(1, int(ms - level.for_ms)))
        return min(ends, default=None)

    def rest(self, state: State, at_ms: int) -> State:
        """Counts up to the newest sample."""
        if not state.memory:
            return state
        return replace(state, memory=self._count(state.memory, at_ms, at_ms, state.memory["value"]))

    def join(self, begun: State, late: State, live: State) -> State:
        """What the backlog has counted, and what the live samples have counted since the hole."""
        joined = super().join(begun, late, live)
        if not late.memory:
            return replace(joined, memory=live.memory)
        to_ms = int(late.memory["at"])
        if live.memory and live.memory["at"] <= to_ms:  # the guard has passed what is live since the hole: it is alike
            return replace(joined, memory=late.memory)
        if not live.memory:
            kept = [spent if each.within is not None else None for each, spent in self._each(late.memory)]
            return replace(joined, memory={**late.memory, "value": None, "back": None, "spent": kept})
        alone: Memory = {"spent": [None] * len(self.level)}
        if begun.memory:
            alone = self._count(begun.memory, int(begun.memory["at"]), to_ms, late.memory["value"])
        known = zip(self.level, late.memory["spent"], live.memory["spent"], alone["spent"], strict=True)
        spent = [joined_level(level, to_ms, (one, other, twice)) for level, one, other, twice in known]
        return replace(joined, memory={**live.memory, "spent": spent})

    @cached_property
    def _highs(self) -> list[float]:
        return [each.above for each in self.level if each.above is not None]

    @cached_property
    def _lows(self) -> list[float]:
        return [each.below for each in self.level if each.below is not None]

    def _each(self, memory: Memory) -> list[tuple[Level, Any]]:
        return list(zip(self.level, memory["spent"], strict=True))

    def _reached(self, memory: Memory) -> list[Level]:
        at_ms, value = int(memory["at"]), memory["value"]
        return [
            level
            for level, spent in self._each(memory)
            if spent
            and level.spent_ms(spent, at_ms) >= level.for_ms
            and (level.within is not None or not level.is_back(value, self.hysteresis) or level.is_out(value))
        ]

    def _is_calm(self, memory: Memory) -> bool:
        """Whether nothing has added up, and nothing does."""
        return not any(memory["spent"]) and not any(each.is_out(memory["value"]) for each in self.level)

    def _count(self, memory: Memory, last_ms: int, at_ms: int, value: float | None) -> Memory:
        """The memory after a sample at `at_ms`; `last_ms` is the sample before."""
        if not memory:
            memory = {"at": at_ms, "value": None, "back": None, "spent": [None] * len(self.level)}
        start, held = int(memory["at"]), memory["value"]
        last_ms = max(last_ms, start)
        is_gap = at_ms - last_ms > self.max_gap
        span = (start, last_ms + self.max_gap if is_gap else at_ms)
        back = None if is_gap or held is None else memory["back"]
        inside = value is not None and all(each.is_back(value, self.hysteresis) for each in self.level)
        if inside and back is None:
            back = at_ms
        is_over = back is not None and at_ms - back >= self.clear_for
        spent = []
        for level, known in self._each(memory):
            now = known if held is None or not level.is_out(held) else with_span(level, known, span)
            spent.append(self._after(level, None if is_over and level.is_of_incident else now, at_ms, value))
        waits = (
            inside
            and not is_over
            and any(known for level, known in zip(self.level, spent, strict=True) if level.is_of_incident)
        )
        return {"at": at_ms, "value": value, "back": back if waits else None, "spent": spent}

    def _after(self, level: Level, spent: Any, at_ms: int, value: float | None) -> Any:
        """What has added up for a level, where a sample goes on with it or ends it."""
        if level.within is not None:
            first = (at_ms - level.within) // level.part_ms
            return [part for part in spent or () if part[0] >= first]
        if value is None:
            return spent
        if level.is_out(value):
            return spent or [at_ms, 0]
        if level.mode is Mode.CUMULATIVE:
            return spent
        stays = spent and spent[1] >= level.for_ms and not level.is_back(value, self.hysteresis)
        return spent if stays else None
