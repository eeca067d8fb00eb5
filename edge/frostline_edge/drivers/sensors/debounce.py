"""A contact bounces: a level counts once it has held for a while. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """A level that holds.

    Attributes:
        level: The new level.
        at_ms: When it was first seen, not when it was believed.
    """

    level: bool
    at_ms: int


class Debounce:
    """Feeds on samples of a level. The first level is believed once it has held, too."""

    __slots__ = ("_candidate", "_hold_ms", "_since_ms", "level")

    def __init__(self, hold_s: float) -> None:
        self._hold_ms = round(hold_s * 1000)
        self._candidate: bool | None = None
        self._since_ms = 0
        self.level: bool | None = None

    def feed(self, level: bool, now_ms: int) -> Change | None:
        """The change that this sample completes, or None.

        A clock that was set back starts the wait again.
        """
        if level != self._candidate or now_ms < self._since_ms:
            self._candidate, self._since_ms = level, now_ms
        if level == self.level or now_ms - self._since_ms < self._hold_ms:
            return None
        self.level = level
        return Change(level, self._since_ms)
