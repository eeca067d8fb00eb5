"""The order of one node's messages: `seq` counts them from 0 to 255 and round again (specification, section 5.20)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")
MOST_HELD = 100
"""Most messages of one node that wait for a missing one; at the bound the missing one is given up."""


@dataclass(slots=True)
class Order(Generic[Item]):
    """Says what may be handled now, and when a missing message is to be given up.

    Attributes:
        timeout_ms: How long a missing message is waited for (operational-behavior-host-reordering-param).
        holds: Whether later messages wait for it; False hands everything on at once and only watches.
        next: The seq that comes next.
        gap: What was expected and what came when the present gap opened.
    """

    timeout_ms: int
    holds: bool
    next: int = 0
    gap: tuple[int, int] | None = None
    _deadline_ms: int = 0
    _held: dict[int, Item] = field(default_factory=dict)
    _missed: set[int] = field(default_factory=set)

    def restart(self, seq: int) -> list[Item]:
        """A birth with that seq: counting starts anew. Returns what was still held; it belongs to no session now."""
        orphans = list(self._held.values())
        self.next = (seq + 1) % 256
        self.gap = None
        self._held.clear()
        self._missed.clear()
        return orphans

    def passes(self, seq: int) -> bool:
        """Whether this seq is the one that comes next and nothing is missing; then it is counted, and may be handled.

        What `arrived` would say, for less: nearly every message goes this way.
        """
        if seq != self.next or self.gap is not None or self._missed:
            return False
        self.next = (seq + 1) & 255
        return True

    def arrived(self, seq: int, item: Item, now_ms: int) -> list[Item]:
        """What may be handled now, in order; `now_ms` is of a clock that only goes forward."""
        if seq == self.next and self.gap is None:
            self.next = (seq + 1) & 255
            if self._missed:
                self._missed.discard((seq + 128) & 255)
            return [item]
        if seq in self._missed:
            self._missed.discard(seq)
            if not self._missed and not self._held:
                self.gap = None
            return [item]
        if self.holds:
            return self._hold(seq, item, now_ms)
        return self._watch(seq, item, now_ms)

    def overdue(self, now_ms: int) -> bool:
        """Whether the missing message is to be given up: time is over, or too many wait for it."""
        return self.gap is not None and (now_ms >= self._deadline_ms or len(self._held) > MOST_HELD)

    def give_up(self) -> list[Item]:
        """Closes the gap without what is missing; returns what waited, in order."""
        waiting = sorted(self._held, key=lambda seq: (seq - self.next) % 256)
        found = [self._held[seq] for seq in waiting]
        self._missed.clear()
        for seq in waiting:
            self._skip_to(seq)
        self._held.clear()
        self.gap = None
        return found

    def _hold(self, seq: int, item: Item, now_ms: int) -> list[Item]:
        if seq in self._held:
            return [item]  # A number given twice: nothing says which is which, and neither may vanish.
        if seq != self.next:
            self._open(seq, now_ms)
            self._held[seq] = item
            return []
        found = [item]
        self.next = (seq + 1) & 255
        while self.next in self._held:
            found.append(self._held.pop(self.next))
            self.next = (self.next + 1) & 255
        self.gap = None
        if self._held:
            self._open(min(self._held, key=lambda each: (each - self.next) % 256), now_ms)
        return found

    def _watch(self, seq: int, item: Item, now_ms: int) -> list[Item]:
        if seq != self.next:
            self._open(seq, now_ms)
        self._skip_to(seq)
        return [item]

    def _open(self, seq: int, now_ms: int) -> None:
        if self.gap is None:
            self.gap = (self.next, seq)
            self._deadline_ms = now_ms + self.timeout_ms

    def _skip_to(self, seq: int) -> None:
        """Counts on past `seq`; what lies between may still come late."""
        while self.next != seq:
            self._missed.add(self.next)
            self.next = (self.next + 1) & 255
        self._missed.discard(seq)
        self.next = (seq + 1) & 255
