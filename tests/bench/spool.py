"""The spool: rows a second that it appends and trims, in groups of several sizes, and a start with millions waiting.

Every group is durable before the next. A start is measured in a process of its own, after the kernel was told to forget
the file: how long until the spool is open and the first row is read, how much memory that takes, and how fast the rows
then leave.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from frostline_core.reading import Stream
from frostline_gateway.spool import ROW_COST, AccountDelta, NewRow, Spool
from tests.bench.process import rss_mib

ROW_BYTES = 400  # about 20 metrics
BUDGET_BYTES = 2 * 1024**3
SECONDS = 1.5
SIZES = (1, 10, 100, 1000)
WAITING = 10_000_000
WAITING_BYTES = 60  # one metric
AT_ONCE = 64
NOW_MS = 1_800_000_000_000


def measure(seconds: float = SECONDS, waiting: int = WAITING) -> dict[str, Any]:
    """Rows per second by rows per group, each for so long, and a start with so many rows waiting."""
    with tempfile.TemporaryDirectory(prefix="frostline-bench-", dir="/var/tmp") as folder:  # never in memory
        return {
            "row_bytes": ROW_BYTES,
            "rows_per_s": {str(size): _one(Path(folder) / f"{size}.db", size, seconds) for size in SIZES},
            "start": start(Path(folder) / "waiting.db", waiting, seconds),
        }


def start(path: Path, waiting: int, seconds: float) -> dict[str, Any]:
    """A start with rows waiting."""
    _fill(path, waiting)
    for part in (path, path.with_name(f"{path.name}.redo")):
        with part.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    command = [sys.executable, "-m", "tests.bench.spool", str(path), str(seconds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return {"waiting_rows": waiting, "file_mib": path.stat().st_size >> 20} | found


def _fill(path: Path, waiting: int) -> None:
    """Puts rows into the tables as appends would have, by one statement."""
    with Spool.open(path, 1 << 40, lambda: NOW_MS) as spool:
        spool.append([NewRow(Stream.SAMPLES, "room", bytes(WAITING_BYTES), 1, NOW_MS, NOW_MS)], AccountDelta(1, 1))
    with closing(sqlite3.connect(path, isolation_level=None)) as tables:
        tables.execute("PRAGMA synchronous = OFF")
        tables.execute("BEGIN")
        tables.execute(
            "WITH RECURSIVE number(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM number WHERE n < ?)"
            " INSERT INTO row SELECT seq, n, n, 'room', zeroblob(?), 1, ?, ?, '', ?, 0 FROM number, run",
            (waiting, WAITING_BYTES, NOW_MS, NOW_MS, NOW_MS),
        )
        tables.execute(
            "UPDATE run SET last = ?1, data_rows = ?1, samples = ?1, bytes = ?1 * ?2",
            (waiting, WAITING_BYTES + ROW_COST),
        )
        tables.execute("UPDATE account SET read = ?1, kept = ?1", (waiting,))
        tables.execute("COMMIT")
        tables.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _open(path: Path, seconds: float) -> dict[str, Any]:
    """What a process sees that starts with rows waiting."""
    before, began = rss_mib(os.getpid()), time.monotonic()
    with Spool.open(path, 1 << 40, lambda: NOW_MS) as spool:
        opened_s = time.monotonic() - began
        (run,) = spool.runs()
        assert spool.next_row(run.run, run.base) is not None
        first_s = time.monotonic() - began
        memory = rss_mib(os.getpid()) - before
        n, began = run.base, time.monotonic()
        while time.monotonic() - began < seconds and n + AT_ONCE <= run.last:
            for each in range(n, n + AT_ONCE):
                assert spool.next_row(run.run, each) is not None
            n += AT_ONCE
            spool.delete_through(run.run, n - 1)
        drained = (n - run.base) / (time.monotonic() - began)
    return {
        "open_s": round(opened_s, 3),
        "first_row_s": round(first_s, 3),
        "memory_mib": round(memory, 1),
        "drained_rows_per_s": round(drained),
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


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_open(Path(sys.argv[1]), float(sys.argv[2]))))
