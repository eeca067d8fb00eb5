"""What waits at the host for a flush, and what a flush has taken. Nearly all of it is `Regular`, as it was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from frostline_core.commit.wire import BatchMark, Regular
from frostline_core.reading import Stream

T = TypeVar("T")


@dataclass(slots=True)
class Queued(Generic[T]):
    """A batch that is next in its run: its mark, what the caller wants back with it, its size in bytes."""

    mark: BatchMark
    item: T
    size: int


class Span(NamedTuple):
    """What a flush has of one run.

    Attributes:
        before: The number that the first of them followed.
        last: The last one's number.
        entry: The first of them.
    """

    before: int
    last: int
    entry: Any


@dataclass(slots=True)
class Queue(Generic[T]):
    """What waits for a flush; not bounded by itself.

    Attributes:
        waiting: In the order in which it came.
        regular: See `Taken`.
        bytes: What it weighs.
        cursor: Of each run its last number.
        begins: Of each run its first entry, and the number that this one followed.
    """

    waiting: list[Queued[T] | Regular] = field(default_factory=list)
    regular: bool = True
    bytes: int = 0
    cursor: dict[int, int] = field(default_factory=dict)
    begins: dict[int, tuple[int, Any]] = field(default_factory=dict)


@dataclass(slots=True)
class Taken(Generic[T]):
    """What a flush has taken.

    Attributes:
        entries: In the order in which they came.
        regular: All of them are `Regular`, and each is the next of its run.
        spans: By run.
    """

    entries: list[Queued[T] | Regular] = field(default_factory=list)
    regular: bool = True
    spans: dict[int, Span] = field(default_factory=dict)

    @classmethod
    def of(cls, batches: Sequence[Queued[T]]) -> Taken[T]:
        """A part of what was taken, spelled out."""
        spans: dict[int, Span] = {}
        for each in batches:
            known = spans.get(each.mark.run, Span(each.mark.first - 1, 0, each))
            spans[each.mark.run] = known._replace(last=each.mark.n)
        return cls(list(batches), not batches, spans)


def mark_of(batch: Regular) -> BatchMark:
    """Which batch it is."""
    run, n, base = batch[:3]
    return BatchMark(run, Stream.SAMPLES, n, n, base)


def spelled_out(batch: Regular) -> Queued[Any]:
    """The same for the ways that few batches go."""
    return Queued(mark_of(batch), batch, len(batch[6]))
