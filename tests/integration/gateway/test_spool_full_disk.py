"""A spool on a file system that is really full: a small one of its own, where this machine allows it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys, time
from pathlib import Path
from frostline_core.errors import UnavailableError
from frostline_core.reading import Stream
from frostline_gateway.spool import Spool
from frostline_gateway.spool.rows import AccountDelta, NewRow

folder = Path(sys.argv[1])
clock = lambda: time.time_ns() // 1_000_000
rows = [NewRow(Stream.SAMPLES, "room", bytes(100), 1, clock(), clock()) for _ in range(1000)]
with Spool.open(folder / "spool.db", 1 << 23, clock) as spool:
    spool.append(rows, AccountDelta(read=1000, kept=1000))
with (folder / "filling").open("wb", buffering=0) as filling:
    for size in (1 << 16, 1):
        try:
            while True:
                filling.write(bytes(size))
        except OSError:
            pass
with Spool.open(folder / "spool.db", 1 << 23, clock) as spool:
    (run,) = spool.runs()
    try:
        spool.append(rows, AccountDelta(read=1000, kept=1000))
    except UnavailableError as error:
        print(error)
    spool.delete_through(run.run, 600)
    print(spool.held_rows)
(folder / "filling").unlink()
with Spool.open(folder / "spool.db", 1 << 23, clock) as spool:
    spool.append(rows, AccountDelta(read=1000, kept=1000))
    print(spool.held_rows)
"""


def test_a_gateway_that_starts_on_a_full_disk_sends_what_it_holds_and_takes_rows_again_later(tmp_path: Path) -> None:
    mount = f'mount -t tmpfs -o size=16m tmpfs "{tmp_path}"'
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True, check=False).returncode:
        pytest.skip("no file system of its own can be mounted here")
    command = ["unshare", "-m", "sh", "-c", f'{mount} && exec "$0" -c "$1" "{tmp_path}"', sys.executable, PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    refused, after_commit, later = done.stdout.splitlines()
    assert "the disk is full" in refused
    assert (after_commit, later) == ("400", "1400")
