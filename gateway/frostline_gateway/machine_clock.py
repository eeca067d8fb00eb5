"""The clocks of this machine, as Linux has them."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from frostline_gateway.clock import Look

_SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIME_ERROR = 5
"""adjtimex(2): the clock is not synchronised."""
_TIMEX_BYTES = 256
"""More than `struct timex` has on any Linux; its first member, modes, is 0: only look."""


def look() -> Look:
    """The clocks now; whether they are synchronised, a second ago at most."""
    boot_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    return Look(time.time_ns() // 1_000_000, boot_ms, _synchronised_in(boot_ms // 1_000))


def synchronised() -> bool:
    """Whether the kernel, or systemd-timesyncd, says that the wall clock is right."""
    return _kernel_says_so() or _SYNCHRONISED.exists()


@lru_cache(maxsize=1)
def _synchronised_in(_second: int) -> bool:
    return synchronised()


def boot_id() -> str:
    """Which start of the machine this is: another one after each, the same over restarts of the process."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return f"boot-{(time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)) // 60_000_000_000}"


def _kernel_says_so() -> bool:
    adjtimex = _adjtimex()
    return adjtimex is not None and 0 <= adjtimex(_timex()) < _TIME_ERROR


@lru_cache(maxsize=1)
def _adjtimex() -> Callable[[object], int] | None:
    """The system call; finding it costs more than all else that a reading costs here."""
    try:
        import ctypes  # where memory may not be executable it can fail

        found: Callable[[object], int] = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError, MemoryError, ImportError):
        return None
    return found


def _timex() -> object:
    import ctypes

    return ctypes.create_string_buffer(_TIMEX_BYTES)
