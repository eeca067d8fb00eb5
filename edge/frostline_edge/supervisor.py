"""Keeps a task running: starts it again after a jittered, growing wait, and says so once.

This is the only place with a broad `except`. A driver raises; the supervisor waits, counts and logs. An error is logged
when it is new, not each time that it comes again; the end of an outage is logged once, after a healthy spell.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from frostline_core.errors import ConfigError, ProtocolError, UnavailableError

log = logging.getLogger("frostline.supervisor")

_EXPECTED = (UnavailableError, ProtocolError)


@dataclass(frozen=True, slots=True)
class Waits:
    """How long to wait between two starts.

    Attributes:
        first_s: After the first failure.
        most_s: The wait doubles with each failure, up to this.
        healthy_after_s: A run that lasted this long was healthy: the outage is over and the wait starts small again.
    """

    first_s: float = 1.0
    most_s: float = 60.0
    healthy_after_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Time and chance, as arguments, so that a test needs neither."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random


@dataclass(slots=True)
class Health:
    """How a supervised task fares; filled in as it runs, for status and metrics.

    Attributes:
        restarts: Starts after the first.
        error: What ended the last run; "" once it has recovered.
        given_up: It needs a person: a ConfigError ended it for good.
    """

    restarts: int = 0
    error: str = ""
    given_up: bool = False


async def supervise(
    name: str,
    run: Callable[[], Awaitable[None]],
    *,
    waits: Waits | None = None,
    surroundings: Surroundings | None = None,
    health: Health | None = None,
) -> None:
    """Runs `run` again and again until cancelled.

    A run that ends by itself counts as failed. The wait is drawn from the upper half of its range, so that the tasks
    of one broken bus do not all come back at once. A ConfigError ends the supervision: the error is logged and the
    function returns, because only a person can mend it and the other tasks of the process must go on.

    Args:
        name: For log lines.
        run: Starts the task from nothing.
        waits: How long to wait; defaults to 1 s doubling to 60 s.
        surroundings: Clock, sleep and randomness.
        health: Filled in as it goes.

    Raises:
        asyncio.CancelledError: It was stopped.
    """
    await _Supervision(name, waits or Waits(), surroundings or Surroundings(), health or Health()).run(run)


class _Supervision:
    """The state of one supervised task."""

    def __init__(self, name: str, waits: Waits, surroundings: Surroundings, health: Health) -> None:
        self._name, self._waits, self._around, self._health = name, waits, surroundings, health
        self._wait_s = waits.first_s
        self._logged = ""

    async def run(self, run: Callable[[], Awaitable[None]]) -> None:
        while True:
            started = self._around.clock()
            try:
                await self._spell(run)
                self._failed(UnavailableError("it ended by itself"))
            except Exception as error:  # noqa: BLE001 - the one broad handler; see the module's docstring
                cause = _cause(error)
                if isinstance(cause, ConfigError):
                    self._give_up(cause)
                    return
                self._failed(cause)
            if self._around.clock() - started >= self._waits.healthy_after_s:
                self._wait_s = self._waits.first_s
            await self._around.sleep(self._wait_s * (0.5 + 0.5 * self._around.random()))
            self._wait_s = min(self._wait_s * 2, self._waits.most_s)
            self._health.restarts += 1

    async def _spell(self, run: Callable[[], Awaitable[None]]) -> None:
        """One run, with the note of its recovery once it has lasted long enough."""
        recovery = asyncio.create_task(self._recovered(), name=f"{self._name}: recovery")
        try:
            await run()
        finally:
            recovery.cancel()
            await asyncio.wait([recovery])

    async def _recovered(self) -> None:
        await self._around.sleep(self._waits.healthy_after_s)
        if self._logged:
            log.info("%s: works again", self._name, extra={"task": self._name})
        self._logged = self._health.error = ""

    def _failed(self, error: BaseException) -> None:
        text = f"{type(error).__name__}: {error}"
        self._health.error = text
        if text == self._logged:
            return
        self._logged = text
        if isinstance(error, _EXPECTED):
            log.warning("%s: %s; starting it again", self._name, error, extra={"task": self._name})
        else:
            log.error("%s: unexpected %s; starting it again", self._name, text, exc_info=error)

    def _give_up(self, error: ConfigError) -> None:
        self._health.error, self._health.given_up = f"ConfigError: {error}", True
        log.error("%s: stopped until its configuration is mended: %s", self._name, error, extra={"task": self._name})


def _cause(error: BaseException) -> BaseException:
    """The first error in a group; a ConfigError, where one is among them."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    causes = [_cause(each) for each in error.exceptions]
    return next((each for each in causes if isinstance(each, ConfigError)), causes[0])
