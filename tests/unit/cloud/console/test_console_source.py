"""Reading the screen: once for all browsers, bounded, and honest when a part does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert

from frostline_cloud.api import Services
from frostline_cloud.console.front.facts import Delivery
from frostline_cloud.console.front.source import ScreenSource
from frostline_cloud.console.front.values import History
from frostline_cloud.sql import tables
from frostline_core.errors import UnavailableError
from tests.support.web import HOUR_MS, MINUTE_MS, NOW_MS, Cloud, seed


class Clock:
    """Monotonic seconds that move only when told, or with every look."""

    def __init__(self, step_s: float = 0.0) -> None:
        self.now_s, self.step_s = 100.0, step_s

    def __call__(self) -> float:
        self.now_s += self.step_s
        return self.now_s


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def services(tmp_path: Path, cloud: Cloud) -> Iterator[Services]:
    services = cloud.services(tmp_path)
    seed(services.engine, services.store)
    yield services
    services.store.close()
    services.engine.dispose()


def test_the_screen_shows_fleet_alerts_and_stock(services: Services) -> None:
    shown = ScreenSource(services).now()
    assert (shown.nodes_online, shown.nodes, shown.devices, shown.fault) == (1, 2, 6, "")
    assert [need.severity for need in shown.needs] == ["critical", "warning", "silent"]
    assert [line.count.text for line in shown.stock] == ["14", "0"]
    assert {card.key[2]: card.main.text for card in shown.cards}["box"] == "-18.2"


def test_the_account_of_the_fleet_is_on_the_screen(services: Services) -> None:
    assert ScreenSource(services).now().delivery == Delivery(1500, 0, 10, 1, 3)


def test_readings_that_a_gateway_cannot_explain_are_not_accounted_for(services: Services) -> None:
    with services.engine.begin() as connection:
        counts = {"read": 9, "kept": 4, "filtered": 3, "rejected": 0, "committed": 4, "lost": 0, "unexplained": 0}
        told = {"site": "berlin", "node": "gw-1", "day": "2026-09-21", "told_ms": NOW_MS, "pending": 0} | counts
        connection.execute(insert(tables.gateway_account).values(**told))
    found = ScreenSource(services).now().delivery
    assert found is not None
    assert found.unexplained == 2


def _history(services: Services, device: str) -> History:
    return next(each for each in ScreenSource(services).now().cards if each.key[2] == device).history


def test_a_gap_in_the_samples_is_a_gap_in_the_history(services: Services) -> None:
    assert [value for _, value in _history(services, "chiller-1").points].count(None) == 1
    assert [value for _, value in _history(services, "freezer-1").points].count(None) == 0


def test_the_range_of_a_history_is_that_of_its_samples_not_of_means(services: Services) -> None:
    found = _history(services, "freezer-1")
    means = [value for _, value in found.points if value is not None]
    assert found.extremes is not None
    low, high = found.extremes
    assert low < min(means) < max(means) < high


def test_a_history_is_as_long_as_there_is_something_to_see(services: Services) -> None:
    old, young = _history(services, "freezer-1"), _history(services, "meter-1")
    assert old.end_ms - old.start_ms == 12 * HOUR_MS
    assert young.end_ms - young.start_ms == 10 * MINUTE_MS
    assert [value for _, value in young.points] == [12.4]


def test_a_history_has_the_limits_of_its_rules(services: Services) -> None:
    assert _history(services, "freezer-1").limits == (-15.0,)
    assert _history(services, "meter-1").limits == ()


def test_browsers_share_one_reading(services: Services, cloud: Cloud) -> None:
    tick = Clock()
    source = ScreenSource(services, tick)
    first = source.now()
    cloud.now_ms += 1000
    assert source.now() is first
    assert source.now(fresh=True) is not first
    tick.now_s += 1.5
    assert source.now().at_ms == NOW_MS + 1000


def test_what_time_did_not_allow_comes_in_the_next_pass(services: Services) -> None:
    tick = Clock(step_s=0.3)
    source = ScreenSource(services, tick)
    read = [sum(card.main.stale != "not read yet" for card in source.now(fresh=True).cards) for _ in range(8)]
    assert read[0] < 5
    assert read[-1] == 5


def test_a_store_that_does_not_answer_makes_every_value_stale(services: Services) -> None:
    source = ScreenSource(services)
    source.now()
    services.store.close()
    shown = source.now(fresh=True)
    assert shown.fault.startswith("the store does not answer")
    assert {bool(card.main.stale) for card in shown.cards} == {True}


def test_an_ingest_that_is_not_connected_makes_every_value_stale(services: Services, cloud: Cloud) -> None:
    cloud.status = {"connected": False, "reason": "connection refused"}
    shown = ScreenSource(services).now()
    assert shown.needs[0].state == "fault"
    assert {card.main.stale for card in shown.cards} == {shown.fault}


def test_sql_that_does_not_answer_is_an_error_not_an_empty_page(services: Services) -> None:
    with services.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE node RENAME TO elsewhere")
    with pytest.raises(UnavailableError):
        ScreenSource(services).now()
