"""A store's server is killed: what it had acknowledged is there, if not on its disk then from what we still hold."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from frostline_cloud.store import Place, Row, Store, open_store
from frostline_cloud.store.config import StoreConfig
from frostline_core.errors import UnavailableError
from tests.support.services import PATIENCE_S, Influxd, Service, VictoriaMetrics, eventually

PLACE = Place("cold_room", "hamburg", "gw-1", "freezer-1", "freezer-1")
BEGAN_MS = 1_770_000_000_000
SERVERS = {"influxd": Influxd, "victoria": VictoriaMetrics}


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    made: Callable[[Path], Service] = SERVERS[request.param]
    with made(tmp_path) as started:
        if isinstance(started, Influxd):
            started.create_database("frostline")
        yield started


@pytest.fixture
def store(server: Service) -> Iterator[Store]:
    made = open_store(opened_as(server))
    yield made
    made.close()


def opened_as(server: Service) -> StoreConfig:
    kind = "influxdb1" if isinstance(server, Influxd) else "victoriametrics"
    return StoreConfig.model_validate({"kind": kind, "url": server.url, "database": "frostline"})


def write(store: Store, n: int) -> bool:
    """One row; false while the server does not take it."""
    try:
        store.write([Row(PLACE, BEGAN_MS + n * 1000, [("air_temperature", float(n))])])
    except UnavailableError:
        return False
    return True


def found(store: Store, server: Service) -> list[float]:
    """Every value in the store."""
    if isinstance(server, VictoriaMetrics):
        httpx.get(f"{server.url}/internal/force_flush", timeout=PATIENCE_S)
    return [value for _, value in store.samples(PLACE, "air_temperature", BEGAN_MS, BEGAN_MS + 10_000_000)]


def test_what_a_killed_server_had_acknowledged_is_in_it_after_its_restart(server: Service, store: Store) -> None:
    numbers = iter(range(10_000))
    acknowledged: list[float] = []
    for _ in range(3):
        until = time.monotonic() + 0.7
        while time.monotonic() < until:
            n = next(numbers)
            assert write(store, n)
            acknowledged.append(float(n))
        server.kill()
        n = next(numbers)
        assert not write(store, n)
        server.start()
        eventually(lambda n=n: write(store, n))  # type: ignore[misc]
        acknowledged.append(float(n))
    eventually(lambda: found(store, server) == acknowledged)  # a server shows new data a little later


def test_after_both_have_died_nobody_is_told_of_an_older_flush(server: Service, tmp_path: Path) -> None:
    config = opened_as(server).model_copy(update={"held": tmp_path / "held"})

    def known(number: int) -> bool:
        try:
            told = ours.generation()
        except UnavailableError:
            return False
        assert told == number
        return True

    ours = open_store(config)
    try:
        for number in range(1, 6):
            ours.mark_generation(number)
            if number % 2:
                continue
            ours.close()
            server.kill()
            time.sleep(1)  # VictoriaMetrics tells its start to the second
            server.start()
            ours = open_store(config)
            eventually(lambda n=number: known(n), 60)  # type: ignore[misc]
    finally:
        ours.close()
