"""When a device is read: aligned to UTC; long periods are spread."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Iterable

STEP_S = 10.0
"""Devices take turns in groups so far apart: a machine that wakes up once and then reads ten devices does so at half
the cost of one that wakes up ten times. What is read together is also written together, and a write to a card costs a
block of 4 KiB however little is in it: read one by one each second, the same samples wear it ten times as fast."""


def phase_s(index: int, units: int, period_s: float) -> float:
    """The offset of a device's ticks, so that the devices of one bus do not all want it at once; whole steps."""
    return math.floor(period_s * index / units / STEP_S) * STEP_S


def until_tick_s(now_s: float, period_s: float, phase: float) -> float:
    """Seconds until the next tick: `phase` after a multiple of `period_s` since 1970; more than 0, at most a period.

    Computed from the time as it is now, so that a clock that was set wrong, or right, costs one period at most.
    """
    since = math.fmod(now_s - phase, period_s)
    return period_s - since if since >= 0 else -since


def missed(started_s: float, ended_s: float, period_s: float) -> int:
    """Ticks that passed during a poll, by a clock that cannot be set; they are counted and not made up for."""
    return max(0, int((ended_s - started_s) / period_s))


class Agenda:
    """Who is due when, by any clock; each name once. At one instant those go first that have waited longest."""

    __slots__ = ("_due", "_queue", "_turn")

    def __init__(self, names: Iterable[str], at_s: float) -> None:
        """All are due at once, in their order; there is at least one."""
        self._due = {name: (at_s, turn) for turn, name in enumerate(names)}
        self._turn = len(self._due)
        self._queue = [(*due, name) for name, due in self._due.items()]

    def put(self, name: str, at_s: float) -> None:
        """From now on a name is due then, and not when it was before."""
        self._turn += 1
        self._due[name] = at_s, self._turn
        heapq.heappush(self._queue, (at_s, self._turn, name))
        if len(self._queue) > 4 * len(self._due):
            self._queue = sorted((*due, each) for each, due in self._due.items())

    def first(self) -> tuple[float, str]:
        """Who is due next, and when."""
        queue, due = self._queue, self._due
        while due[queue[0][2]] != queue[0][:2]:
            heapq.heappop(queue)  # was put elsewhere since
        return queue[0][0], queue[0][2]


class Alarm:
    """A sleep that can be ended early; half the cost of an event with a time-out."""

    __slots__ = ("_rung", "_waiting")

    def __init__(self) -> None:
        self._rung = False
        self._waiting: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Ends the wait under way, or the next one at once."""
        self._rung = True
        self._end()

    async def wait(self, seconds: float) -> None:
        """Waits so long, or until it rings; one waiter at a time."""
        if not self._rung:
            loop = asyncio.get_running_loop()
            self._waiting = loop.create_future()
            timer = loop.call_later(seconds, self._end)
            try:
                await self._waiting
            finally:
                timer.cancel()
                self._waiting = None
        self._rung = False

    def _end(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
