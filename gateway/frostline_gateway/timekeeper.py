"""Keeps the gateway's time: looks at the machine's clocks, stamps readings, and says when the time of day is known."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from frostline_core.reading import Quality, Reading
from frostline_gateway.clock import Before, Clock, Look, Trust

log = logging.getLogger("frostline.clock")

_EVERY_S = 1.0
_ALL = ""
"""In place of a metric's name: all metrics of a device."""
_MEMORY_BYTES = 256


@dataclass(frozen=True, slots=True)
class Known:
    """The time of day is known.

    Attributes:
        boot: Which start of the machine this is.
        difference_ms: What makes time since that start time of day, for what waited; one for each time that the clock
            was lost.
    """

    boot: str
    difference_ms: int


class Timekeeper:
    """One for the process. Belongs to the event loop.

    Args:
        trust: When to believe the wall clock.
        wait_ms: See `Clock`.
        look: The machine's clocks.
        boot: Which start of the machine this is.
        memory: File for the next process since the same start; 256 bytes, written anew where they are when the clock is
            set, so that a full disk takes them too. It need not outlive a power cut, which is another start. A disk
            that does not take it is asked again each second.
    """

    def __init__(
        self, trust: Trust, wait_ms: int, look: Callable[[], Look], boot: str, memory: Path | None = None
    ) -> None:
        self._look, self.boot, self._memory = look, boot, memory
        self.clock = Clock(trust, wait_ms, look(), _remembered(memory, boot))
        self._noted, self._owed = self._state(), False
        self._note()
        self._newest: dict[tuple[str, str], int] = {}

    @property
    def known(self) -> Known | None:
        """What turns waiting stamps into times of day; None while that is not known."""
        self._see()
        return Known(self.boot, self.clock.dates_ms) if self.clock.believed else None

    def now_ms(self) -> int:
        """The time that a reading of this moment is stamped with, UTC milliseconds; from any thread."""
        return self._look().wall_ms + self.clock.ahead_ms

    def stamped(self, readings: Sequence[Reading]) -> Sequence[tuple[Reading, bool]]:
        """The readings with the times that they were measured at, and whether they wait for the time of day.

        After the clock was set back, one that would not be later than the newest of its series comes 1 ms after it.
        """
        self._see()
        if not self.clock.steady:
            return [self._stamped(reading) for reading in readings]
        newest = self._newest
        for reading in readings:
            series = reading.device, reading.metric
            if reading.at_ms > newest.get(series, 0):
                newest[series] = reading.at_ms
        return [(reading, False) for reading in readings]

    def passes(self, device: str, at_ms: int) -> bool:
        """Whether readings of a device from that instant keep it as their time, as they do while the clock is steady.

        Notes it as the newest of all its series; else they are to be `stamped`.
        """
        self._see()
        if not self.clock.steady:
            return False
        if at_ms > self._newest.get((device, _ALL), 0):
            self._newest[device, _ALL] = at_ms
        return True

    def _stamped(self, reading: Reading) -> tuple[Reading, bool]:
        stamp = self.clock.stamp(reading.at_ms)
        at_ms, quality, series = stamp.at_ms, reading.quality, (reading.device, reading.metric)
        if not stamp.waits:
            newest_ms = max(self._newest.get(series, 0), self._newest.get((reading.device, _ALL), 0))
            if self.clock.unsteady and at_ms <= newest_ms < at_ms + self.clock.window_ms:
                at_ms = newest_ms + 1
            self._newest[series] = max(at_ms, newest_ms)
        if stamp.doubtful and quality is Quality.GOOD:
            quality = Quality.UNCERTAIN
        if (at_ms, quality) == (reading.at_ms, reading.quality):
            return reading, stamp.waits
        return replace(reading, at_ms=at_ms, quality=quality), stamp.waits

    async def run(self, changed: Callable[[Mapping[str, object]], None]) -> None:
        """Looks each second until cancelled.

        Args:
            changed: Told when the clock was set, or is believed or no longer believed.
        """
        if not self.clock.believed:
            log.warning("the clock is not set; readings wait until it is")
        before = self._state()
        while True:
            await asyncio.sleep(_EVERY_S)
            self._see()
            if self._owed:
                self._note()
            state = self._state()
            if state != before:
                log.warning("the clock was set, or is judged anew: %s", self.document())
                changed(self.document())
            before = state

    def document(self) -> dict[str, object]:
        """What status says of the clock."""
        clock = self.clock
        return {
            "believed": clock.believed,
            "synchronised": clock.synchronised,
            "ahead_ms": clock.ahead_ms,
            "steps": clock.steps,
            "last_step_ms": clock.last_step_ms,
        }

    def _see(self) -> None:
        """Looks at the clocks; what has changed is written down before anything is stamped by it."""
        self.clock.look(self._look())
        if self._state() != self._noted:
            self._noted = self._state()
            self._note()

    def _note(self) -> None:
        """Writes down what the next process must know."""
        now = self.clock.now
        if self._memory is None or now is None:
            return
        text = json.dumps({"boot": self.boot, **asdict(now)})
        try:
            _overwrite(self._memory, text.ljust(_MEMORY_BYTES).encode("ascii"))
            self._owed = False
        except OSError:
            self._owed = True

    def _state(self) -> tuple[bool, int]:
        return self.clock.believed, self.clock.steps


def _overwrite(path: Path, content: bytes) -> None:
    """Writes where the file's bytes are already: that needs no room, and is whole to whoever reads it after a kill."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.pwrite(file, content, 0) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(file)


def _remembered(memory: Path | None, boot: str) -> Before | None:
    """What the process before has written down since the same start of the machine; None without that."""
    if memory is None:
        return None
    try:
        found = json.loads(memory.read_text(encoding="ascii"))
        if found["boot"] != boot:
            return None
        times = {key: int(found[key]) for key in ("boot_ms", "difference_ms", "ahead_ms")}
        dates = found.get("dates_ms")
        return Before(**times, lost=bool(found.get("lost")), dates_ms=None if dates is None else int(dates))
    except (OSError, ValueError, KeyError, TypeError):
        return None
