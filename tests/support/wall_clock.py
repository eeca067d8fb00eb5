"""A time of day for one process: set forward, set back or lost, while every other process has the real one."""

from __future__ import annotations

import mmap
import struct
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tests.support.services import binary

_SOURCE = Path(__file__).with_name("wall_clock.c")
_FACE = struct.Struct("=qq")


class WallClock:
    """What a process that is started with `environment` takes for the time of day; changed at any time.

    Its clocks that count from the machine's start are the real ones, as with a real machine whose clock is set.
    Timestamps that the kernel gives to files stay real.

    Args:
        folder: Where the library and the file that it reads are made.
    """

    def __init__(self, folder: Path) -> None:
        library, face = folder / "wall_clock.so", folder / "wall_clock"
        command = [binary("cc"), "-O2", "-shared", "-fPIC", "-o", str(library), str(_SOURCE), "-ldl"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        face.write_bytes(_FACE.pack(0, 0))
        with face.open("r+b") as file:
            self._face = mmap.mmap(file.fileno(), _FACE.size)
        self._offset_ms, self._synchronised = 0, False
        self.environment: Mapping[str, str] = {"LD_PRELOAD": str(library), "FROSTLINE_WALL_CLOCK": str(face)}

    @property
    def offset_ms(self) -> int:
        """By how much it is ahead of the real one."""
        return self._offset_ms

    def set_off(self, by_ms: int) -> None:
        """It is ahead of the real one by so much; negative: behind."""
        self._offset_ms = by_ms
        self._write()

    def set_to(self, at_ms: int) -> None:
        """It says that it is this instant, UTC milliseconds, and goes on from there."""
        self.set_off(at_ms - time.time_ns() // 1_000_000)

    def synchronise(self, on: bool) -> None:
        """What the kernel says of it."""
        self._synchronised = on
        self._write()

    def _write(self) -> None:
        self._face[:] = _FACE.pack(self._offset_ms * 1_000_000, int(self._synchronised))
