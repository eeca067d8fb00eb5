"""The spool: how many rows a second it appends and trims, in transactions of several sizes, synchronous FULL."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from frostline_core.reading import Stream
from frostline_gateway.spool import Spool
from frostline_gateway.spool.rows import AccountDelta, NewRow

ROW_BYTES = 400  # about 20 metrics
BUDGET_BYTES = 2 * 1024**3
SECONDS = 1.5
SIZES = (1, 10, 100, 1000)


def measure(seconds: float = SECONDS) -> dict[str, Any]:
    """Rows per second by rows per transaction."""
    with tempfile.TemporaryDirectory(prefix="frostline-bench-") as folder:
        return {
            "row_bytes": ROW_BYTES,
            "rows_per_s": {str(size): _one(Path(folder) / f"{size}.db", size, seconds) for size in SIZES},
        }


def _one(path: Path, size: int, seconds: float) -> dict[str, int]:
    now_ms = time.time_ns() // 1_000_000
    row = NewRow(Stream.SAMPLES, "freezer-1", bytes(ROW_BYTES), 20, now_ms, now_ms)
    delta = AccountDelta(read=20 * size, kept=20 * size)
    with Spool.open(path, BUDGET_BYTES, lambda: now_ms) as spool:
        appended, began = 0, time.monotonic()
        while time.monotonic() - began < seconds:
            spool.append([row] * size, delta)
            appended += size
        append_s = time.monotonic() - began
        (held,) = spool.runs()
        began = time.monotonic()
        for through in range(held.base + size - 1, held.last + 1, size):
            spool.delete_through(held.run, through)
        trim_s = time.monotonic() - began
    return {"append": round(appended / append_s), "trim": round(appended / trim_s)}
