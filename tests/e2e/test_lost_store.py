"""The cloud loses its store: it says what is gone, gateways send again what they keep, and all is there once."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from frostline_cloud.ingest.marks import FORGOTTEN
from tests.support.services import eventually
from tests.support.stack import Counter, Program, Stack, stored
from tests.support.stream import NODE, begin, settle

pytestmark = pytest.mark.timeout(500)


def test_a_store_that_is_lost_is_listed_and_filled_again_by_the_gateways(stack: Stack, counter: Counter) -> None:
    began_ms = now_ms()
    begin(stack, counter)
    eventually(lambda: marked(stack))
    stack.cloud.kill()
    for part in stack.folder.glob("history.duckdb*"):
        part.unlink()
    lost_ms = now_ms()
    stack.start_cloud()
    eventually(lambda: stack.born(NODE), 90)
    (told,) = [each for each in stack.api("losses")["items"] if each["reason"] == FORGOTTEN]
    assert (told["node"], told["samples"], told["from_ms"]) == (NODE, None, None)
    assert told["to_ms"] >= lost_ms
    settle(stack, counter)
    eventually(lambda: stack.written(NODE) == stack.status(NODE)["account"]["kept"])
    kept = stack.status(NODE)["account"]["kept"]
    ask_again(stack, began_ms - 1000, now_ms())
    eventually(lambda: stack.written(NODE) >= kept + counter.sent, 90)
    eventually(lambda: stack.drained(NODE), 90)
    assert stack.account(NODE)["residue"] == 0
    stack.gateways[NODE].stop()
    stack.cloud.stop()
    assert stored(stack.folder, NODE) == [float(n) for n in range(1, counter.sent + 1)]


def marked(stack: Stack) -> bool:
    """Whether SQL knows that the store was told of flushes, as it is each ten seconds."""
    query = "SELECT value FROM setting WHERE key = 'generation/marks'"
    with closing(sqlite3.connect(f"file:{stack.folder}/frostline.db?mode=ro", uri=True, timeout=60)) as connection:
        return bool([row for row in connection.execute(query) if json.loads(row[0])])


def ask_again(stack: Stack, from_ms: int, to_ms: int) -> None:
    """As a person does."""
    where = ["-c", str(stack.folder / "cloud.toml"), "--site", "site-a", "--node", NODE]
    asked = ["cloud", "refetch", *where, "--from", str(from_ms), "--to", str(to_ms)]
    subprocess.run([sys.executable, "-c", Program.ENTRY, *asked], check=True, capture_output=True, timeout=300)


def now_ms() -> int:
    """UTC milliseconds."""
    return time.time_ns() // 1_000_000
