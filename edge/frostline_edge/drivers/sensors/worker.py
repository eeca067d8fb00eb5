"""A thread per sensor, so that one that hangs in the kernel holds up nobody else."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import TypeVar

from frostline_core.errors import FrostlineError, UnavailableError

T = TypeVar("T")


class Worker:
    """Runs blocking calls of one sensor in turn, in a daemon thread of its own.

    A call that hangs keeps its thread: the next one is refused until it has come back, so that at most one thread per
    sensor is ever lost. The thread is a daemon: a process that ends does not wait for the kernel.

    Attributes:
        is_busy: Whether a call has not come back.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.is_busy = False

    async def call(self, function: Callable[[], T], timeout_s: float) -> T:
        """What the function returns or raises.

        Raises:
            UnavailableError: It takes longer than that, or an earlier call still hangs.
        """
        if self.is_busy:
            raise UnavailableError("an earlier reading still hangs in the kernel")
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name=f"sensor {self._name}", daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self.is_busy = True
        self._jobs.put(lambda: self._run(function, loop, future))
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError as error:
            raise UnavailableError(f"no answer from the kernel within {timeout_s} s") from error

    def _work(self) -> None:
        while True:
            self._jobs.get()()

    def _run(self, function: Callable[[], T], loop: asyncio.AbstractEventLoop, future: asyncio.Future[T]) -> None:
        outcome: T | FrostlineError = UnavailableError("the reading ended in a defect; its traceback is in the log")
        try:
            outcome = function()
        except FrostlineError as error:
            outcome = error
        finally:
            self.is_busy = False
            if not loop.is_closed():
                loop.call_soon_threadsafe(_settle, future, outcome)


def _settle(future: asyncio.Future[T], outcome: T | FrostlineError) -> None:
    if future.done():
        return
    if isinstance(outcome, FrostlineError):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
