"""The time of day as a spool asks for it."""

from __future__ import annotations

T0 = 1_700_000_000_000
DAY = 86_400_000


class Clock:
    """Stands still until it is set."""

    def __init__(self, now_ms: int = T0) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms
