"""A metric as a virtual buffer would have shown it: derived when asked for, so that a backlog is always in it.

What is stored stays the metric as it was measured. The levels are those that rules of `<metric>_buffered` judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from frostline_cloud.store.port import Bucket, Sample
from frostline_core.rules.buffer import Level
from frostline_core.rules.derived import follow

WARM_UP = 12
"""So many times `tau` before a range are read too; less than 0.001 % of the first guess is left then."""


def levels(samples: Iterable[Sample], tau_ms: int) -> Iterator[Sample]:
    """The buffer's level at each sample; none until it is settled, at the beginning and after each gap.

    Args:
        samples: (UTC ms, value), in order of time.
        tau_ms: After which time the buffer has come 63 % of the way.
    """
    level: Level | None = None
    for at_ms, value in samples:
        level = follow(level, at_ms, value, tau_ms)
        if level.is_settled(tau_ms):
            yield at_ms, level.level


def in_buckets(samples: Iterable[Sample], start_ms: int, bucket_ms: int) -> list[Bucket]:
    """Samples not before a time, by interval; memory is one interval each."""
    found: list[Bucket] = []
    total = 0.0
    for at_ms, value in samples:
        if at_ms < start_ms:
            continue
        begins_ms = at_ms // bucket_ms * bucket_ms
        if not found or found[-1].at_ms != begins_ms:
            found.append(Bucket(begins_ms, value, value, value, 1))
            total = value
            continue
        last, total = found[-1], total + value
        count = last.count + 1
        found[-1] = Bucket(begins_ms, total / count, min(last.low, value), max(last.high, value), count)
    return found
