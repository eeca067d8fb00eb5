"""Brings one output to what is wanted: rate-limited writes, tried again while they fail, each of them told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass

from frostline_core.errors import ProtocolError, UnavailableError
from frostline_gateway.local_rules.config import Level, OutputConfig
from frostline_gateway.local_rules.wanted import STOP, Cause

log = logging.getLogger("frostline.rules")

AGAIN_MS = 60_000
"""An output that was written and reads back otherwise is written again only so often: it may be on purpose."""
_ANSWER_S = 10.0
_TICK_S = 1.0
_STOP_S = 3.0
Tell = Callable[[Mapping[str, object]], None]


@dataclass(frozen=True, slots=True)
class Way:
    """How an output is reached.

    Attributes:
        write: Writes a level; raises UnavailableError or ProtocolError.
        stands: What was read back after an instant (UTC milliseconds); None where nothing was.
    """

    write: Callable[[Level], Awaitable[None]]
    stands: Callable[[int], bool | None]


class Drive:
    """One output. Belongs to the event loop.

    Args:
        config: Of the output.
        way: To the equipment.
        tell: Where each write goes, and why one fails; a failure that repeats is told once.
        clock: UTC milliseconds.
    """

    def __init__(self, config: OutputConfig, way: Way, tell: Tell, clock: Callable[[], int]) -> None:
        self.config, self._way, self._tell, self._clock = config, way, tell, clock
        self._wanted: bool | None = None
        self._cause = Cause("")
        self._told: tuple[Cause, bool, str] | None = None
        self._written: bool | None = None
        self._tried_ms = self._written_ms = 0
        self._wake = asyncio.Event()
        self.error = ""

    @property
    def is_on(self) -> bool | None:
        """What was written last; None before that."""
        return self._written

    @property
    def wanted(self) -> bool | None:
        """What it should be; None: as it is."""
        return self._wanted

    def want(self, on: bool | None, cause: Cause) -> None:
        """Says what it should be from now on, and why."""
        self._wanted, self._cause = on, cause
        self._wake.set()

    async def run(self) -> None:
        """Follows what is wanted until cancelled."""
        while True:
            try:
                async with asyncio.timeout(_TICK_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            await self.step()

    async def step(self) -> None:
        """Writes if that is due; returns when its outcome is known, within 10 s."""
        on = self._wanted
        if on is None:
            return
        if self._stands() is on:
            self._say(on, "already")
            return
        repeats = self._written is on
        pause_ms = AGAIN_MS if repeats else round(self.config.interval_s * 1000)
        if not 0 <= self._clock() - self._tried_ms < pause_ms:
            await self._write(on, _ANSWER_S)

    async def stop(self) -> None:
        """Brings it to `at_stop`, within 3 s; the caller has ended `run`, and the drivers still work."""
        on = self.config.at_stop.state
        self._wanted, self._cause = on, Cause(STOP, at_ms=self._clock())
        if on is not None and self._stands() is not on:
            await self._write(on, _STOP_S)

    def _stands(self) -> bool | None:
        """What it is, as far as is known: read back since the last write, else what was written."""
        read = self._way.stands(self._written_ms)
        return self._written if read is None else read

    async def _write(self, on: bool, answer_s: float) -> None:
        config = self.config
        self._tried_ms, reason = self._clock(), ""
        try:
            async with asyncio.timeout(answer_s):
                await self._way.write(config.on if on else config.off)
        except (UnavailableError, ProtocolError) as error:
            reason = str(error)
        except TimeoutError:
            reason = f"no answer within {answer_s:.0f} s; it may have been written"
        if not reason:
            self._written, self._written_ms, self._told = on, self._clock(), None
        self.error = reason
        self._say(on, "failed" if reason else "done", reason)

    def _say(self, on: bool, outcome: str, reason: str = "") -> None:
        now = (self._cause, on, outcome if outcome == "failed" else "is so")
        if now == self._told or (outcome == "already" and not self._cause.rule):
            return
        self._told = now
        log.log(
            logging.WARNING if reason else logging.INFO,
            "output %s (%s) %s: %s %s", self.config.name, self.config.target, "on" if on else "off", outcome, reason,
        )  # fmt: skip
        entry = {"output": self.config.name, "target": self.config.target, "on": on, "outcome": outcome}
        self._tell({**entry, "reason": reason, "written_ms": self._clock(), **asdict(self._cause)})
