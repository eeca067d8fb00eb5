"""What pages and the API ask of alerts, on PostgreSQL as on SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from frostline_cloud.alerts import Doing, Filters, alerts
from frostline_cloud.alerts.evidence import TO_CLOSE, Closing, Disposition, close
from frostline_cloud.alerts.reach import reach
from frostline_cloud.alerts.read import count_alerts
from frostline_cloud.rules.taken import Taken, keep, refusals
from frostline_cloud.sql.tables import alert
from frostline_cloud.store import StoreConfig, open_store
from tests.support.postgresql import PostgreSQL
from tests.support.web import NOW_MS, seed

OVER = "00000000-0000-4000-8000-000000000002"


@pytest.fixture
def engine(postgresql: PostgreSQL, tmp_path: Path) -> Iterator[Engine]:
    """The seeded cold store; the alert that is over is about compliance."""
    engine = postgresql.database()
    store = open_store(StoreConfig(path=tmp_path / "history.duckdb", memory_mb=64, threads=1))
    seed(engine, store)
    store.close()
    with engine.begin() as connection:
        evidence = {"rule": {"category": "compliance"}}
        connection.execute(update(alert).where(alert.c.id == OVER).values(evidence=evidence))
    yield engine
    engine.dispose()


def test_alerts_are_found_by_category_and_by_whether_they_are_closed(engine: Engine) -> None:
    with engine.begin() as connection:
        assert [each.id for each in alerts(connection, TO_CLOSE)] == [OVER]
        assert count_alerts(connection, Filters(is_closed=False)) == 3
        close(connection, OVER, Closing("door", Disposition.RELEASE), {}, Doing("anna", NOW_MS))
        assert count_alerts(connection, TO_CLOSE) == 0
        assert count_alerts(connection, Filters(is_closed=True, category="compliance")) == 1


def test_what_a_silence_would_cover_is_found(engine: Engine) -> None:
    with engine.connect() as connection:
        found = reach(connection, {"site": "ber*", "label.product": "vac*"}, NOW_MS)
    assert (found.open_count, found.device_count) == (0, 5)


def test_the_newest_word_of_a_gateway_counts(engine: Engine) -> None:
    with engine.begin() as connection:
        keep(connection, [Taken("berlin", "gw-1", "a", "b", "why", NOW_MS)], NOW_MS)
        keep(connection, [Taken("berlin", "gw-1", "a", "c", "late", NOW_MS - 1)], NOW_MS)
        assert [each.reason for each in refusals(connection)] == ["why"]
        keep(connection, [Taken("berlin", "gw-1", "b", "", "", NOW_MS + 1)], NOW_MS)
        assert refusals(connection) == []
