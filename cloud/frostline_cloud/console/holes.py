"""Spans of time that no sample speaks for, and their words: what is not known is never left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from frostline_cloud.console.wall import Wall
from frostline_cloud.console.words import span

MOST_GAPS: Final = 5
"""Holes that are named one by one, the longest."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A span that no sample speaks for."""

    from_ms: int
    to_ms: int


def speaks_to_ms(at_ms: int, next_ms: int, speaks_ms: int, blind: Sequence[Gap] = ()) -> int:
    """Until when a sample speaks: for so long, or until a span of which it is known that nothing came of it.

    Args:
        at_ms: When it was measured.
        next_ms: When the next one was; else the end of what is looked at.
        speaks_ms: How long a value holds where nothing else is known.
        blind: Those spans; one that ends before the next sample, or with it, cuts this one short.
    """
    ends = [max(at_ms, each.from_ms) for each in blind if at_ms < each.to_ms <= next_ms]
    return min([at_ms + speaks_ms, *ends])


def holes(
    held: Sequence[tuple[int, int]], view: tuple[int, int], speaks_ms: int, blind: Sequence[Gap] = ()
) -> tuple[Gap, ...]:
    """Where no sample speaks: each does until the next, or for so long.

    Args:
        held: Begin and end of what each sample or interval stands for, in order of time.
        view: Begin and end of what is looked at.
        speaks_ms: How long a value holds after that.
        blind: Spans of which it is known that nothing came of them; see `speaks_to_ms`.
    """
    begin_ms, end_ms = view
    found: list[Gap] = []
    known_to_ms = begin_ms
    for number, (from_ms, to_ms) in enumerate(held):
        next_ms = held[number + 1][0] if number + 1 < len(held) else end_ms
        if from_ms - known_to_ms > (speaks_ms if known_to_ms == begin_ms else 0):
            found.append(Gap(known_to_ms, from_ms))
        known_to_ms = max(begin_ms, speaks_to_ms(to_ms, next_ms, speaks_ms, blind))
    if known_to_ms < end_ms or not held:
        found.append(Gap(known_to_ms, end_ms))
    return tuple(each for each in found if each.to_ms > each.from_ms)


def picture_begin_ms(view: tuple[int, int], gaps: Sequence[Gap], shown_ms: int) -> int:
    """Where a picture of a view begins: only a long hole before the first sample is left out; the words have it.

    Args:
        view: Begin and end of what is looked at.
        gaps: Its holes.
        shown_ms: What must be in the picture however long the hole is.
    """
    begin_ms, end_ms = view
    if not gaps or gaps[0].from_ms > begin_ms or gaps[0].to_ms >= end_ms:
        return begin_ms
    first_ms = min(gaps[0].to_ms, shown_ms)
    return max(begin_ms, first_ms - max((end_ms - first_ms) // 3, 1_000))


def gap_lines(gaps: Sequence[Gap], wall: Wall) -> list[str]:
    """The gaps in words, the longest of them."""
    longest = sorted(gaps, key=lambda each: each.from_ms - each.to_ms)[:MOST_GAPS]
    lines = [_gap(each, wall) for each in sorted(longest, key=lambda each: each.from_ms)]
    more = len(gaps) - len(longest)
    return [*lines, f"and {more} shorter gaps"] if more else lines


def _gap(gap: Gap, wall: Wall) -> str:
    lasts = span(gap.to_ms - gap.from_ms)
    return f"Unknown: no data for {lasts}, from {wall.text(gap.from_ms)} to {wall.text(gap.to_ms)}"
