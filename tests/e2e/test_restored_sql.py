"""An older backup of SQL is put back while gateways run: every sample is stored once, what SQL forgot is listed."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from frostline_core.commit import RESTORED
from tests.support.services import eventually
from tests.support.stack import Counter, Stack, stored
from tests.support.stream import NODE, begin, settle

PATIENCE_S = 90
_TOLD_S = 12
"""The store is told of flushes each ten seconds."""
pytestmark = pytest.mark.timeout(400)


def back_up(stack: Stack, to: Path) -> int:
    """As one does while the cloud runs; returns when, UTC milliseconds."""
    with (
        closing(sqlite3.connect(stack.folder / "frostline.db", timeout=PATIENCE_S)) as source,
        closing(sqlite3.connect(to)) as target,
    ):
        source.backup(target)
    return now_ms()


def put_back(stack: Stack, backup: Path) -> None:
    for part in stack.folder.glob("frostline.db*"):
        part.unlink()
    (stack.folder / "frostline.db").write_bytes(backup.read_bytes())


def now_ms() -> int:
    """UTC milliseconds."""
    return time.time_ns() // 1_000_000


def test_a_backup_of_sql_that_is_put_back_costs_no_sample(stack: Stack, counter: Counter, tmp_path: Path) -> None:
    begin(stack, counter)
    backup = tmp_path / "backup"
    backed_up_ms = back_up(stack, backup)
    told = time.monotonic() + _TOLD_S
    eventually(lambda: time.monotonic() > told, PATIENCE_S)
    seen = stack.written(NODE)
    eventually(lambda: stack.written(NODE) > seen + 50, PATIENCE_S)
    stack.cloud.kill()
    put_back(stack, backup)
    killed_ms = now_ms()
    stack.start_cloud()
    eventually(lambda: stack.born(NODE) and stack.hears(NODE, "local"), PATIENCE_S)
    after = counter.sent
    eventually(lambda: stack.counted(NODE) > after + 50, PATIENCE_S)
    settle(stack, counter)
    account = stack.account(NODE)
    assert (account["residue"], account["dead_lettered"]) == (0, 0)
    losses = [each for each in stack.api("losses?limit=500")["items"] if each["node"] == NODE]
    assert {each["reason"] for each in losses} == {RESTORED}
    (span,) = [each for each in losses if each["run"] is None]
    assert span["from_ms"] <= backed_up_ms
    assert span["to_ms"] >= killed_ms
    stack.gateways[NODE].stop()
    stack.cloud.stop()
    assert stored(stack.folder, NODE) == [float(n) for n in range(1, counter.sent + 1)]
