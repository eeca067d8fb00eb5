"""An event loop whose clock does not count the time in which the host did not let it run.

Where both ends of a conversation live in one process, a time-out of the product means: the other end has said nothing
in so long, although it could have. A host that stops the process for a second takes that away: afterwards the answer
and the end of the time-out are due in the same turn of the loop. On this clock a wait that lasted longer than it should
have counts nothing, and what has become readable meanwhile is read before any time-out ends.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable

LATE_S = 0.01
"""A loop that waits for longer than this beyond what it asked for, or works for longer, was not let run."""
WORK_S = 0.001
"""What such a piece of work counts: something, so that time passes also where every piece is long."""


class SteadyClock:
    """Seconds of any origin that never go back, from a clock that also counts stalls.

    Args:
        real_s: A clock that only goes forward.
    """

    def __init__(self, real_s: Callable[[], float] = time.monotonic) -> None:
        self._real_s = real_s
        self._seen_s = self._now_s = real_s()
        self._was_late = False

    def now_s(self) -> float:
        """The time; work since the last look counts, unless it took too long."""
        return self._advance(None if self._real_s() - self._seen_s <= LATE_S else WORK_S)

    def waited(self, asked_s: float | None, *, found: bool) -> None:
        """A wait has ended that began at the last look.

        Args:
            asked_s: How long it was to last at most; None: until something happens.
            found: Whether something has become readable or writable.
        """
        late = asked_s is not None and self._real_s() - self._seen_s > max(0.0, asked_s) + LATE_S
        # Where two in a row are late and find nothing time passes, also on a host that is always late.
        counts = not late or (self._was_late and not found)
        self._advance(asked_s if late and counts else None if counts else 0.0)
        self._was_late = late and not found

    def _advance(self, most_s: float | None) -> float:
        real_s = self._real_s()
        passed_s = real_s - self._seen_s
        self._seen_s = real_s
        self._now_s += passed_s if most_s is None else min(passed_s, max(0.0, most_s))
        return self._now_s


class _Selector(selectors.DefaultSelector):
    """Tells the clock of each wait."""

    def __init__(self, clock: SteadyClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._clock.now_s()
        found = super().select(timeout)
        self._clock.waited(timeout, found=bool(found))
        return found


class SteadyLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop on a SteadyClock; what is asked of `time` is asked of that."""

    def __init__(self) -> None:
        self._steady = SteadyClock()
        super().__init__(_Selector(self._steady))

    def time(self) -> float:
        """Seconds on the loop's clock."""
        return self._steady.now_s()


def running_s() -> float:
    """The clock of the running loop, for parts that take a clock as an argument."""
    return asyncio.get_running_loop().time()
