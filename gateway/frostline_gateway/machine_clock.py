"""The clocks of this machine, as Linux has them."""

from __future__ import annotations

import time
from pathlib import Path

from frostline_gateway.clock import Look

_SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIME_ERROR = 5
"""adjtimex(2): the clock is not synchronised."""
_TIMEX_BYTES = 256
"""More than `struct timex` has on any Linux; its first member, modes, is 0: only look."""


def look() -> Look:
    """The clocks now."""
    boot_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    return Look(time.time_ns() // 1_000_000, boot_ms, synchronised())


def synchronised() -> bool:
    """Whether the kernel, or systemd-timesyncd, says that the wall clock is right."""
    return _kernel_says_so() or _SYNCHRONISED.exists()


def boot_id() -> str:
    """Which start of the machine this is: another one after each, the same over restarts of the process."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return f"boot-{(time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)) // 60_000_000_000}"


def _kernel_says_so() -> bool:
    try:
        import ctypes  # where memory may not be executable it can fail

        adjtimex = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError, MemoryError, ImportError):
        return False
    state = adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return bool(0 <= state < _TIME_ERROR)
