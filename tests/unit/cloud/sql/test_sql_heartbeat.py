"""What the API knows of an ingest in another process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from frostline_cloud.sql import beat, last_beat, migrate, open_engine

NOW = 1_790_000_000_000


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = open_engine("sqlite://")
    migrate(engine)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def test_an_ingest_that_never_reported_is_not_connected(connection: Connection) -> None:
    assert last_beat(connection, NOW) == {"connected": False, "reason": "no ingest has ever reported here"}


def test_the_newest_report_counts(connection: Connection) -> None:
    beat(connection, {"connected": False}, NOW)
    beat(connection, {"connected": True, "online": True, "reason": "", "queued": 3, "notes": {}}, NOW + 5000)
    assert last_beat(connection, NOW + 25_000) == {"connected": True, "online": True, "reason": "", "queued": 3}


def test_an_old_report_is_no_report(connection: Connection) -> None:
    beat(connection, {"connected": True, "reason": ""}, NOW)
    found = last_beat(connection, NOW + 20_001)
    assert (found["connected"], found["reason"]) == (False, "ingest has not reported for 20 s")
