"""When the clock alone may change something: one entry a slot, the next one first.

An entry may be due too early, since samples put off what it waits for; then it only asks again.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from frostline_core.rules.slot import Slot
from frostline_core.rules.state import FOREVER_MS

MOST_TIMERS = 2_000
"""Timers that one `advance` lets expire; when a whole fleet falls silent at once, the next calls do the rest."""

LOOKS = 10
"""So many timers that samples have put off cost as much as one that fires."""


class Timers:
    """The timers of all slots; `Slot.due_ms` is the slot's entry."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._slots = slots
        self._heap: list[tuple[int, int]] = []

    def clear(self) -> None:
        """Forgets every entry."""
        self._heap = []
        for slot in self._slots:
            slot.due_ms = FOREVER_MS

    def set(self, slot: int, due_ms: int) -> None:
        """A slot is due then, unless it is earlier anyway."""
        if due_ms < self._slots[slot].due_ms:
            self._slots[slot].due_ms = due_ms
            heapq.heappush(self._heap, (due_ms, slot))

    def take(self, until_ms: int) -> int | None:
        """A slot that is due by then, without its entry; None if there is none."""
        while self._heap and self._heap[0][0] <= until_ms:
            due_ms, slot = heapq.heappop(self._heap)
            if due_ms == self._slots[slot].due_ms:
                self._slots[slot].due_ms = FOREVER_MS
                return slot
        return None
