"""The card: bytes that the gateway's disk queue has the kernel write in a day, at the reference load.

500 metrics (25 devices with 20 each), every one read each 10 s, with deadbands; the cloud commits what it got each
second. Time is simulated: half an hour of samples goes through sampler, intake and spool as fast as they can, on a real
file system, and `write_bytes` of this process (proc(5)) is scaled to a day. What the file system's own journal adds is
not in it. Run: `python -m tests.bench.card`.
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
from frostline_gateway.intake import Intake
from frostline_gateway.spool import Spool
from tests.bench.process import written_bytes

DEVICES, METRICS, PERIOD_S = 25, 20, 10
SIMULATED_S = 1_800
START_MS = 1_800_000_000_000
DAY_MS = 86_400_000
TARGET_MB = 50.0
FLUSHES_S = (0.25, 1.0, 5.0, 15.0)
NAMES = tuple(f"temperature_{n}" for n in range(METRICS))


@dataclass
class Wall:
    """Simulated time of day."""

    now_ms: int = START_MS

    def __call__(self) -> int:
        return self.now_ms


def measure(simulated_s: int = SIMULATED_S) -> dict[str, Any]:
    """Megabytes a day by longest time between a reading and its place on the disk."""
    by_flush = {f"{flush_s:g}": asyncio.run(_one(flush_s, simulated_s)) for flush_s in FLUSHES_S}
    return {"simulated_s": simulated_s, "target_mb_per_day": TARGET_MB, "by_flush_s": by_flush}


async def _one(flush_s: float, simulated_s: int) -> dict[str, float]:
    wall, dice = Wall(), random.Random(1)  # noqa: S311  # a load, no secret
    with (
        tempfile.TemporaryDirectory(prefix="frostline-card-", dir="/var/tmp") as folder,  # never in memory
        Spool.open(Path(folder) / "spool.db", 2 << 30, wall, 30 * DAY_MS) as spool,
        ThreadPoolExecutor(1) as writer,
    ):
        intake = Intake(spool, Devices(), {}, wall)
        for number in range(DEVICES):
            intake.born(_device(number), {name: Sampling(deadband=0.2) for name in NAMES})
        intake.audit({"warm": "up"})  # the first append also makes the spool's reserve, once and for all
        await intake.flush(writer)
        before, next_flush_ms = written_bytes(os.getpid()), wall.now_ms
        for step in range(simulated_s * DEVICES // PERIOD_S):
            wall.now_ms = START_MS + step * PERIOD_S * 1_000 // DEVICES
            intake.scan(f"room-{step % DEVICES}", _scan(f"room-{step % DEVICES}", wall.now_ms, dice))
            if wall.now_ms >= next_flush_ms and intake.in_hand:
                await intake.flush(writer)
                next_flush_ms = wall.now_ms + round(flush_s * 1_000)
                _commit(spool)
        written = written_bytes(os.getpid()) - before
        account = spool.account()
    a_day = 86_400 / simulated_s
    return {
        "mb_per_day": round(written * a_day / 1e6, 1),
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
