"""A disk that is too small for an outage: what had to go is in the list of losses, to the sample, with its reason."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from frostline_cloud.store import Place, open_store
from frostline_cloud.store.config import StoreConfig
from frostline_gateway.spool import AccountDelta, NewRow, Spool
from frostline_gateway.spool.budget import OVER_BUDGET, RAW, THINNED
from tests.support.services import eventually
from tests.support.spooled import EVENT, event, scan, text, unit
from tests.support.stack import Stack

NODE = "gw-1"
BUDGET_MB = 8
HOUR_MS = 3_600_000
GROUP = 100
EVENTS = 200
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path) as started:
        yield started


def fill(folder: Path) -> None:
    """Tag reads, two hours of old telemetry, events, and more recent text than the budget allows."""
    folder.mkdir()
    now_ms = time.time_ns() // 1_000_000
    old_ms = now_ms - 4 * HOUR_MS
    room, other = unit(0), unit(1)
    rows: list[NewRow] = [text(other.id, old_ms + n * 1000, f"{n} {'E' * 900}", raw=True) for n in range(2000)]
    rows += [scan(room.id, ["m_0", "m_1"], old_ms + n * 1000, float(n % 97)) for n in range(7200)]
    rows += [event(room.id, old_ms + n * 1000) for n in range(EVENTS)]
    rows += [text(room.id, now_ms - 600_000 + n * 1000, f"{n} {'x' * 20_000}") for n in range(460)]
    clock = [old_ms]
    with Spool.open(folder / "spool.db", BUDGET_MB << 20, lambda: clock[0]) as spool:
        for each in (room, other):
            spool.remember(each)
        for start in range(0, len(rows), GROUP):
            group = rows[start : start + GROUP]
            samples, clock[0] = sum(row.samples for row in group), group[-1].last_ms
            spool.append(group, AccountDelta(read=samples, kept=samples))


def test_what_the_disk_could_not_hold_is_listed_by_the_cloud_to_the_sample(stack: Stack, tmp_path: Path) -> None:
    fill(tmp_path / NODE)
    stack.add_gateway(NODE, f"[spool]\nbudget_mb = {BUDGET_MB}\n", "backlog_messages_per_s = 2000")
    eventually(lambda: stack.born(NODE))
    eventually(lambda: stack.drained(NODE), 90)
    eventually(lambda: stack.written(NODE) == stack.status(NODE)["account"]["committed"])
    held = stack.status(NODE)["account"]
    listed = stack.api("losses?limit=500")["items"]
    assert held["lost"] > 2000
    assert sum(each["samples"] for each in listed) == held["lost"], "each dropped sample is in the list"
    assert held["kept"] == held["committed"] + held["lost"]
    assert held["residue"] == {"sampler": 0, "spool": 0}
    assert stack.account(NODE)["residue"] == 0
    for each in listed:
        assert each["reason"]
        assert each["run"]
        assert each["first"] <= each["last"]
        assert each["from_ms"] <= each["to_ms"]
    by_reason = Counter[str]()
    for each in listed:
        by_reason[each["reason"]] += each["samples"]
    assert by_reason == held["lost_by_reason"], "each drop keeps its reason"
    assert by_reason.keys() == {RAW, THINNED, OVER_BUDGET}
    stack.gateways[NODE].stop()
    stack.cloud.stop()
    assert events_stored(stack.folder) == EVENTS, "events go last"


def events_stored(folder: Path) -> int:
    store = open_store(StoreConfig(path=folder / "history.duckdb"))
    try:
        place = Place("cold_room", "site-a", NODE, unit(0).id)
        return sum(each.count for each in store.series(place, EVENT, 0, int(time.time() * 1000), 1))
    finally:
        store.close()
