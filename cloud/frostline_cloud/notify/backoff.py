"""How long to wait before the next attempt."""

from __future__ import annotations

from random import Random

FIRST_S = 5.0
MOST_S = 900.0
GIVE_UP_MS = 24 * 3_600_000
"""After this a notification is dead: it is older than any shift that could still act on it."""

_JITTER = 0.2


def wait_s(attempts: int, random: Random, retry_after_s: float | None = None) -> float:
    """Doubles from 5 s to 15 min, 20 % to either side so that receivers are not all called at once.

    Args:
        attempts: Attempts made so far, at least 1.
        random: Source of the jitter.
        retry_after_s: What the receiver asked for; it may lengthen the wait, up to 15 min, and never shortens it.
    """
    base = min(MOST_S, FIRST_S * 2.0 ** min(max(attempts, 1) - 1, 20))
    jittered = min(MOST_S, base * random.uniform(1 - _JITTER, 1 + _JITTER))
    return max(jittered, min(retry_after_s or 0.0, MOST_S))
