"""One request at a time on a bus; writes go before polls, equals in the order in which they came."""

from __future__ import annotations

import asyncio
import heapq
from enum import IntEnum
from types import TracebackType

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

    def turn(self, priority: Priority) -> _Turn:
        """Waits for the bus and holds it: `async with turns.turn(...)`.

        Raises:
            UnavailableError: Too many wait already.
        """
        return _Turn(self, priority)

    async def take(self, priority: Priority) -> None:
        """Waits for the bus; whoever got it passes it on."""
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
                self.pass_on()  # the turn had been given to this one just before it was cancelled
            raise

    def pass_on(self) -> None:
        """Gives the bus to the next one."""
        while self._waiting:
            _, _, next_one = heapq.heappop(self._waiting)
            if not next_one.done():
                next_one.set_result(None)
                return
        self._busy = False


class _Turn:
    """Not a generator: there is one for each request."""

    __slots__ = ("_priority", "_turns")

    def __init__(self, turns: Turns, priority: Priority) -> None:
        self._turns, self._priority = turns, priority

    async def __aenter__(self) -> None:
        await self._turns.take(self._priority)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._turns.pass_on()
