"""One lane's window of unconfirmed rows, and its resend timer. Only speed: nothing here decides about loss."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WindowLimits:
    """How much may be under way, and how long to wait for news of it.

    Attributes:
        first: Messages at the start.
        most: Messages at most; one more for each commit that moves, half after a timer or a hole, never below 1.
        bytes: Payload bytes at most, though one message may always go.
        wait_first_ms: Resend time before any round trip was measured.
        wait_least_ms: Least resend time.
        wait_most_ms: Most resend time, doubling included.
    """

    first: int = 8
    most: int = 64
    bytes: int = 256 * 1024
    wait_first_ms: int = 3_000
    wait_least_ms: int = 2_000
    wait_most_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class _Flight:
    n: int
    size: int
    sent_ms: int
    once: bool


class Window:
    """Rows of one run that were sent and not confirmed. Attached to one run at a time.

    Args:
        limits: Bounds.
        random: Evenly spread over [0, 1); for the timer's jitter.
    """

    def __init__(self, limits: WindowLimits, random: Callable[[], float]) -> None:
        self._limits, self._random = limits, random
        self._flight: deque[_Flight] = deque()
        self._bytes = 0
        self._srtt = self._rttvar = 0.0
        self._doublings = 0
        self.size = limits.first
        self.run: int | None = None
        self.next_n = 0
        self.deadline_ms: int | None = None

    @property
    def in_flight(self) -> int:
        """Rows sent and not confirmed."""
        return len(self._flight)

    @property
    def resend_ms(self) -> int:
        """How long to wait without progress: srtt + 4 rttvar (RFC 6298), bounded and doubled, without jitter."""
        measured = self._srtt + 4 * self._rttvar if self._srtt else self._limits.wait_first_ms
        least = max(self._limits.wait_least_ms, round(measured))
        return min(self._limits.wait_most_ms, least << self._doublings)

    def attach(self, run: int | None) -> None:
        """Turns to another run: what is under way of the one before no longer counts here."""
        if run != self.run:
            self.run = run
            self.go_back()

    def room_for(self, size: int) -> bool:
        """Whether a row of that many bytes may go now."""
        if not self._flight:
            return True
        return len(self._flight) < self.size and self._bytes + size <= self._limits.bytes

    def sent(self, n: int, size: int, now_ms: int, once: bool) -> None:
        """A row went out; `once` if it never did before, so that its confirmation measures a round trip."""
        self._flight.append(_Flight(n, size, now_ms, once))
        self._bytes += size
        self.next_n = n + 1
        if self.deadline_ms is None:
            self._arm(now_ms)

    def confirmed(self, n: int, now_ms: int) -> None:
        """A commit moved the run to n."""
        waited: int | None = None
        while self._flight and self._flight[0].n <= n:
            done = self._flight.popleft()
            self._bytes -= done.size
            if done.once and waited is None:
                waited = now_ms - done.sent_ms
        if waited is not None:
            self._measure(max(waited, 0))
        self._doublings = 0
        self.size = min(self.size + 1, self._limits.most)
        self.deadline_ms = None
        if self._flight:
            self._arm(now_ms)

    def go_back(self) -> None:
        """Everything unconfirmed goes out again from base."""
        self._flight.clear()
        self._bytes = 0
        self.next_n = 0
        self.deadline_ms = None

    def shrink(self) -> None:
        """A hole: go back with half the window."""
        self.go_back()
        self.size = max(1, self.size // 2)

    def expire(self) -> None:
        """The timer ran out: go back with half the window, and wait twice as long next time."""
        self.shrink()
        if self.resend_ms < self._limits.wait_most_ms:
            self._doublings += 1

    def fresh(self) -> None:
        """A new session: go back, and wait no longer than measured."""
        self.go_back()
        self._doublings = 0

    def _arm(self, now_ms: int) -> None:
        self.deadline_ms = now_ms + round(self.resend_ms * (0.8 + 0.4 * self._random()))

    def _measure(self, waited: float) -> None:
        """RFC 6298, section 2, with its constants 1/8 and 1/4."""
        if not self._srtt:
            self._srtt, self._rttvar = max(waited, 1.0), waited / 2
            return
        self._rttvar += (abs(self._srtt - waited) - self._rttvar) / 4
        self._srtt += (waited - self._srtt) / 8
