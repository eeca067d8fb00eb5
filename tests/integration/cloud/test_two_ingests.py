"""Two ingests on one SQL and one store, as in a rolling deploy: all is applied once, and neither goes on blind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete, insert, select, text

from frostline_cloud.config import CloudConfig
from frostline_cloud.ingest.config import BrokerConfig, IngestConfig
from frostline_cloud.ingest.ingest import Ingest
from frostline_cloud.run import Shared, build_ingest
from frostline_cloud.sql import migrate, open_engine
from frostline_cloud.sql.tables import account, alert, alert_event, device, rule_state
from frostline_cloud.store import Place, Store, open_store
from frostline_cloud.store.config import StoreConfig
from frostline_core.rules import RuleSet, parse
from tests.support.edge_node import EdgeNode, mark, now_ms, room
from tests.support.services import Mosquitto, eventually

RUN = 0xABCD << 48 | 9
PLACE = Place("cold_room", "site-a", "gw-1", "freezer-1", "freezer-1")
RULES = RuleSet.of(
    [
        parse(
            {
                "id": "too-warm",
                "title": "Too warm",
                "type": "threshold",
                "severity": "critical",
                "above": -15.0,
                "select": {"metric": "air_temperature"},
            },
            "test",
        )
    ]
)


class Pair:
    """One SQL, one store, and ingests that are started when the test says so."""

    def __init__(self, folder: Path, broker: Mosquitto) -> None:
        self.broker = broker
        self.engine: Engine = open_engine(f"sqlite:///{folder}/frostline.db")
        migrate(self.engine)
        self.store: Store = open_store(StoreConfig(path=folder / "history.duckdb"))
        self.running: list[Ingest] = []

    def start(self, name: str) -> Ingest:
        config = CloudConfig(
            broker=BrokerConfig(url=f"mqtt://{self.broker.host}:{self.broker.port}", client_id=name),
            ingest=IngestConfig(offline_after_s=60, online_after_s=0.5),
        )
        ingest = build_ingest(config, Shared(self.engine, self.store, RULES))
        ingest.start()
        self.running.append(ingest)
        eventually(lambda: ingest.status.connected)
        return ingest

    def stop(self) -> None:
        for ingest in self.running:
            ingest.stop()
        self.store.close()
        self.engine.dispose()

    def rows(self, table: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(select(table)))

    def stored(self) -> int:
        return sum(each.count for each in self.store.series(PLACE, "air_temperature", 0, now_ms() + 10_000, 1))


@pytest.fixture
def pair(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Pair]:
    made = Pair(tmp_path, mosquitto)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def edge(pair: Pair) -> Iterator[EdgeNode]:
    pair.start("first")
    with EdgeNode(pair.broker.host, pair.broker.port, "gw-1") as node:
        node.wait_for_host()
        node.birth([room()])
        eventually(lambda: pair.rows(device))
        yield node


def send(edge: EdgeNode, n: int, value: float, at_ms: int) -> None:
    """As a gateway does: again, until it is told that it is committed."""

    def told() -> bool:
        edge.data("freezer-1", {"air_temperature": value}, at_ms, mark(RUN, n, n))
        return edge.committed(RUN) >= n

    eventually(told, every_s=0.1)


def test_everything_is_applied_once_and_counted_once(pair: Pair, edge: EdgeNode) -> None:
    second = pair.start("second")
    eventually(lambda: second.status.online)
    began = now_ms()
    for n in range(1, 21):
        send(edge, n, -20.0 - n / 100, began + n)
    assert pair.stored() == 20
    (row,) = pair.rows(account)
    assert row.written == 20
    assert row.received == row.written + row.duplicate


def test_an_incident_that_one_has_opened_is_resolved_by_the_other(pair: Pair, edge: EdgeNode) -> None:
    """The second was started before the alarm, so its rule state is from before; it must not go on with that."""
    began = now_ms()
    second = pair.start("second")
    eventually(lambda: second.status.online)
    send(edge, 1, -5.0, began)
    eventually(lambda: [row.state for row in pair.rows(alert)] == ["firing"])
    send(edge, 2, -20.0, began + 1000)
    eventually(lambda: [row.state for row in pair.rows(alert)] == ["resolved"])
    assert [row.after for row in pair.rows(alert_event)] == ["firing", "resolved"]


def test_the_one_that_was_overtaken_reads_what_the_other_wrote(pair: Pair, edge: EdgeNode) -> None:
    """Alone again after the other has stopped, it continues the other's incident instead of opening one of its own."""
    began = now_ms()
    first = pair.running[0]
    second = pair.start("second")
    eventually(lambda: second.status.online)
    for n in range(1, 11):
        send(edge, n, -5.0, began + n)
    eventually(lambda: first.status.overtaken + second.status.overtaken > 0)
    second.stop()
    eventually(lambda: edge.states[-1])
    send(edge, 11, -20.0, began + 5000)
    assert [row.state for row in pair.rows(alert)] == ["resolved"]


def test_one_that_cannot_read_what_the_other_wrote_goes_on_when_it_can(pair: Pair, edge: EdgeNode) -> None:
    began, n = now_ms(), 0
    second = pair.start("second")
    eventually(lambda: second.status.online)
    with pair.engine.begin() as connection:
        kept = {"rule": "gone", "site": "s", "node": "n", "device": "d", "metric": "m", "at_ms": 1}
        connection.execute(insert(rule_state).values(kept | {"state": {}}))
        connection.execute(text("UPDATE rule_state SET state = '{' WHERE rule = 'gone'"))

    def stuck() -> list[Ingest]:
        return [each for each in pair.running if each.status.flush_failures > each.status.overtaken]

    def one_is_stuck() -> bool:
        nonlocal n
        n += 1
        send(edge, n, -20.0 - n / 100, began + n)
        return bool(stuck())

    eventually(one_is_stuck)
    assert all(each.alive for each in pair.running)
    one, *_ = stuck()
    with pair.engine.begin() as connection:
        connection.execute(delete(rule_state).where(rule_state.c.rule == "gone"))
    (other,) = (each for each in pair.running if each is not one)
    other.stop()
    eventually(lambda: edge.states[-1])
    send(edge, n + 1, -21.0, began + n + 1)
    assert pair.stored() == n + 1
