"""A circuit breaker per unit: a dead device costs one probe now and then, not a time-out at every poll."""

from __future__ import annotations

FAILURES_TO_OPEN = 3
FIRST_PROBE_S = 5.0
LAST_PROBE_S = 300.0


class Breaker:
    """Closed until three failures in a row; then open, with a probe after 5, 10, 20 ... 300 s. It has no clock."""

    __slots__ = ("_failures", "_probe_at_s", "_wait_s")

    def __init__(self) -> None:
        self._failures = 0
        self._wait_s = 0.0
        self._probe_at_s = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the unit counts as dead."""
        return self._wait_s > 0

    def wait_s(self, now_s: float) -> float:
        """How long until the unit may be asked again; 0 while closed or when a probe is due."""
        return max(0.0, self._probe_at_s - now_s) if self.is_open else 0.0

    def answered(self) -> None:
        """The unit answered, with a value or with a refusal: it lives."""
        self._failures = 0
        self._wait_s = 0.0

    def failed(self, now_s: float) -> None:
        """The unit was silent, or what came was no answer."""
        self._failures += 1
        if self.is_open:
            self._wait_s = min(self._wait_s * 2, LAST_PROBE_S)
        elif self._failures >= FAILURES_TO_OPEN:
            self._wait_s = FIRST_PROBE_S
        self._probe_at_s = now_s + self._wait_s
