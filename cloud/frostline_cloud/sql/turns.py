"""Turns at SQLite's one write lock among the threads of a process, ingest before the others.

SQLite lets who waits for its lock look again only now and then; a thread that writes one transaction after another is
nearly always faster, and ingest could wait for seconds in a storm of notifications. A turn is a courtesy, not a lock:
who has waited `WAIT_S` goes on without one, and SQLite decides, as it does among processes.
"""

from __future__ import annotations

import threading
from typing import Final

WAIT_S: Final = 1.0
"""How long a transaction waits for its turn."""


class Turns:
    """Who may begin to write now. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._holder: object | None = None
        self._in_front = 0

    def take(self, who: object, *, in_front: bool = False, wait_s: float = WAIT_S) -> bool:
        """Waits for a turn; returns whether it came in time. Where it did not, it is taken all the same.

        Args:
            who: Given back with `give`.
            in_front: Goes before all others that wait.
            wait_s: The longest that it waits.
        """
        with self._changed:
            self._in_front += in_front
            came = self._changed.wait_for(lambda: self._holder is None and (in_front or not self._in_front), wait_s)
            self._in_front -= in_front
            self._holder = who
            return came

    def give(self, who: object) -> None:
        """Ends a turn, unless another has taken it since."""
        with self._changed:
            if self._holder is who:
                self._holder = None
                self._changed.notify_all()
