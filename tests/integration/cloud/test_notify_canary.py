"""The canary through the whole cloud, as a process: real broker, ingest, rules, dispatch, webhooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from frostline_cloud.notify.canary import figures
from frostline_cloud.notify.canary.figures import percentile
from frostline_cloud.notify.figures import receiver_figures
from frostline_cloud.sql.tables import canary
from tests.support.cloud_process import CloudProcess
from tests.support.hook import Answer, Hook
from tests.support.services import Mosquitto, eventually

WAIT_S = 90.0


@pytest.fixture
def ops() -> Iterator[Hook]:
    with Hook() as hook:
        yield hook


@pytest.fixture
def boss() -> Iterator[Hook]:
    with Hook() as hook:
        yield hook


@pytest.fixture
def cloud(tmp_path: Path, fresh_mosquitto: Mosquitto, ops: Hook, boss: Hook) -> Iterator[Callable[..., CloudProcess]]:
    made: list[CloudProcess] = []

    def make(every_hours: float = 24, timeout_s: float = 60) -> CloudProcess:
        route = '[[route]]\nname = "boss-only"\nto = ["boss"]\n'
        table = f'[canary]\nto = "ops"\nalarm = "boss"\nevery_hours = {every_hours}\ntimeout_s = {timeout_s}\n'
        made.append(CloudProcess(tmp_path, fresh_mosquitto, {"ops": ops, "boss": boss}, [route, table]))
        return made[-1]

    yield make
    for each in made:
        each.close()


def flights(cloud: CloudProcess) -> list[tuple[int | None, str]]:
    with cloud.engine.connect() as connection:
        return [(row.took_ms, row.error) for row in connection.execute(select(canary).order_by(canary.c.id))]


def test_a_flight_reaches_its_receiver_and_its_latency_is_known(
    cloud: Callable[..., CloudProcess], ops: Hook, boss: Hook
) -> None:
    running = cloud()
    running.start()
    eventually(lambda: flights(running) and flights(running)[0][1] == "", WAIT_S)
    eventually(lambda: ops.types == ["alert.firing", "alert.resolved"], WAIT_S)

    ((took_ms, _),) = flights(running)
    assert took_ms is not None
    assert 0 <= took_ms < 60_000
    assert boss.requests == []
    eventually(lambda: told(running) == [("ops", 0, {"delivered": 2})])
    with running.engine.connect() as connection:
        found = figures(connection)
    assert (found.flights, found.failed, found.p50_ms, found.p95_ms) == (1, 0, took_ms, took_ms)


def told(cloud: CloudProcess) -> list[tuple[str, int, dict[str, int]]]:
    with cloud.engine.connect() as connection:
        return [(each.receiver, each.failed, each.states) for each in receiver_figures(connection, 0)]


def test_a_flight_that_does_not_arrive_is_told_to_somebody_else_and_so_is_the_next_that_does(
    cloud: Callable[..., CloudProcess], ops: Hook, boss: Hook
) -> None:
    ops.script = [Answer(500)] * 100
    running = cloud(every_hours=0.001, timeout_s=8)
    running.start()
    eventually(lambda: boss.types, WAIT_S)
    ops.script.clear()
    eventually(lambda: "alert.resolved" in boss.types, WAIT_S)

    first = boss.requests[0].content
    assert first["rule"]["id"] == "frostline-canary-failed"
    assert "within 8 s" in first["summary"]
    assert flights(running)[0][0] is None


def test_a_flight_that_was_cut_short_is_flown_anew(cloud: Callable[..., CloudProcess]) -> None:
    running = cloud()
    with running.engine.begin() as connection:
        connection.execute(insert(canary).values(at_ms=2**45, receiver="ops", error="cut short"))
    running.start()

    eventually(lambda: len(flights(running)) == 2 and flights(running)[1][1] == "", WAIT_S)


def test_stopping_does_not_wait_for_a_flight(cloud: Callable[..., CloudProcess], ops: Hook, boss: Hook) -> None:
    ops.script = [Answer(500)] * 100
    running = cloud(timeout_s=3600)
    running.start()
    eventually(lambda: ops.requests, WAIT_S)

    assert running.stop() == 0
    assert boss.requests == []


@pytest.mark.parametrize(("percent", "value"), [(50, 50), (95, 95), (100, 100), (1, 1)])
def test_percentiles_are_by_nearest_rank(percent: int, value: int) -> None:
    assert percentile(list(range(1, 101)), percent) == value


def test_there_is_no_percentile_of_nothing() -> None:
    assert percentile([], 50) is None
