"""How long the uplink waits before it connects again, and when it suspects a second gateway with its identity. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

FIRST_MS, MOST_MS, STABLE_MS = 1_000, 60_000, 60_000
TAKEOVERS, TAKEOVER_SPAN_MS, TAKEOVER_WAIT_MS = 3, 60_000, 300_000


class Waits:
    """Exponential back-off with full jitter; a session of a minute makes it start small again.

    A broker ends a session when another client connects with the same id. Three sessions in a minute that the broker
    had accepted and ended look like a cloned gateway: then the wait is five minutes, so that one of them can work.

    Args:
        random: Evenly spread over [0, 1).
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._failures = 0
        self._ended: deque[int] = deque(maxlen=TAKEOVERS)
        self.conflicts = 0

    def after(self, now_ms: int, accepted_ms: int | None, cut: bool) -> int:
        """Milliseconds to wait after a session.

        Args:
            now_ms: When it ended, on any clock that only goes forward.
            accepted_ms: When the broker accepted it; None if it never did.
            cut: Whether the other side ended it, after it had accepted it.
        """
        if accepted_ms is not None and now_ms - accepted_ms >= STABLE_MS:
            self._failures = 0
        if cut:
            self._ended.append(now_ms)
            if len(self._ended) == TAKEOVERS and now_ms - self._ended[0] <= TAKEOVER_SPAN_MS:
                self.conflicts += 1
                self._ended.clear()
                return TAKEOVER_WAIT_MS
        most = min(MOST_MS, FIRST_MS << min(self._failures, 10))
        self._failures += 1
        return round(most * self._random())
