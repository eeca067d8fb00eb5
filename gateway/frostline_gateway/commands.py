"""Commands from the cloud: a write reaches a device only if a profile declares the point writable and the value fits.

Each command, followed or refused, becomes an event of the gateway (metric `command`), so that the store says who was
told what and what became of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from frostline_core.errors import ProtocolError, UnavailableError
from frostline_core.reading import INTEGERS, NUMBERS, DataType, MetricDescription, Value
from frostline_core.sparkplug import Command, Refused, WriteAsked
from frostline_edge.driver import Writer
from frostline_gateway.devices import Devices

log = logging.getLogger("frostline.commands")

WRITE_INTERVAL_MS = 5_000
"""A point is written at most once in this time: equipment has wear, and a host can be in a loop."""
REFUSALS_TOLD, REFUSALS_SPAN_MS = 60, 60_000
"""Refusals that become events in a minute; further ones are only counted, so that a broken host fills no disk."""
_ANSWER_S = 30.0


@dataclass(frozen=True, slots=True)
class CommandLimits:
    """Bounds that tests shorten."""

    interval_ms: int = WRITE_INTERVAL_MS
    answer_s: float = _ANSWER_S


class Commands:
    """Follows commands; the caller brings them one after another."""

    def __init__(
        self,
        devices: Devices,
        writer_of: Callable[[str], Writer | None],
        audit: Callable[[Mapping[str, object]], None],
        clock: Callable[[], int],
        limits: CommandLimits | None = None,
    ) -> None:
        """Starts with nothing written.

        Args:
            devices: The devices that answer now.
            writer_of: The driver that can write to a device, or None.
            audit: Where each outcome goes.
            clock: Time of day, UTC milliseconds.
            limits: Bounds.
        """
        self._devices, self._writer_of, self._audit, self._clock = devices, writer_of, audit, clock
        self._limits = limits or CommandLimits()
        self._written_ms: dict[tuple[str, str], int] = {}
        self._refused_ms: deque[int] = deque(maxlen=REFUSALS_TOLD)
        self.outcomes: Counter[str] = Counter()

    async def follow(self, command: Command) -> None:
        """Follows one command and returns when its outcome is known, within 30 s; only writes are for us."""
        if isinstance(command, Refused):
            self.refuse(WriteAsked("", command.topic, None), command.reason)
        elif isinstance(command, WriteAsked):
            await self._write(command)

    async def _write(self, asked: WriteAsked) -> None:
        found = self._checked(asked)
        if isinstance(found, str):
            self.refuse(asked, found)
            return
        writer, value = found
        self._written_ms[asked.device, asked.metric] = self._clock()
        try:
            async with asyncio.timeout(self._limits.answer_s):
                await writer.write(asked.device, asked.metric, value)
        except (UnavailableError, ProtocolError) as error:
            self._tell(asked, "failed", str(error))
        except TimeoutError:
            self._tell(asked, "failed", f"no answer within {self._limits.answer_s:.0f} s; it may have been written")
        else:
            self.done(asked)

    def _checked(self, asked: WriteAsked) -> tuple[Writer, Value] | str:
        """Who writes what, or why nobody does."""
        birth = self._devices.get(asked.device)
        metric = birth.description.metric(asked.metric) if birth else None
        writer = self._writer_of(asked.device)
        if birth is None:
            return "the device does not answer"
        if metric is None or not metric.writable or writer is None:
            return "not a writable point"
        written_ms = self._written_ms.get((asked.device, asked.metric))
        if written_ms is not None and 0 <= self._clock() - written_ms < self._limits.interval_ms:
            return f"written less than {self._limits.interval_ms / 1000:g} s ago"
        try:
            return writer, fitting(metric, asked.value)
        except ValueError as error:
            return str(error)

    def done(self, asked: WriteAsked) -> None:
        """Counts a command that was followed, and tells of it."""
        self._tell(asked, "done", "")

    def refuse(self, asked: WriteAsked, reason: str) -> None:
        """Counts a command that is not followed, and tells of it unless there are too many."""
        now_ms, told_ms = self._clock(), self._refused_ms
        if len(told_ms) == REFUSALS_TOLD and 0 <= now_ms - told_ms[0] < REFUSALS_SPAN_MS:
            self.outcomes["refused"] += 1
            return
        told_ms.append(now_ms)
        self._tell(asked, "refused", reason)

    def _tell(self, asked: WriteAsked, outcome: str, reason: str) -> None:
        self.outcomes[outcome] += 1
        level = logging.INFO if outcome == "done" else logging.WARNING
        log.log(level, "%s %s = %r: %s %s", asked.device, asked.metric, asked.value, outcome, reason)
        told = {"device": asked.device, "metric": asked.metric, "value": asked.value}
        self._audit({**told, "outcome": outcome, "reason": reason})


def fitting(metric: MetricDescription, value: Value) -> Value:
    """The value in the metric's own type.

    Raises:
        ValueError: It has another type, or lies outside what the metric can be.
    """
    if metric.datatype in NUMBERS:
        return _fitting_number(metric, value)
    wanted = {DataType.BOOLEAN: bool, DataType.STRING: str, DataType.TEXT: str}.get(metric.datatype)
    if wanted is None or not isinstance(value, wanted):
        raise ValueError(f"{value!r:.40} is no {metric.datatype.name}")
    return value


def _fitting_number(metric: MetricDescription, value: Value) -> Value:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r:.40} is no number")
    low = float("-inf") if metric.low is None else metric.low
    high = float("inf") if metric.high is None else metric.high
    if not low <= value <= high or value in (float("inf"), float("-inf")):
        raise ValueError(f"{value:g} is outside {low:g} to {high:g}")
    if metric.datatype in INTEGERS:
        if value != int(value):
            raise ValueError(f"{value:g} is no whole number")
        return int(value)
    return float(value)
