"""Compares what a device sent with what is in the store: what is missing, double or invented. Pure.

The device is the truth. What the gateway has read of it is known from outside: once the first number of a life of the
gateway is in the store, the driver was listening, and every later number of that life was read.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.chaos.clock import StampErrors

DEAF_MS = 20_000
"""A gateway that reads nothing for so long after its start is a fault of ours."""
SKEW_MS = 300
"""Between the sending of a number and its reading, on a busy machine; the ends of listed losses are that blurred."""
VAGUE_MS = 15_000
"""An entry that cannot count its samples may begin so long before the kill that it tells of, a full disk included."""
LATE_MS = 3_000
"""A stamp may be later than it should be by so much: the reading of a device's queue can be held up."""


@dataclass(frozen=True, slots=True)
class Life:
    """One process of the gateway, UTC milliseconds; the last one ends in infinity."""

    began_ms: float
    ended_ms: float


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry of the list of losses."""

    reason: str
    samples: int | None
    from_ms: float | None
    to_ms: float | None

    def covers(self, least_ms: float, most_ms: float, blur_ms: float) -> bool:
        """Whether a sample that would have been stamped between these may be among the lost; ends are blurred."""
        return (
            self.from_ms is not None
            and self.to_ms is not None
            and self.from_ms - blur_ms <= most_ms
            and least_ms <= self.to_ms + blur_ms
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that is known after the system has come to rest.

    Attributes:
        sent_ms: When the device sent each number; n at index n - 1.
        stored: Instant and number of every point in the store.
        lives: Of the gateway, in order.
        losses: As the cloud lists them.
        wrong: By how much the gateway's stamps are off, and told losses with them.
        stall_ms: For so long the machine may hold up any process, on top of what is said above.
    """

    sent_ms: Sequence[float]
    stored: Sequence[tuple[int, float]]
    lives: Sequence[Life]
    losses: Sequence[Listed]
    wrong: StampErrors = field(default_factory=StampErrors)
    stall_ms: float = 0.0

    def told(self, at_ms: float) -> bool:
        """Whether the list of losses covers a moment."""
        return any(each.covers(*self.stamps(at_ms), SKEW_MS + self.stall_ms) for each in self.losses)

    def stamps(self, at_ms: float) -> tuple[float, float]:
        """Between which times a sample of a moment is stamped."""
        least, most = self.wrong.around(at_ms)
        return at_ms + least, at_ms + most


def violations(evidence: Evidence) -> list[str]:
    """Every breach of the promise, in words; empty when it was kept."""
    counts = Counter(n for _, n in evidence.stored)
    sent = len(evidence.sent_ms)
    found = [f"invented: {n:g} was never sent" for n in counts if not (n.is_integer() and 1 <= n <= sent)]
    found += [f"double: {n:g} is in the store {times} times" for n, times in counts.items() if times > 1]
    in_order = [n for _, n in sorted(evidence.stored)]
    found += [f"out of order: {b:g} after {a:g}" for a, b in itertools.pairwise(in_order) if b < a]
    found += _of_stamps(evidence)
    found += _of_spans(evidence)
    for life in evidence.lives:
        found += _of_life(evidence, life, counts)
    return found


def _of_stamps(evidence: Evidence) -> Iterator[str]:
    """Stamps that no setting of the clock explains."""
    for stamp_ms, n in evidence.stored:
        if not (n.is_integer() and 1 <= n <= len(evidence.sent_ms)):
            continue
        sent_ms = evidence.sent_ms[int(n) - 1]
        least, most = evidence.wrong.around(sent_ms)
        if not least - SKEW_MS <= stamp_ms - sent_ms <= most + LATE_MS + evidence.stall_ms:
            off = f"off by {stamp_ms - sent_ms:.0f} ms, not by {least:.0f} to {most:.0f}"
            yield f"untrue: the stamp of {n:g} is {off}"


def _of_spans(evidence: Evidence) -> Iterator[str]:
    """Entries that explain more than a kill can have cost."""
    kills = [evidence.stamps(life.ended_ms) for life in evidence.lives if life.ended_ms < 9e15]
    blur_ms, vague_ms = SKEW_MS + evidence.stall_ms, VAGUE_MS + evidence.stall_ms
    for each in evidence.losses:
        if each.samples is not None or each.from_ms is None:
            continue
        if not any(each.covers(*kill, blur_ms) and kill[0] - vague_ms <= each.from_ms for kill in kills):
            yield f"vague: the entry from {each.from_ms:.0f} to {each.to_ms or 0:.0f} ms explains more than a kill"


def unread(evidence: Evidence) -> int:
    """How many numbers were sent while no driver listened: before the first stored one of each life."""
    stored = {n for _, n in evidence.stored}
    heard = 0
    for life in evidence.lives:
        numbers = _numbers(evidence, life)
        first = next((n for n in numbers if n in stored), None)
        heard += 0 if first is None else numbers.stop - first
    return len(evidence.sent_ms) - heard


def _numbers(evidence: Evidence, life: Life) -> range:
    """What was sent in a life."""
    first = bisect_right(evidence.sent_ms, life.began_ms) + 1
    return range(first, bisect_right(evidence.sent_ms, life.ended_ms) + 1)


def _of_life(evidence: Evidence, life: Life, stored: Counter[float]) -> Iterator[str]:
    numbers, deaf_ms = _numbers(evidence, life), DEAF_MS + evidence.stall_ms
    first = next((n for n in numbers if n in stored), None)
    if first is None:
        lived_ms = min(life.ended_ms, evidence.sent_ms[-1] if evidence.sent_ms else 0.0) - life.began_ms
        if lived_ms > deaf_ms:
            yield f"deaf: a gateway lived for {lived_ms / 1000:.1f} s and nothing of it is in the store"
        return
    waited_ms = evidence.sent_ms[first - 1] - life.began_ms
    if waited_ms > deaf_ms:
        yield f"deaf: {first} is the first of a gateway that had started {waited_ms / 1000:.1f} s before"
    missing = [n for n in range(first, numbers.stop) if n not in stored]
    for n in missing:
        at_ms = evidence.sent_ms[n - 1]
        if not evidence.told(at_ms):
            before_end = f"{(life.ended_ms - at_ms) / 1000:.3f} s before the kill" if life.ended_ms < 9e15 else "alive"
            yield f"missing: {n}, sent {before_end}, is neither in the store nor listed as lost"
    if life.ended_ms < 9e15 and not evidence.told(life.ended_ms):
        yield "silent: a gateway was killed, and no entry in the list of losses speaks of that moment"
