"""Data that SQL refuses for what it is: the one batch that holds it is a dead letter, everything else goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from frostline_cloud.replay import replay
from frostline_cloud.sql import ledger
from frostline_cloud.sql.tables import account, alert, dead_letter, loss, metric, run
from frostline_core.commit import run_text
from frostline_core.rules import RuleSet, parse
from tests.support.edge_node import EdgeNode, mark, now_ms, room
from tests.support.ingest_cloud import RUN, TOO_WARM, Cloud
from tests.support.services import Mosquitto, eventually

OTHER = RUN + 1
POISON = -1.5
REFUSE = f"""
CREATE TRIGGER refuse BEFORE INSERT ON alert_event WHEN NEW.value = {POISON}
BEGIN SELECT RAISE(ABORT, 'this value is refused'); END
"""


@pytest.fixture
def cloud(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Cloud]:
    with Cloud(tmp_path, mosquitto, RuleSet.of([parse(TOO_WARM, "test")]), linger_ms=200).running() as started:
        with started.engine.begin() as connection:
            connection.execute(text(REFUSE))
        yield started


@pytest.fixture
def edges(cloud: Cloud) -> Iterator[tuple[EdgeNode, EdgeNode]]:
    broker = cloud.broker
    with EdgeNode(broker.host, broker.port, "gw-1") as first, EdgeNode(broker.host, broker.port, "gw-2") as second:
        for edge in (first, second):
            edge.wait_for_host()
            edge.birth([room()])
        yield first, second


def test_the_refused_batch_is_a_dead_letter_and_listed_as_lost_and_its_run_moves_on(
    cloud: Cloud, edges: tuple[EdgeNode, EdgeNode]
) -> None:
    edge, _ = edges
    at_ms = now_ms()
    for n, value in enumerate((-20.0, POISON, -21.0), 1):
        edge.data("freezer-1", {"air_temperature": value}, at_ms + n, mark(RUN, n))
    eventually(lambda: edge.committed(RUN) == 3)
    (letter,) = cloud.rows(dead_letter)
    assert "this value is refused" in letter.reason
    assert letter.samples == 1
    (lost,) = cloud.rows(loss)
    assert (lost.run, lost.first, lost.last, lost.samples) == (run_text(RUN), 2, 2, 1)
    (row,) = cloud.rows(account)
    assert (row.received, row.written, row.dead_lettered, row.duplicate) == (3, 2, 1, 0)


def test_another_gateway_in_the_same_flush_does_not_notice(cloud: Cloud, edges: tuple[EdgeNode, EdgeNode]) -> None:
    bad, good = edges
    bad.data("freezer-1", {"air_temperature": POISON}, now_ms(), mark(RUN, 1))
    good.data("freezer-1", {"air_temperature": -3.0}, now_ms(), mark(OTHER, 1))
    eventually(lambda: good.committed(OTHER) == 1 and bad.committed(RUN) == 1)
    assert [row.node for row in cloud.rows(alert)] == ["gw-2"]
    assert [row.node for row in cloud.rows(loss)] == ["gw-1"]


def test_what_comes_later_is_ruled_as_if_the_refused_batch_had_never_been(
    cloud: Cloud, edges: tuple[EdgeNode, EdgeNode]
) -> None:
    edge, _ = edges
    edge.data("freezer-1", {"air_temperature": POISON}, now_ms(), mark(RUN, 1))
    edge.data("freezer-1", {"air_temperature": -4.0}, now_ms() + 5, mark(RUN, 2))
    eventually(lambda: edge.committed(RUN) == 2)
    assert [(row.state, row.value) for row in cloud.rows(alert)] == [("firing", -4.0)]


def test_it_can_be_taken_in_also_after_another_birth(cloud: Cloud, edges: tuple[EdgeNode, EdgeNode]) -> None:
    edge, _ = edges
    edge.data("freezer-1", {"air_temperature": POISON}, now_ms(), mark(RUN, 1))
    eventually(lambda: edge.committed(RUN) == 1)
    edge.birth([room(metrics=("setpoint", "air_temperature"))])
    eventually(lambda: cloud.rows(metric, metric="setpoint"))
    (letter,) = cloud.rows(dead_letter)
    done = replay(cloud.engine, cloud.store, letter.id, now_ms())
    assert done is not None
    assert (done.samples, done.reason) == (1, "")
    (row,) = cloud.rows(account)
    assert (row.received, row.written, row.dead_lettered) == (1, 1, 0)
    assert cloud.rows(alert) == []


def test_once_it_is_taken_in_it_is_listed_as_recovered_and_no_longer_as_lost(
    cloud: Cloud, edges: tuple[EdgeNode, EdgeNode]
) -> None:
    edge, _ = edges
    for n, value in enumerate((POISON, POISON, -20.0), 1):
        edge.data("freezer-1", {"air_temperature": value}, now_ms() + n, mark(RUN, n))
    eventually(lambda: edge.committed(RUN) == 3)
    first, second = cloud.rows(dead_letter)
    later = now_ms()
    replay(cloud.engine, cloud.store, first.id, later)
    assert [(row.first, row.recovered_ms) for row in cloud.rows(loss)] == [(1, later), (2, None)]
    with cloud.engine.connect() as connection:
        assert ledger.lost(connection) == {("site-a", "gw-1"): ledger.Lost(1, 1, 0, 1, 1)}
        assert ledger.totals(connection)["site-a", "gw-1"].residue == 0
    assert (second.run, second.n) == (run_text(RUN), 2)


def test_a_reason_that_is_no_text_is_refused_like_any_other_data(
    cloud: Cloud, edges: tuple[EdgeNode, EdgeNode]
) -> None:
    """JSON may spell a half of a surrogate pair, which no database takes as text."""
    edge, _ = edges
    edge.gap(mark(RUN, 3, 1, 1), '{"reason": "\\ud800", "samples": 3}')
    eventually(lambda: edge.committed(RUN) == 3)
    (lost,) = cloud.rows(loss)
    assert (lost.first, lost.last) == (1, 3)
    assert "SQL refuses the data" in lost.reason
    (row,) = cloud.rows(run, run=run_text(RUN))
    assert row.committed == 3
