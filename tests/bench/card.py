"""The card: bytes that the gateway's disk queue has the kernel write in a day, at the reference load.

500 metrics (25 devices with 20 each), every one read each 10 s, with deadbands; the cloud commits what it got a second
later. Time is simulated: samples go through sampler, intake and spool as fast as they can, on a real file system, and
`write_bytes` of this process (proc(5): whole blocks of 4 KiB) is scaled to a day.

The file system's own journal is not in it. The spool overwrites blocks in a file that keeps its size, so a group
changes nothing of it but the file's times. ext4 writes these after each group (`times_mb_per_day`: a descriptor, the
inode's block, a commit block), unless it is mounted with `lazytime`, when it does so once a day.
Run: `python -m tests.bench card`; a whole day takes a minute or two.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Reading
from frostline_edge.sampling import Sampling
from frostline_gateway.devices import Devices
from frostline_gateway.diary import Diary
from frostline_gateway.intake import Intake
from frostline_gateway.spool import Spool
from tests.bench.process import written_bytes

DEVICES, METRICS, PERIOD_S = 25, 20, 10
SIMULATED_S = 86_400
START_MS = 1_800_000_000_000
DAY_MS = 86_400_000
TARGET_MB = 50.0
TIMES_BYTES = 3 * 4096
NAMES = tuple(f"temperature_{n}" for n in range(METRICS))


@dataclass
class Wall:
    """Simulated time of day."""

    now_ms: int = START_MS

    def __call__(self) -> int:
        return self.now_ms


@dataclass(frozen=True, slots=True)
class Case:
    """One way to live with a card.

    Attributes:
        groups: In so many groups the devices are read, evenly over the period; each group is one write.
        away: Whether the cloud commits nothing.
    """

    groups: int = 1
    away: bool = False


CASES = {
    "as delivered": Case(),
    "read in 10 groups, one each second": Case(groups=10),
    "the cloud is away": Case(away=True),
}


def measure(simulated_s: int = SIMULATED_S) -> dict[str, Any]:
    """Megabytes a day in each case."""
    cases = {name: asyncio.run(_one(case, simulated_s)) for name, case in CASES.items()}
    return {"simulated_s": simulated_s, "target_mb_per_day": TARGET_MB, "cases": cases}


async def _one(case: Case, simulated_s: int) -> dict[str, float]:
    wall, dice = Wall(), random.Random(1)  # noqa: S311  # a load, no secret
    with (
        tempfile.TemporaryDirectory(prefix="frostline-card-", dir="/var/tmp") as folder,  # never in memory
        Spool.open(Path(folder) / "spool.db", 2 << 30, wall, 30 * DAY_MS) as spool,
        ThreadPoolExecutor(1) as writer,
    ):
        intake = Intake(spool, Devices(), {}, wall)
        for number in range(DEVICES):
            intake.born(_device(number), {name: Sampling(deadband=0.2) for name in NAMES})
        Diary(intake.event, wall).command(
            {"warm": "up"}
        )  # the first append also makes the spool's reserve, once and for all
        await intake.flush(writer)
        before, writes = written_bytes(os.getpid()), 0
        for group in range(simulated_s * case.groups // PERIOD_S):
            for device in range(group % case.groups, DEVICES, case.groups):
                wall.now_ms = START_MS + group * PERIOD_S * 1_000 // case.groups + 20 * device
                intake.scan(f"room-{device}", _scan(f"room-{device}", wall.now_ms, dice))
            if intake.in_hand:
                await intake.flush(writer)
                writes += 1
            if not case.away:
                _commit(spool)
        written = written_bytes(os.getpid()) - before
        account = spool.view().account
    a_day = 86_400 / simulated_s
    return {
        "mb_per_day": round(written * a_day / 1e6, 1),
        "times_mb_per_day": round(writes * TIMES_BYTES * a_day / 1e6, 1),
        "writes_per_day": round(writes * a_day),
        "samples_per_s": round(account.kept / simulated_s, 2),
        "kept_of_read": round(account.kept / account.read, 3),
    }


def _device(number: int) -> DeviceDescription:
    metrics = tuple(MetricDescription(name, DataType.FLOAT, "Cel") for name in NAMES)
    return DeviceDescription(f"room-{number}", "cold_room", "", metrics)


def _scan(device: str, at_ms: int, dice: random.Random) -> list[Reading]:
    """Rooms that swing by 1.5 degrees in half an hour, each metric in its own phase, with a sensor's noise."""
    turn = at_ms / 1_800_000 * math.tau
    return [
        Reading(device, name, round(-20 + 1.5 * math.sin(turn + phase) + dice.gauss(0, 0.03), 2), at_ms)
        for phase, name in enumerate(NAMES)
    ]


def _commit(spool: Spool) -> None:
    for run in spool.runs():
        if not run.empty:
            spool.delete_through(run.run, run.last)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(), indent=2) + "\n")
