"""The cloud's disk is full: it says so, gateways keep everything, and when there is room again all goes on."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_clouds import States, numbers, on_influx
from tests.support.influx_front import InfluxFront
from tests.support.services import Influxd, eventually
from tests.support.stack import Counter, Program, Stack
from tests.support.stream import NODE, begin, settle

DISK = "mount -t tmpfs -o size=24m tmpfs disk"
FILL = "head -c 100000000 /dev/zero > disk/full 2>/dev/null"
PATIENCE_S = 60
pytestmark = pytest.mark.timeout(500)


class OnItsOwnDisk(Program):
    """A process whose SQL is on a small file system of its own, which only it can see."""

    def __init__(self, program: Program) -> None:
        super().__init__(program.name, program.arguments, program.log.parent)
        self._folder = program.log.parent
        (self._folder / "disk").mkdir()
        (self._folder / "frostline.db").symlink_to(self._folder / "disk" / "frostline.db")

    def start(self) -> None:
        command = [sys.executable, "-c", self.ENTRY, *self.arguments]
        script = ["unshare", "-m", "sh", "-c", f'cd "{self._folder}" && {DISK} && exec "$0" "$@"', *command]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(script, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def inside(self, script: str) -> None:
        """Something that happens on its disk."""
        inside = ["nsenter", "-t", str(self.pid), "-m", "sh", "-c", f'cd "{self._folder}"; {script}']
        subprocess.run(inside, check=False, timeout=PATIENCE_S)


@pytest.fixture
def front(fresh_influxd: Influxd) -> Iterator[InfluxFront]:
    fresh_influxd.create_database("frostline")
    with InfluxFront(fresh_influxd.url) as started:
        yield started


@pytest.fixture
def stack(tmp_path: Path, front: InfluxFront) -> Iterator[Stack]:
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no file system of its own can be mounted here")
    with on_influx(tmp_path, front) as made:
        made.cloud.stop()
        for part in tmp_path.glob("frostline.db*"):
            part.unlink()
        made.cloud = OnItsOwnDisk(made.cloud)
        made.start_cloud()
        yield made


def test_a_disk_without_room_for_sql_is_said_and_costs_nothing(
    stack: Stack, counter: Counter, fresh_influxd: Influxd
) -> None:
    assert isinstance(stack.cloud, OnItsOwnDisk)
    with States(stack) as states:
        begin(stack, counter)
        full = time.monotonic()
        stack.cloud.inside(FILL)
        eventually(lambda: states.said(False, full), PATIENCE_S)
        eventually(lambda: not stack.born(NODE), PATIENCE_S)
        before = stack.status(NODE)["account"]["pending"]
        eventually(lambda: stack.status(NODE)["account"]["pending"] > before + 100, PATIENCE_S)
        assert stack.cloud.running
        free = time.monotonic()
        stack.cloud.inside("rm disk/full")
        eventually(lambda: states.said(True, free), PATIENCE_S)
        settle(stack, counter)
        eventually(lambda: stack.written(NODE) == stack.status(NODE)["account"]["kept"], PATIENCE_S)
        account = stack.account(NODE)
        assert (account["residue"], account["dead_lettered"]) == (0, 0)
        assert numbers(fresh_influxd) == [float(n) for n in range(1, counter.sent + 1)]
