"""Cloud and VictoriaMetrics are killed together: what had been acknowledged and was not on its disk comes back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from frostline_cloud.store import Place, open_store
from frostline_cloud.store.config import StoreConfig
from tests.support.services import VictoriaMetrics, eventually
from tests.support.stack import Counter, Settings, Stack
from tests.support.stream import NODE, UPLINK, settle

PLACE = Place("counter", "site-a", NODE, "c-1")
PATIENCE_S = 90
HOUR_MS = 3_600_000
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[VictoriaMetrics]:
    folder = tmp_path / "victoria"
    folder.mkdir()
    with VictoriaMetrics(folder) as started:
        yield started


@pytest.fixture
def settings(server: VictoriaMetrics) -> Settings:
    return Settings(store=f'kind = "victoriametrics"\nurl = "{server.url}"', ingest="online_after_s = 0.5")


def found(server: VictoriaMetrics) -> list[float]:
    """Every number in the store, by time."""
    server.flush()
    now = time.time_ns() // 1_000_000
    store = open_store(StoreConfig(kind="victoriametrics", url=server.url))
    try:
        return [value for _, value in store.samples(PLACE, "n", now - HOUR_MS, now + HOUR_MS)]
    finally:
        store.close()


def test_what_both_had_in_memory_only_is_there_after_both_have_died(
    stack: Stack, counter: Counter, server: VictoriaMetrics
) -> None:
    stack.add_gateway(NODE, counter.driver, UPLINK)
    eventually(lambda: stack.born(NODE) and stack.hears(NODE, "local"), PATIENCE_S)
    counter.start()
    for turn in range(2):
        seen = stack.written(NODE)
        eventually(lambda seen=seen: stack.written(NODE) > seen + 50, PATIENCE_S)  # type: ignore[misc]
        for dies in (server, stack.cloud) if turn % 2 else (stack.cloud, server):
            dies.kill()
        server.start()
        stack.start_cloud()
        eventually(lambda: stack.born(NODE), PATIENCE_S)
    settle(stack, counter)
    eventually(lambda: stack.written(NODE) == stack.status(NODE)["account"]["kept"])
    held = stack.status(NODE)["account"]
    assert held["kept"] == held["committed"]
    account = stack.account(NODE)
    assert (account["written"], account["residue"]) == (held["kept"], 0)
    expected = [float(n) for n in range(1, counter.sent + 1)]
    eventually(lambda: len(found(server)) >= len(expected), PATIENCE_S)  # a server shows new data a little later
    assert found(server) == expected
    assert stack.api("losses")["items"] == []
