"""SQL that is restored at an awkward moment: just before a stop, or under an ingest that goes on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from frostline_cloud.sql.tables import alert, loss
from frostline_core.rules import RuleSet, parse
from tests.support.edge_node import EdgeNode, mark, now_ms, room
from tests.support.ingest_cloud import RUN, TOO_WARM, Cloud
from tests.support.restored import LATER, left, looks_back, send
from tests.support.services import Mosquitto, eventually


@pytest.fixture
def cloud(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Cloud]:
    made = Cloud(tmp_path, mosquitto, RuleSet.of([parse(TOO_WARM, "test")]))
    made.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def edge(cloud: Cloud) -> Iterator[EdgeNode]:
    with EdgeNode(cloud.broker.host, cloud.broker.port, "gw-1") as node:
        node.wait_for_host()
        node.birth([room()])
        yield node


def copied(source: Path, target: Path) -> None:
    """One SQLite database into another, while processes use them."""
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)


def told(edge: EdgeNode, run: int) -> int:
    """Sends as a gateway does: again, until it is told that it is committed."""
    edge.data("freezer-1", {"air_temperature": -20.0}, now_ms(), mark(run, 1))
    return edge.committed(run)


def test_what_was_committed_a_moment_before_a_stop_is_missed_as_well(cloud: Cloud, edge: EdgeNode) -> None:
    """The store is told of a flush each ten seconds only, and at the stop."""
    database, backup = cloud.folder / "frostline.db", cloud.folder / "backup.db"
    send(edge, RUN, [(60, -20.0)], now_ms())
    copied(database, backup)
    send(edge, RUN, [(50, -20.0)], now_ms(), 2)
    cloud.stop()
    copied(backup, database)
    cloud.start()
    assert [each.reason for each in cloud.rows(loss)] == ["host state restored"]


def test_a_standby_that_was_behind_is_noticed_by_the_ingest_that_goes_on(cloud: Cloud, edge: EdgeNode) -> None:
    database, backup, now = cloud.folder / "frostline.db", cloud.folder / "backup.db", now_ms()
    send(edge, RUN, [(60, -20.0)], now)
    copied(database, backup)
    send(edge, RUN, [(50, -5.0), (40, -20.0)], now, 2)
    copied(backup, database)
    assert cloud.rows(alert) == []
    edge.birth([room()])
    eventually(lambda: told(edge, LATER), every_s=0.2)

    assert "host state restored" in {each.reason for each in cloud.rows(loss)}
    looks_back(cloud)
    (found,) = cloud.rows(alert)
    assert (found.retroactive, found.fired_ms, left(cloud)) == (True, now - 50 * 60_000, 0)
