"""One request at a time on a bus; writes go before polls, equals in the order in which they came."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import IntEnum

from frostline_core.errors import UnavailableError


class Priority(IntEnum):
    """Who goes first."""

    WRITE = 0
    POLL = 1


class Turns:
    """A lock with priorities. At most `most` wait; one more is refused, so that a flood of writes cannot grow."""

    def __init__(self, most: int = 512) -> None:
        self._most = most
        self._busy = False
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = 0

    @asynccontextmanager
    async def turn(self, priority: Priority) -> AsyncIterator[None]:
        """Waits for the bus and holds it.

        Raises:
            UnavailableError: Too many wait already.
        """
        await self._take(priority)
        try:
            yield
        finally:
            self._pass_on()

    async def _take(self, priority: Priority) -> None:
        if not self._busy:
            self._busy = True
            return
        if len(self._waiting) >= self._most:
            raise UnavailableError(f"{self._most} requests wait for the bus already")
        self._count += 1
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, self._count, mine))
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._pass_on()  # the turn had been given to this one just before it was cancelled
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            _, _, next_one = heapq.heappop(self._waiting)
            if not next_one.done():
                next_one.set_result(None)
                return
        self._busy = False
