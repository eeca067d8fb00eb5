"""When a device is read: aligned to UTC; long periods are spread."""

from __future__ import annotations

import asyncio
import math

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
