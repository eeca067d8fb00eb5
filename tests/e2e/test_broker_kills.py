"""A broker without persistence is killed while events wait at the gateway: each arrives once, and in its order."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from frostline_cloud.store import Place, open_store
from frostline_cloud.store.config import StoreConfig
from frostline_gateway.spool import AccountDelta, Spool
from tests.support.services import eventually
from tests.support.spooled import EVENT, event, scan, unit
from tests.support.stack import Stack
from tests.support.stream import NODE, UPLINK

EVENTS, SAMPLES = 2_000, 500
GROUP = 100
KILLS = 4
PATIENCE_S = 120
pytestmark = pytest.mark.timeout(900)


def fill(folder: Path) -> int:
    """Events of two hours, and some samples between them; returns when the first was."""
    folder.mkdir()
    room, first_ms = unit(0), time.time_ns() // 1_000_000 - 7_200_000
    rows = [event(room.id, first_ms + n * 1000) for n in range(EVENTS)]
    rows += [scan(room.id, ["m_0"], first_ms + n * 1000, float(n)) for n in range(SAMPLES)]
    with Spool.open(folder / "spool.db", 1 << 26, lambda: first_ms + EVENTS * 1000) as spool:
        spool.remember(room)
        for start in range(0, len(rows), GROUP):
            group = rows[start : start + GROUP]
            spool.append(group, AccountDelta(read=len(group), kept=len(group)))
    return first_ms


def test_a_broker_that_is_killed_while_events_wait_costs_and_doubles_none(stack: Stack, tmp_path: Path) -> None:
    first_ms = fill(tmp_path / NODE)
    stack.add_gateway(NODE, "", UPLINK)
    for _ in range(KILLS):
        before = stack.written(NODE)
        eventually(lambda before=before: stack.written(NODE) > before + 100, PATIENCE_S)  # type: ignore[misc]
        stack.broker.kill()
        assert not stack.drained(NODE), "events wait"
        eventually(lambda: not stack.status(NODE)["uplink"]["connected"], PATIENCE_S)
        stack.broker.start()
    eventually(lambda: stack.drained(NODE), PATIENCE_S)
    eventually(lambda: stack.written(NODE) == stack.status(NODE)["account"]["committed"], PATIENCE_S)
    held = stack.status(NODE)["account"]
    assert (held["kept"], held["lost"]) == (held["committed"], 0)
    assert stack.account(NODE)["residue"] == 0
    assert stack.api("losses")["items"] == []
    stack.gateways[NODE].stop()
    stack.cloud.stop()
    assert instants(stack.folder, EVENT) == [first_ms + n * 1000 for n in range(EVENTS)]
    assert instants(stack.folder, "m_0") == [first_ms + n * 1000 for n in range(SAMPLES)]


def instants(folder: Path, field: str) -> list[int]:
    """When each value was, in the store."""
    store = open_store(StoreConfig(path=folder / "history.duckdb"))
    try:
        place = Place("cold_room", "site-a", NODE, unit(0).id)
        buckets = store.series(place, field, 0, time.time_ns() // 1_000_000 + 60_000, 1)
    finally:
        store.close()
    assert all(each.count == 1 for each in buckets), "a value is in the store twice"
    return [each.at_ms for each in buckets]
