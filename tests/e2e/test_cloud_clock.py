"""The clock of the cloud's machine is wrong for a while: what seems to come from the future is kept, not lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.services import eventually
from tests.support.stack import Counter, Program, Stack, stored
from tests.support.stream import NODE, begin, settle
from tests.support.wall_clock import WallClock

HOUR_MS = 3_600_000
PATIENCE_S = 90
pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("off_ms", [-HOUR_MS, HOUR_MS])
def test_a_cloud_whose_clock_is_off_by_an_hour_loses_and_doubles_nothing(
    stack: Stack, counter: Counter, tmp_path: Path, off_ms: int
) -> None:
    clock = WallClock(tmp_path)
    stack.cloud.stop()
    stack.cloud = Program("cloud", stack.cloud.arguments, tmp_path, clock.environment)
    stack.start_cloud()
    begin(stack, counter)
    clock.set_off(off_ms)
    seen = counter.sent
    eventually(lambda: counter.sent > seen + 200, PATIENCE_S)
    stack.cloud.kill()
    stack.start_cloud()
    seen = counter.sent
    eventually(lambda: counter.sent > seen + 200, PATIENCE_S)
    clock.set_off(0)
    seen = counter.sent
    eventually(lambda: counter.sent > seen + 200, PATIENCE_S)
    settle(stack, counter)
    eventually(lambda: stack.status(NODE)["account"]["kept"] == ruled(stack))
    account = stack.account(NODE)
    assert account["residue"] == 0
    assert (account["dead_lettered"] > 0) == (off_ms < 0)
    if account["dead_lettered"]:
        replay = [
            "cloud",
            "dead-letters",
            "replay",
            "--all",
            "-c",
            str(tmp_path / "cloud.toml"),
            "--api",
            str(stack.http.base_url),
        ]
        subprocess.run([sys.executable, "-c", Program.ENTRY, *replay], check=True, timeout=300)
    stack.gateways[NODE].stop()
    stack.cloud.stop()
    assert stored(tmp_path, NODE) == [float(n) for n in range(1, counter.sent + 1)]


def ruled(stack: Stack) -> int:
    """Samples that the cloud has written, or put aside with a reason."""
    account = stack.account(NODE)
    return account["written"] + account["dead_lettered"]
