"""The power is cut while a process fills and empties a spool: what was acknowledged was on the disk, not in a cache."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from frostline_gateway.spool import Spool
from tests.integration.gateway.test_spool_kills import DAY, WRITER, balanced
from tests.support.power_cut import PowerCut

CUTS = 6


def switched_off(path: Path, power: PowerCut, dice: random.Random) -> tuple[int, int, int, int]:
    """The run, its last acknowledged number, the last that it was about to hear committed, and what was taken back."""
    command = [sys.executable, "-c", WRITER, str(path), str(dice.randrange(1 << 30))]
    environment = {**os.environ, **power.environment}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline()]
        time.sleep(dice.random() * 0.8)
        writer.kill()
        lines += [line for line in writer.stdout.read().splitlines() if line.count(" ") == 2]
    run, last, committed = (int(each) for each in lines[-1].split())
    return run, last, committed, power.cut(dice)


@pytest.mark.parametrize("seed", range(3))
def test_what_was_acknowledged_survives_every_power_cut(tmp_path: Path, seed: int) -> None:
    folder, dice = tmp_path / "data", random.Random(seed)  # noqa: S311  # a test's dice
    folder.mkdir()
    power, path = PowerCut(folder, tmp_path / "power"), folder / "spool.db"
    ends: dict[int, tuple[int, int]] = {}
    taken = 0
    for _ in range(CUTS):
        run, last, committed, sectors = switched_off(path, power, dice)
        ends[run] = last, committed
        taken += sectors
        assert balanced(Spool.open_read_only(path).account)
    assert taken, "something was under way at one of the cuts"
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
    assert not list(folder.glob("*.corrupt-*")), "nothing was taken for damaged"
