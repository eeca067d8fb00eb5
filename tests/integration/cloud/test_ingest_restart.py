"""The host dies and comes back while a fleet goes on: no storm of births, and nothing is lost."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.fleet import Fleet, Manner
from tests.support.services import Mosquitto
from tests.support.stack import Program

NODES = 200
READY_S, BACK_S = 120.0, 120.0
Start = Callable[[Manner], Fleet]


@pytest.fixture
def host(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Program]:
    (tmp_path / "rules").mkdir()
    config = tmp_path / "cloud.toml"
    config.write_text(
        f'[broker]\nurl = "{mosquitto.url}"\n[store]\npath = "history.duckdb"\n[sql]\nurl = "sqlite:///frostline.db"\n'
        '[http]\nlisten = "127.0.0.1:0"\ndemo_open = true\n',
        encoding="utf-8",
    )
    made = Program("ingest", ["cloud", "ingest", "-c", str(config)], tmp_path)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def start(host: Program, mosquitto: Mosquitto) -> Iterator[Callable[[Manner], Fleet]]:
    """Starts a fleet: born, with everything committed that it has measured."""
    del host
    started: list[Fleet] = []

    def made(manner: Manner) -> Fleet:
        fleet = Fleet(mosquitto.url, manner, random.Random(1).random)  # noqa: S311
        started.append(fleet)
        fleet.until(lambda: fleet.heard.online, READY_S)
        if not manner.heeds_state:
            fleet.bear()
        fleet.until(lambda: fleet.heard.births == manner.nodes, READY_S)
        if manner.proved:
            fleet.measure()
            fleet.until(lambda: fleet.behind == 0, READY_S)
        return fleet

    yield made
    for fleet in started:
        fleet.close()


def killed_and_started(host: Program, fleet: Fleet) -> None:
    host.kill()
    fleet.until(lambda: not fleet.heard.online, READY_S)
    for _ in range(3):
        fleet.measure()
    host.start()
    fleet.until(lambda: fleet.heard.online, READY_S)


def test_nodes_that_go_on_need_no_births(host: Program, start: Start) -> None:
    fleet = start(Manner(NODES))
    assert fleet.heard.rebirths == []
    killed_and_started(host, fleet)
    fleet.measure()
    fleet.until(lambda: fleet.behind == 0, BACK_S)
    assert fleet.heard.rebirths == []
    assert fleet.committed == 5 * NODES


def test_gateways_that_are_all_born_at_once_do_not_make_the_host_go_offline(host: Program, start: Start) -> None:
    fleet = start(Manner(NODES, heeds_state=True))
    killed_and_started(host, fleet)
    before = len(fleet.heard.states)
    fleet.until(lambda: fleet.heard.births == 2 * NODES and fleet.behind == 0, BACK_S)
    assert all(online for _, online in fleet.heard.states[before:])


def test_without_its_cache_the_host_asks_each_node_once_and_not_all_at_once(
    host: Program, start: Start, tmp_path: Path
) -> None:
    fleet = start(Manner(NODES))
    host.kill()
    fleet.until(lambda: not fleet.heard.online, READY_S)
    for kept in tmp_path.glob("frostline.db*"):
        kept.unlink()
    host.start()
    fleet.until(lambda: fleet.heard.online, READY_S)
    fleet.measure()
    fleet.until(lambda: fleet.behind == 0, BACK_S)
    asked = fleet.heard.rebirths
    assert len(asked) == NODES
    most = max(sum(1 for other in asked if at <= other < at + 1) for at in asked)
    assert most <= 2 * 100 + 10


def test_plain_nodes_are_asked_once_each_since_only_a_birth_says_what_their_aliases_mean(
    host: Program, start: Start
) -> None:
    fleet = start(Manner(NODES, proved=False))
    killed_and_started(host, fleet)
    fleet.until(lambda: fleet.heard.births == 2 * NODES, BACK_S, every_s=1.0)
    assert len(fleet.heard.rebirths) == NODES
