"""How long the uplink waits before it connects again or gives birth, and when it suspects a second gateway. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

FIRST_MS, MOST_MS, STABLE_MS = 1_000, 60_000, 60_000
TAKEOVERS, TAKEOVER_SPAN_MS = 3, 60_000
TAKEOVER_FIRST_MS, TAKEOVER_MOST_MS = 30_000, 300_000
OVER_MS = 2 * TAKEOVER_MOST_MS
"""A session that lasts so long shows that nobody else uses our identity: a clone would have come back by then."""
SPREAD_MS = 3_000
"""Births after an outage of the host are spread over so long: about what those of 2,000 gateways keep it busy."""


class Waits:
    """Exponential back-off with full jitter; a session of a minute makes it start small again.

    A broker ends a session when another client connects with the same id. Three sessions in a minute that the broker
    had accepted and ended look like a cloned gateway: then the wait is 30 s, and doubles each time it looks so again,
    up to five minutes, so that one of them can work. It starts short since a poor mobile link looks the same, and
    because five minutes without alarms are worse than a few more connections. An attempt that fails in between speaks
    against a clone: then the broker or the network is away.

    Args:
        random: Evenly spread over [0, 1).
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._failures = 0
        self._ended: deque[int] = deque(maxlen=TAKEOVERS)
        self._takeover_ms = TAKEOVER_FIRST_MS
        self.conflicts = 0
        self.suspects = False

    def after(self, now_ms: int, accepted_ms: int | None, cut: bool) -> int:
        """Milliseconds to wait after a session.

        Args:
            now_ms: When it ended, on any clock that only goes forward.
            accepted_ms: When the broker accepted it; None if it never did.
            cut: Whether the other side ended it, after it had accepted it.
        """
        if accepted_ms is not None and now_ms - accepted_ms >= STABLE_MS:
            self._failures = 0
            self._takeover_ms = TAKEOVER_FIRST_MS
        if accepted_ms is None:
            self._ended.clear()
        self.suspects = cut and self._was_taken_over(now_ms)
        if self.suspects:
            self.conflicts += 1
            self._ended.clear()
            wait_ms, self._takeover_ms = self._takeover_ms, min(2 * self._takeover_ms, TAKEOVER_MOST_MS)
            return wait_ms
        most = min(MOST_MS, FIRST_MS << min(self._failures, 10))
        self._failures += 1
        return round(most * self._random())

    def _was_taken_over(self, now_ms: int) -> bool:
        """Notes a session that was cut; whether it looks as if somebody else used our identity."""
        self._ended.append(now_ms)
        return len(self._ended) == TAKEOVERS and now_ms - self._ended[0] <= TAKEOVER_SPAN_MS


class Conflict:
    """Whether another client seems to use our identity: from a suspicion on, until a session has lasted after it.

    At first that is not known: a process before this one may have told of a suspicion that stands.
    """

    def __init__(self) -> None:
        self._stands: bool | None = None
        self._suspected_ms = 0

    def suspected(self, now_ms: int) -> None:
        """Sessions were taken over, or the host has more of a run than this disk ever had."""
        self._stands, self._suspected_ms = True, now_ms

    def is_over(self, now_ms: int, accepted_ms: int | None) -> bool:
        """Whether just now it has become certain that nobody else is us; once, until the next suspicion.

        Args:
            now_ms: Any clock that only goes forward.
            accepted_ms: Since when the session stands; None if none does.
        """
        if self._stands is False or accepted_ms is None:
            return False
        if now_ms - (max(accepted_ms, self._suspected_ms) if self._stands else accepted_ms) < OVER_MS:
            return False
        self._stands = False
        return True


class Turn:
    """A gateway's place among all those that hear at the same instant that the host is back: its births wait for it.

    Only a host that was heard to be offline makes a crowd; a gateway that finds it online does not wait.

    Args:
        random: Evenly spread over [0, 1).
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._offline = False
        self._due_ms: int | None = None

    def heard(self, online: bool, now_ms: int) -> None:
        """The host's STATE came.

        Args:
            online: What it says.
            now_ms: Any clock that only goes forward.
        """
        if online and self._offline:
            self._due_ms = now_ms + round(SPREAD_MS * self._random())
        self._offline = not online

    def wait_ms(self, now_ms: int) -> int:
        """How long births have to wait; 0: it is our turn."""
        return 0 if self._due_ms is None else max(0, self._due_ms - now_ms)
