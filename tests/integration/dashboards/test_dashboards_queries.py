"""Every query of every dashboard on a real InfluxDB that our own store filled."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from dashboards.build import rendered
from frostline_cloud.store import Place, Row, StoreConfig, open_store
from tests.support.services import PATIENCE_S, Influxd

HOUR = 3_600_000
DATABASE = "dashboards"
QUERIES = [
    pytest.param(board, panel["title"], target["query"], id=f"{panel['title']} {target['refId']}")
    for board in map(json.loads, rendered().values())
    for panel in board["panels"]
    for target in panel["targets"]
]
VARIABLES = [
    pytest.param(variable["query"], id=variable["name"])
    for board in map(json.loads, rendered().values())
    for variable in board["templating"]["list"]
    if variable["type"] == "query"
]


@dataclass(frozen=True, slots=True)
class Filled:
    """A database with the last two hours of two rooms.

    Room a: each 10 s; its door opens for 1 minute every 10, it runs 1/4 of the time, defrosts once.
    Room b: silent since an hour ago; it has no zone.
    """

    url: str
    start_ms: int
    end_ms: int

    def ask(self, query: str, interval: str = "30m", **choice: str) -> list[dict[str, Any]]:
        """Runs a query as Grafana would after it has put macros and variables in; returns the series."""
        values = {"site": ".*", "zone": ".*", "limit": "-15", "__interval": interval, **choice}
        values["timeFilter"] = f"time >= {self.start_ms}ms and time <= {self.end_ms}ms"
        for name in sorted(values, key=len, reverse=True):
            query = query.replace(f"${name}", values[name])
        assert "$" not in query.replace("$/", "/"), query
        wanted = {"db": DATABASE, "epoch": "ms"}
        answer = httpx.post(f"{self.url}/query", params=wanted, data={"q": query}, timeout=PATIENCE_S)
        (result,) = answer.json()["results"]
        assert "error" not in result, result
        series: list[dict[str, Any]] = result.get("series", [])
        return series


@pytest.fixture(scope="module")
def filled(influxd: Influxd) -> Iterator[Filled]:
    influxd.create_database(DATABASE)
    end_ms = int(time.time() * 1000)
    start_ms = (end_ms - 2 * HOUR) // HOUR * HOUR
    store = open_store(StoreConfig(kind="influxdb1", url=influxd.url, database=DATABASE))
    place_a, place_b = Place("cold_room", "harbour", "gw", "a", "freezer"), Place("cold_room", "inland", "gw", "b")
    rows = []
    for at_ms in range(start_ms, end_ms, 10_000):
        second = (at_ms - start_ms) // 1000
        fields = {
            "air_temperature": -18.0 if second < 3600 else -12.0,
            "setpoint": -20.0,
            "evaporator_temperature": -26.0,
            "door_open": float(60 <= second % 600 < 120),
            "compressor_running": float(second % 400 < 100),
            "defrost_active": float(1000 <= second < 2000),
        }
        rows.append(Row(place_a, at_ms, [*fields.items()]))
        if second % 1800 == 900:
            rows.append(Row(place_a, at_ms + 1, [("air_temperature_quality", 0.0)]))
        if at_ms < start_ms + HOUR:
            rows.append(Row(place_b, at_ms, [*fields.items()]))
    store.write(rows)
    store.close()
    yield Filled(influxd.url, start_ms, end_ms)


def _query(title: str) -> str:
    return next(str(p.values[2]) for p in QUERIES if p.values[1] == title)


def _values(series: list[dict[str, Any]], **tags: str) -> list[float | None]:
    (one,) = (s for s in series if all(s["tags"][key] == value for key, value in tags.items()))
    return [value for _, value in one["values"]]


@pytest.mark.parametrize(("board", "title", "query"), QUERIES)
@pytest.mark.parametrize("choice", [{}, {"site": "(harbour|inland)", "zone": "(freezer)"}], ids=["all", "chosen"])
def test_every_query_runs_and_has_data(
    filled: Filled, board: dict[str, Any], title: str, query: str, choice: dict[str, str]
) -> None:
    values = [row[-1] for series in filled.ask(query, **choice) for row in series["values"]]
    assert any(value is not None for value in values)


@pytest.mark.parametrize("query", VARIABLES)
def test_every_variable_has_choices(filled: Filled, query: str) -> None:
    (series,) = filled.ask(query)
    assert {value for _, value in series["values"]} <= {"harbour", "inland", "freezer"}
    assert series["values"]


def test_all_includes_a_room_without_zone(filled: Filled) -> None:
    rooms = {series["tags"]["device"] for series in filled.ask(_query("Air temperature"))}
    assert rooms == {"a", "b"}


def test_a_silent_room_is_a_gap_not_a_line(filled: Filled) -> None:
    assert _values(filled.ask(_query("Air temperature")), device="b")[:4] == [-18.0, -18.0, None, None]


def test_door_openings_are_counted_and_no_data_is_not_zero(filled: Filled) -> None:
    series = filled.ask(_query("Door openings"), interval="30m")
    assert _values(series, device="a")[:4] == [3, 3, 3, 3]
    assert _values(series, device="b")[:4] == [3, 3, None, None]


def test_defrosts_are_counted_where_they_begin(filled: Filled) -> None:
    assert _values(filled.ask(_query("Defrosts"), interval="30m"), device="a")[:4] == [1, 0, 0, 0]


def test_compressor_duty_counts_time_and_not_samples(filled: Filled) -> None:
    duty = _values(filled.ask(_query("Compressor duty"), interval="1h"), device="a")
    assert duty[0] == pytest.approx(0.25, abs=0.02)


def test_rooms_heard_now_are_fewer_than_in_the_range(filled: Filled) -> None:
    assert filled.ask(_query("Rooms heard now"))[0]["values"][0][1] == 1
    assert filled.ask(_query("Rooms heard in this range"))[0]["values"][0][1] == 2


def test_worst_room_now_leaves_the_silent_one_out(filled: Filled) -> None:
    assert filled.ask(_query("Most above setpoint now"))[0]["values"][0][1] == 8.0
