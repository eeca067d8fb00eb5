"""Long reads in parts of a day: what is in memory at once has a bound, and days without samples are leapt over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from frostline_cloud.store.port import Sample

DAY_MS = 86_400_000

Read = Callable[[int, int], Sequence[Sample]]
"""Every sample of [start, end), in order."""
First = Callable[[int, int], int | None]
"""When the first sample of [start, end) was measured; None where there is none."""


def by_day(read: Read, first: First, start_ms: int, end_ms: int) -> Iterator[Sample]:
    """The samples of [start_ms, end_ms), a day after the other."""
    begin = first(start_ms, end_ms)
    while begin is not None and begin < end_ms:
        end = min(begin + DAY_MS, end_ms)
        found = read(begin, end)
        yield from found
        begin = end if found else first(end, end_ms)
