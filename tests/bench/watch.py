"""A bench says that it is still running, and does not run for ever."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

MOST_S = 2_700.0
"""No bench takes a third of this on a machine of its own."""
_EVERY_S = 60.0


class OverdueError(Exception):
    """A bench has taken too long; what it had started is ended as by any other error."""


@contextmanager
def watched(name: str, most_s: float = MOST_S, every_s: float = _EVERY_S) -> Iterator[None]:
    """Tells on stderr when a bench begins, each minute, and when it is over; in the main thread only.

    Raises:
        OverdueError: It takes longer than `most_s`.
    """

    def overdue(_signal: int, _frame: FrameType | None) -> None:
        raise OverdueError(f"{name} takes longer than {most_s:g} s")

    before = signal.signal(signal.SIGALRM, overdue)
    over, began_s = threading.Event(), time.monotonic()
    teller = threading.Thread(target=_tell, args=(name, over, every_s), daemon=True)
    _say(f"measuring {name} ...")
    teller.start()
    try:
        signal.setitimer(signal.ITIMER_REAL, most_s)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        over.set()
        teller.join()
        _say(f"{name}: over after {time.monotonic() - began_s:.0f} s")


def _tell(name: str, over: threading.Event, every_s: float) -> None:
    began_s = time.monotonic()
    while not over.wait(every_s):
        _say(f"{name}: {time.monotonic() - began_s:.0f} s so far")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
