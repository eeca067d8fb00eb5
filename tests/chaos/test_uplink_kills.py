"""Real processes, killed: gateway, broker, connection and host; then every acknowledged number is there once."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from frostline_gateway.spool import Spool
from tests.integration.gateway.uplink_host import Sql, TestHost
from tests.support.proxy import TcpProxy
from tests.support.services import Mosquitto, eventually_async

ROUNDS = max(6, int(os.environ.get("FROSTLINE_HISTORIES", "0")) // 500)
PROCESS = Path(__file__).with_name("gateway_process.py")


@dataclass
class Gateway:
    """The process, its spool, and the highest number it acknowledged."""

    spool: Path
    port: int
    acknowledged: int = 0
    process: subprocess.Popen[str] | None = None
    starts: list[int] = field(default_factory=list)

    def start(self, appends: bool = True) -> None:
        first = (self.acknowledged // 1000 + 2) * 1000 if appends else 0
        self.starts.append(first)
        command = [sys.executable, str(PROCESS), str(self.spool), str(self.port), str(first)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def kill(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.kill()
        numbers = [int(line) for line in self.process.stdout.read().split()]
        self.process.wait()
        self.process.stdout.close()
        self.acknowledged = max([self.acknowledged, *numbers])


@pytest.mark.chaos
async def test_whatever_is_killed_every_acknowledged_number_arrives_once(
    fresh_mosquitto: Mosquitto, tmp_path: Path
) -> None:
    dice = random.Random(11)  # noqa: S311  # a test's dice
    sql, lasts = Sql(), []
    async with TcpProxy("127.0.0.1", fresh_mosquitto.port) as proxy:
        gateway = Gateway(tmp_path / "spool.db", proxy.port)
        gateway.start()
        for turn in range(ROUNDS):
            async with TestHost(fresh_mosquitto.port, loss=0.01, sql=sql):
                await eventually_async(partial(more_than, sql, len(sql.log) + 20))
                if turn % 3 == 0:
                    gateway.kill()
                    lasts.append(gateway.acknowledged)
                    gateway.start()
                elif turn % 3 == 1:
                    proxy.reset()
                await asyncio.sleep(dice.random() * 0.5)
                if turn % 3 == 2:
                    await asyncio.to_thread(fresh_mosquitto.kill)
            await asyncio.to_thread(fresh_mosquitto.start)
        gateway.kill()
        gateway.start(appends=False)
        async with TestHost(fresh_mosquitto.port, sql=sql):
            await eventually_async(lambda: drained(gateway.spool), 60, 0.2)
        gateway.kill()
    counts = Counter(each.value for each in sql.stored)
    assert [n for n, times in counts.items() if times > 1] == []
    assert certain(gateway, lasts) - set(counts) == set()
    assert sql.lost == []
    events = [each.value for each in sql.stored if each.metric == "event"]
    assert events == sorted(events)


def more_than(sql: Sql, batches: int) -> bool:
    return len(sql.log) > batches


def certain(gateway: Gateway, lasts: list[int]) -> set[int]:
    """Every number between a start and the last that this process acknowledged."""
    ends = [*lasts, gateway.acknowledged]
    return {n for first, end in zip(gateway.starts, ends, strict=False) if first for n in range(first, end + 1)}


def drained(path: Path) -> bool:
    with Spool.open_read_only(path) as view:
        return view.held_rows == 0
