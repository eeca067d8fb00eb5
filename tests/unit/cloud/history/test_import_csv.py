"""History from CSV files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert, select
from typer.testing import CliRunner, Result

from frostline_cloud import importer
from frostline_cloud.cli import app
from frostline_cloud.config import load_cloud
from frostline_cloud.importer import Imported, Into, Mapped, import_csv
from frostline_cloud.sql import imports, migrate, open_engine
from frostline_cloud.sql.registry import Scope, devices, sites
from frostline_cloud.sql.tables import account, device
from frostline_cloud.store import Place, Store, StoreConfig, open_store
from frostline_core.errors import ConfigError

PLACE = Place("cold_room", "hamburg", "gw-1", "room-1", "freezer")
MAPPED = Mapped(PLACE, "air_temperature")
NOW = 1_767_571_200_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(StoreConfig(kind="embedded", path=tmp_path / "store.duckdb"))
    yield opened
    opened.close()


def take(store: Store, tmp_path: Path, text: str, mapped: Mapped = MAPPED) -> Imported:
    path = tmp_path / "history.csv"
    path.write_text(text)
    return import_csv(path, mapped, Into(store, NOW, lambda _done: None), lambda _read: None)


def stored(store: Store) -> list[tuple[int, float]]:
    return list(store.samples(PLACE, "air_temperature", 0, NOW + 1))


def ms(*when: int) -> int:
    return round(datetime(*when, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type, misc]


def test_rows_are_stored_at_their_times(store: Store, tmp_path: Path) -> None:
    done = take(store, tmp_path, "timestamp,value\n2013-12-02 21:15:00,73.9\n2013-12-02T21:20:00+01:00,74\n1000,true\n")
    assert stored(store) == [(1000, 1.0), (ms(2013, 12, 2, 20, 20), 74.0), (ms(2013, 12, 2, 21, 15), 73.9)]
    assert (done.read, done.written, done.refused) == (3, 3, 0)


def test_the_same_file_again_writes_nothing(store: Store, tmp_path: Path) -> None:
    text = "timestamp,value\n2013-12-02 21:15:00,73.9\n2013-12-02 21:20:00,74\n"
    take(store, tmp_path, text)
    again = take(store, tmp_path, text)
    assert (again.read, again.written, again.known, again.refused) == (2, 0, 2, 0)


def test_what_was_measured_is_not_replaced(store: Store, tmp_path: Path) -> None:
    take(store, tmp_path, "timestamp,value\n1000,1.5\n")
    done = take(store, tmp_path, "timestamp,value\n1000,2.5\n2000,3\n")
    assert stored(store) == [(1000, 1.5), (2000, 3.0)]
    assert [(each.line, each.reason) for each in done.listed] == [(2, "the store has 1.5 at that instant")]


def test_refused_rows_are_listed_with_their_lines(store: Store, tmp_path: Path) -> None:
    text = f"timestamp,value\n1000,1\nsoon,2\n3000,\n4000,hot\n5000,nan\n6000\n{NOW + 1},1\n1000,2\n1000,1\n"
    done = take(store, tmp_path, text)
    assert [each.line for each in done.listed] == [3, 4, 5, 6, 7, 8, 9]
    assert done.listed[0].reason == "'soon' is no time"
    assert done.listed[-1].reason == "the instant of line 2, with another value"
    assert done.read == 9 == done.written + done.known + done.refused


def test_values_are_converted(store: Store, tmp_path: Path) -> None:
    take(store, tmp_path, "timestamp,value\n1000,14\n", replace(MAPPED, source_unit="[degF]", unit="Cel"))
    ((at_ms, value),) = stored(store)
    assert (at_ms, round(value, 9)) == (1000, -10.0)


def test_units_that_do_not_fit_are_an_error_before_anything_is_read(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot convert"):
        take(store, tmp_path, "timestamp,value\n1000,14\n", replace(MAPPED, source_unit="bar", unit="Cel"))


def test_the_hour_that_comes_twice_is_two_hours(store: Store, tmp_path: Path) -> None:
    local = replace(MAPPED, zone=ZoneInfo("Europe/Berlin"))
    rows = ["02:30:00,1", "02:45:00,2", "02:30:00,3", "02:45:00,4", "03:00:00,5"]
    take(store, tmp_path, "timestamp,value\n" + "".join(f"2025-10-26 {row}\n" for row in rows), local)
    assert [((at - ms(2025, 10, 26)) // 60_000, value) for at, value in stored(store)] == [
        (30, 1.0), (45, 2.0), (90, 3.0), (105, 4.0), (120, 5.0),
    ]  # fmt: skip


def test_the_hour_that_is_left_out_is_refused(store: Store, tmp_path: Path) -> None:
    local = replace(MAPPED, zone=ZoneInfo("Europe/Berlin"))
    done = take(store, tmp_path, "timestamp,value\n2025-03-30 02:30:00,1\n2025-03-30 03:30:00,1\n", local)
    assert (done.written, [each.line for each in done.listed]) == (1, [2])


def test_a_missing_column_is_named_with_those_that_are_there(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no column value; it has timestamp, temperature"):
        take(store, tmp_path, "timestamp,temperature\n")


def test_more_rows_than_a_batch_are_all_stored(store: Store, tmp_path: Path) -> None:
    count = importer.BATCH * 2 + 5
    done = take(store, tmp_path, "timestamp,value\n" + "".join(f"{i * 1000},{i}\n" for i in range(count)))
    assert (done.written, len(stored(store))) == (count, count)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(st.integers(0, 20), st.sampled_from(["1", "2", "", "x", "inf"])), max_size=40))
def test_every_row_has_one_fate(store: Store, tmp_path: Path, rows: list[tuple[int, str]]) -> None:
    done = take(store, tmp_path, "timestamp,value\n" + "".join(f"{at},{value}\n" for at, value in rows))
    assert done.read == len(rows) == done.written + done.known + done.refused
    assert done.refused == len(done.listed)


def config_of(folder: Path) -> Path:
    config = folder / "cloud.toml"
    config.write_text('[broker]\nurl = "mqtt://127.0.0.1:1"\n')
    return config


def run_import(folder: Path, rows: str, *options: str) -> Result:
    file = folder / "history.csv"
    file.write_text(f"timestamp,value\n{rows}")
    given = [str(file), "-c", str(config_of(folder)), "--device", "hamburg/gw-1/room-1", "--kind", "cold_room"]
    return CliRunner().invoke(app, ["import", *given, "--metric", "air_temperature", *options])


@contextmanager
def database(folder: Path) -> Iterator[Connection]:
    engine = open_engine(load_cloud(config_of(folder)).sql.url)
    migrate(engine)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def test_the_command_tells_refusals_by_its_exit_code(tmp_path: Path) -> None:
    first = run_import(tmp_path, "1000,1\n2000,2\n")
    second = run_import(tmp_path, "1000,1\n2000,2\n3000,x\n", "--json")

    assert (first.exit_code, "read 2: 2 written, 0 known before, 0 refused" in first.stdout) == (0, True)
    assert second.exit_code == 1
    assert json.loads(second.stdout)["listed"] == [{"line": 4, "reason": "'x' is no number"}]


def test_what_came_from_a_file_is_listed_and_in_no_account(tmp_path: Path) -> None:
    run_import(tmp_path, "1000,1\n2000,2\n")
    run_import(tmp_path, "1000,1\n2000,2\n3000,3\n4000,x\n")

    with database(tmp_path) as connection:
        (found,) = imports.histories(connection)
        assert connection.execute(select(account)).all() == []
    assert (found.source, found.from_ms, found.to_ms) == ("history.csv", 1000, 3000)
    assert (found.written, found.known, found.refused) == (3, 2, 1)


def test_a_device_that_was_never_born_is_known_by_its_history(tmp_path: Path) -> None:
    run_import(tmp_path, "1000,1\n", "--source-unit", "[degF]", "--unit", "Cel")

    with database(tmp_path) as connection:
        (found,) = devices(connection, Scope(site="hamburg"))
        assert [each.devices for each in sites(connection)] == [1]
    assert (found.imported, found.retired, found.birth_ms, found.online) == (True, False, 0, False)
    assert [(each.name, each.unit) for each in found.description.metrics] == [("air_temperature", "Cel")]


def test_what_a_birth_said_stays(tmp_path: Path) -> None:
    born: dict[str, Any] = {
        "site": "hamburg",
        "node": "gw-1",
        "device": "room-1",
        "kind": "cold_room",
        "zone": "a",
        "labels": {"x": "y"},
    }
    with database(tmp_path) as connection:
        connection.execute(insert(device), [{**born, "online": True, "birth_ms": 5, "birth": b"birth"}])
    run_import(tmp_path, "1000,1\n", "--zone", "b")

    with database(tmp_path) as connection:
        (found,) = devices(connection, Scope())
    assert (found.imported, found.birth_ms, found.description.zone, found.description.labels) == (
        True,
        5,
        "a",
        {"x": "y"},
    )


@pytest.mark.parametrize(
    ("options", "why"),
    [(["--kind", "door"], "is known as cold_room"), (["--source-unit", "K", "--unit", "K"], "is known in Cel")],
)
def test_another_kind_or_unit_than_is_known_is_refused_before_anything_is_stored(
    tmp_path: Path, options: list[str], why: str
) -> None:
    run_import(tmp_path, "1000,1\n", "--source-unit", "Cel", "--unit", "Cel")
    second = run_import(tmp_path, "9000,1\n", *options)

    assert second.exit_code != 0
    assert why in str(second.exception)
    with database(tmp_path) as connection:
        assert [each.to_ms for each in imports.histories(connection)] == [1000]
