"""A process that fills and empties a spool is killed while it writes: records, tables, lots of the ring."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from frostline_gateway.spool import Account, Spool

DAY = 86_400_000
KILLS = 4
WRITER = """
import random, sys
from pathlib import Path
from frostline_core.reading import Stream
from frostline_gateway.spool import AccountDelta, NewRow, Spool

dice, committed = random.Random(int(sys.argv[2])), 0
with Spool.open(Path(sys.argv[1]), 1 << 30, lambda: 1_700_000_000_000, 30 * 86_400_000) as spool:
    while True:
        rows = [
            NewRow(Stream.SAMPLES, "room", dice.randbytes(dice.choice([50, 800, 6000])), 1, n, n)
            for n in range(dice.randrange(1, 60))
        ]
        spool.append(rows, AccountDelta(len(rows), len(rows)))
        (*_, run) = spool.runs()
        committed = max(committed, run.last - dice.randrange(400))
        sys.stdout.write(f"{run.run} {run.last} {committed}\\n")
        sys.stdout.flush()
        spool.delete_through(run.run, committed)
"""


def killed(path: Path, seed: int, after_s: float) -> tuple[int, int, int]:
    """The run, its last acknowledged number, and the last that it was about to hear committed."""
    command = [sys.executable, "-c", WRITER, str(path), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline()]
        time.sleep(after_s)
        writer.send_signal(signal.SIGKILL)
        lines += [line for line in writer.stdout.read().splitlines() if line.count(" ") == 2]
    run, last, committed = (int(each) for each in lines[-1].split())
    return run, last, committed


def balanced(account: Account) -> bool:
    return account.read == account.kept == account.committed + account.pending


@pytest.mark.parametrize("seed", range(3))
def test_what_was_acknowledged_survives_every_kill(tmp_path: Path, seed: int) -> None:
    path, dice = tmp_path / "spool.db", random.Random(seed)  # noqa: S311  # a test's dice
    ends: dict[int, tuple[int, int]] = {}
    for turn in range(KILLS):
        run, last, committed = killed(path, 100 * seed + turn, dice.random() * 0.8)
        ends[run] = last, committed
        assert balanced(Spool.open_read_only(path).account)
    with Spool.open(path, 1 << 30, lambda: 1_700_000_000_000, 30 * DAY) as spool:
        held = {run.run: run for run in spool.runs()}
        for run, (last, committed) in ends.items():
            assert held[run].last >= last
            assert held[run].base <= committed + 1, "what was not committed is held"
            n = held[run].base
            while n <= held[run].last:
                row = spool.next_row(run, n)
                assert row is not None
                assert row.n == n
                n += 1
        assert balanced(spool.view().account)
        assert spool.view().account.lost == {}
