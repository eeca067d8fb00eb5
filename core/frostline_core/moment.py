"""An instant by two clocks: the time of day, which may be set, and one that only goes forward."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """What is told to others is told in UTC; what is waited for is counted by the steady clock.

    Attributes:
        utc_ms: Milliseconds since 1970; goes back, or leaps ahead, when the machine's clock is set.
        steady_ms: Milliseconds since an instant of this process's own; nobody sets it.
    """

    utc_ms: int
    steady_ms: int

    @classmethod
    def at(cls, utc_ms: int, steady_ms: int | None) -> Moment:
        """Of both clocks; of the first one alone where nothing waits, or where it is never set."""
        return cls(utc_ms, utc_ms if steady_ms is None else steady_ms)
