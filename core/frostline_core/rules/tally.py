"""Sums over a window that moves: how long a value was beyond a limit, or what it was on average; for rules that count.

The window is divided into parts, aligned with the epoch. Of each part two numbers are kept: how many milliseconds of it
were measured, and the sum over these of what the kind makes of the value. A value lasts until the next sample, or for
`max_gap` where none comes; the rest of a gap, and what follows a sample without a usable value, is not measured and
counts neither way. Of the oldest part, which the window has half left, its share counts.

What a backlog brings is added to what was counted live, so that both together are as if they had come in order.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from frostline_core.rules.condition import Condition, Look, Verdict
from frostline_core.rules.state import State

PARTS = 48
"""In so many parts a window is divided."""

Part = Sequence[float]
"""(index: start over the length of a part, milliseconds measured, sum over these)."""

Memory = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Total:
    """What is in the window.

    Attributes:
        seen_ms: How much of it was measured.
        unseen_ms: How much was not, since the first sample of all.
        sum: Over what was measured.
    """

    seen_ms: float
    unseen_ms: float
    sum: float


class Tally(Condition):
    """A condition on what has added up. Memory: three numbers for each of at most 50 parts, a value and two times."""

    judges_missing: ClassVar[bool] = True
    clears_unseen: ClassVar[bool] = False
    """What has left the window is seen with the next sample that is looked at."""

    @property
    @abstractmethod
    def window_ms(self) -> int:
        """The length of the window."""

    @abstractmethod
    def rate(self, value: float) -> float:
        """What a millisecond at a value adds."""

    @abstractmethod
    def weigh(self, look: Look, memory: Memory) -> Verdict:
        """What it means that so much has added up; `look.value` is usable."""

    @property
    def part_ms(self) -> int:
        """The length of a part."""
        return max(1, self.window_ms // PARTS)

    def judge(self, look: Look) -> Verdict | None:
        """Counts what has been since the last look, and weighs it."""
        memory = self.count(look.state.memory, look.heard.last_ms, look.at_ms, look.value)
        said = Verdict(None) if look.value is None else self.weigh(look, memory)
        return replace(said, memory=memory)

    def rests_until_ms(self, state: State) -> int | None:
        """One sample in `max_gap` is looked at, so that gaps are seen."""
        return int(state.memory["at"]) + self.max_gap if state.memory else None

    def rest(self, state: State, at_ms: int) -> State:
        """Counts up to the newest sample."""
        if not state.memory:
            return state
        return replace(state, memory=self.count(state.memory, at_ms, at_ms, state.memory["value"]))

    def join(self, begun: State, late: State, live: State) -> State:
        """What the backlog has counted, and what the live samples have counted since the hole."""
        joined = super().join(begun, late, live)
        if not late.memory or not live.memory:
            return replace(joined, memory=late.memory or live.memory)
        if live.memory["at"] <= late.memory["at"]:  # the guard has passed what is live since the hole: it is alike
            return replace(joined, memory=late.memory)
        twice: Memory = {}
        if begun.memory:
            twice = self.count(begun.memory, begun.memory["at"], late.memory["at"], late.memory["value"])
        return replace(joined, memory=self.merged(late.memory, live.memory, twice))

    def count(self, memory: Memory, last_ms: int, at_ms: int, value: float | None) -> Memory:
        """The memory after a sample at `at_ms`; `last_ms` is the sample before."""
        if not memory:
            return {"from": at_ms, "at": at_ms, "value": value, "parts": []}
        held, parts = memory["value"], memory["parts"]
        if held is not None:
            until_ms = self.lasts_until(memory, last_ms, at_ms)
            parts = added(parts, self.part_ms, (int(memory["at"]), until_ms), self.rate(held))
        return {**memory, "at": at_ms, "value": value, "parts": self._in_window(parts, at_ms)}

    def lasts_until(self, memory: Memory, last_ms: int, at_ms: int) -> int:
        """Until when the value in the memory lasted, when the next sample but those alike came at `at_ms`."""
        last_ms = max(last_ms, int(memory["at"]))
        return at_ms if at_ms - last_ms <= self.max_gap else last_ms + self.max_gap

    def total(self, memory: Memory) -> Total:
        """What is in the window that ends at the last look."""
        at_ms, step = int(memory["at"]), self.part_ms
        start_ms = at_ms - self.window_ms
        whole = memory["from"] >= start_ms
        seen = weight = 0.0
        for index, part_seen, part_sum in memory["parts"]:
            share = 1.0 if whole else min(1.0, ((index + 1) * step - start_ms) / step)
            if share > 0:
                seen += share * part_seen
                weight += share * part_sum
        return Total(seen, max(0.0, min(self.window_ms, at_ms - memory["from"]) - seen), weight)

    def merged(self, late: Memory, live: Memory, twice: Memory) -> Memory:
        """Both counts, without what is in both."""
        found: dict[float, list[float]] = {}
        for memory, sign in ((late, 1), (live, 1), (twice, -1)):
            for index, seen, weight in memory.get("parts", ()):
                known = found.setdefault(index, [0.0, 0.0])
                known[0] += sign * seen
                known[1] += sign * weight
        parts = [[index, seen, max(0.0, weight)] for index, (seen, weight) in sorted(found.items()) if seen > 0]
        return {**live, "from": late["from"], "parts": self._in_window(parts, int(live["at"]))}

    def _in_window(self, parts: Sequence[Part], at_ms: int) -> list[Part]:
        first = (at_ms - self.window_ms) // self.part_ms
        return [part for part in parts if part[0] >= first]


def added(parts: Sequence[Part], step: int, span: tuple[int, int], rate: float) -> list[Part]:
    """The parts after another span (from, to) of event time at a rate; parts are in the order of time."""
    start, end = span
    found = {part[0]: part for part in parts}
    while start < end:
        index = start // step
        stop = min(end, (index + 1) * step)
        _, seen, weight = found.get(index, (index, 0, 0.0))
        found[index] = [index, seen + stop - start, weight + rate * (stop - start)]
        start = stop
    return [found[index] for index in sorted(found)]
