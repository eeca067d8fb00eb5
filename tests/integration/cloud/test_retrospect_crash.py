"""Kill -9 between two parts of a second look: what SQL has forgotten is ruled exactly once, on every store."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import orjson
import pytest
from sqlalchemy import Engine, Table, insert, select

from frostline_cloud.ingest import forgotten
from frostline_cloud.ingest.retrospect import SHOWN_MS, Retrospect
from frostline_cloud.rules import Rulebook
from frostline_cloud.sql import migrate, open_engine
from frostline_cloud.sql.tables import alert, alert_event, device, metric, node, outbox, site
from frostline_cloud.store import Place, Row, Store, open_store
from frostline_cloud.store.config import StoreConfig
from frostline_cloud.store.port import Sample
from frostline_core.rules import RuleSet, parse
from tests.support.ingest_cloud import TOO_WARM
from tests.support.services import Influxd, VictoriaMetrics

NOW = 1_770_000_000_000
MINUTE, DAY = 60_000, 86_400_000
DAYS = 4
ROOMS = ("room-1", "room-2", "room-3")
ROOT = Path(__file__).parents[3]
WHERE = {"site": "hamburg", "node": "gw-1"}


@dataclass(slots=True)
class Past:
    """Three rooms with an excursion on each of four days; the last room's go on over the ends of parts."""

    folder: Path
    store: StoreConfig
    engine: Engine

    def prepare(self) -> None:
        """What SQL knows of the rooms, what the store has of them, and that it is to be ruled."""
        births = {"online": True, "birth_ms": 0}
        with self.engine.begin() as connection:
            connection.execute(insert(site).values(site="hamburg", first_seen_ms=0))
            connection.execute(insert(node).values(**WHERE, **births, proved=True, bd_seq=0))
            rooms = [
                {**WHERE, **births, "device": room, "kind": "cold_room", "zone": room, "labels": {}, "birth": b"b"}
                for room in ROOMS
            ]
            connection.execute(insert(device), rooms)
            described = {"metric": "air_temperature", "datatype": 10, "unit": "Cel", "writable": False}
            connection.execute(insert(metric), [{**WHERE, "device": room, **described} for room in ROOMS])
            forgotten.enlist(connection, NOW - DAYS * DAY, NOW)
        store = open_store(self.store)
        rows = []
        for index, room in enumerate(ROOMS):
            place = Place("cold_room", "hamburg", "gw-1", room, room)
            for began in self.excursions(index):
                steps = {-MINUTE: -20.0, 0: -5.0, 5 * MINUTE: -4.0, 10 * MINUTE: -20.0}
                rows += [Row(place, began + at, [("air_temperature", value)]) for at, value in steps.items()]
        store.write(rows)
        store.generation()  # what was written can be seen
        store.close()

    @staticmethod
    def excursions(index: int) -> list[int]:
        """When the room was too warm: one a day, the last room's at the ends of the days' parts."""
        part_ends = NOW - DAYS * DAY - 3_600_000
        offset = DAY - 5 * MINUTE if index == len(ROOMS) - 1 else 6 * 3_600_000
        return [part_ends + day * DAY + offset for day in range(DAYS)]

    def look(self, step: str = "never", after: int = 1) -> int:
        """One process that looks back, until all is done or it dies; its exit code."""
        setup = self.folder / "setup.json"
        content: dict[str, Any] = {
            "sql": f"sqlite:///{self.folder}/frostline.db",
            "store": self.store.model_dump(mode="json", include={"kind", "path", "url"}),
            "rule": TOO_WARM,
            "now_ms": NOW + SHOWN_MS,
        }
        setup.write_bytes(orjson.dumps(content))
        command = [sys.executable, "-m", "tests.support.retrospect_crash", str(setup), step, str(after)]
        done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True)
        assert done.returncode in (0, -9), done.stderr.decode()
        return done.returncode

    def rows(self, table: Table) -> list[Any]:
        """Rows of a table."""
        with self.engine.connect() as connection:
            return list(connection.execute(select(table)))

    def left(self) -> int:
        """Devices that are not done."""
        with self.engine.connect() as connection:
            return len(forgotten.waiting(connection))


@contextmanager
def prepared(kind: Literal["embedded", "influxdb1", "victoriametrics"], folder: Path) -> Iterator[Past]:
    """On a store of its own."""
    with ExitStack() as stack:
        config = StoreConfig(path=folder / "history.duckdb")
        if kind != "embedded":
            (data := folder / "server").mkdir()
            server = stack.enter_context((Influxd if kind == "influxdb1" else VictoriaMetrics)(data))
            if isinstance(server, Influxd):
                server.create_database("frostline")
            config = StoreConfig(kind=kind, url=server.url)
        engine = open_engine(f"sqlite:///{folder}/frostline.db")
        stack.callback(engine.dispose)
        migrate(engine)
        made = Past(folder, config, engine)
        made.prepare()
        yield made


@pytest.fixture(params=["embedded", "influxdb1", "victoriametrics"])
def past(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Past]:
    with prepared(request.param, tmp_path) as made:
        yield made


def expected() -> list[tuple[str, int, int]]:
    """Room, begin and end of every excursion."""
    return sorted((room, at, at + 10 * MINUTE) for i, room in enumerate(ROOMS) for at in Past.excursions(i))


def found(past: Past) -> list[tuple[str, int, int]]:
    """The same, as ruled."""
    return sorted((row.device, row.fired_ms, row.resolved_ms) for row in past.rows(alert))


def test_what_is_open_when_a_part_ends_does_not_hide_what_comes_after_it(past: Past) -> None:
    assert past.look() == 0
    assert found(past) == expected()


def test_what_is_forgotten_is_ruled_once_however_often_the_process_is_killed(past: Past) -> None:
    deaths = 0
    for step in ("after commit", "before commit", "after commit", "before commit"):
        deaths += past.look(step, 3) == -9
        assert past.left() > 0
    assert deaths == 4
    assert 0 < len(past.rows(alert)) < len(ROOMS) * DAYS
    assert past.look() == 0
    assert past.left() == 0
    assert found(past) == expected()
    assert_told_once(past)


class Meanwhile:
    """A store that lets somebody else go first, each time that samples are asked for."""

    def __init__(self, store: Store, others: Callable[[], None]) -> None:
        self._store, self._others = store, others

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def samples(self, place: Place, field: str, start_ms: int, end_ms: int) -> Iterator[Sample]:
        self._others()
        return self._store.samples(place, field, start_ms, end_ms)


def test_two_ingests_that_are_at_the_same_part_rule_it_once(tmp_path: Path) -> None:
    with prepared("embedded", tmp_path) as past:
        store = open_store(past.store)
        rulebook = Rulebook(past.engine, RuleSet.of([parse(TOO_WARM, "test")]))

        def one(store: Store) -> Retrospect:
            return Retrospect(past.engine, store, rulebook, ["desk"], lambda: NOW + SHOWN_MS)

        other = one(store)
        first = one(cast(Store, Meanwhile(store, other.step)))
        for _ in range(100):
            if not past.left():
                break
            first.step()
        store.close()
        assert found(past) == expected()
        assert_told_once(past)


def assert_told_once(past: Past) -> None:
    """Each change of each alert once, and a notification of each."""
    steps = Counter((row.alert, row.after) for row in past.rows(alert_event))
    assert set(steps.values()) == {1}
    told = Counter(row.type for row in past.rows(outbox))
    assert told == {"alert.firing": len(expected()), "alert.resolved": len(expected())}
