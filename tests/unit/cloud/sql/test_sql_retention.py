"""Which runs SQL may forget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, insert, select

from frostline_cloud.sql import migrate, open_engine, tidy, tidy_notices
from frostline_cloud.sql.retention import RUN_KEEP_MS
from frostline_cloud.sql.tables import alert, delivery, metadata, node, outbox, run

NOW = 2 * RUN_KEEP_MS
OLD = NOW - RUN_KEEP_MS - 1


def _left(held: list[str] | None, **changed: Any) -> list[str]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    known = {"site": "s", "node": "n", "online": True, "proved": True, "bd_seq": 0, "birth_ms": 0}
    row = {"run": "a", "site": "s", "node": "n", "stream": 1, "committed": 5, "announced": 5, "at_ms": OLD}
    with engine.begin() as connection:
        connection.execute(insert(node).values(**known, held=held))
        connection.execute(insert(run).values(**row | changed))
        tidy(connection, NOW)
        left = _runs(connection)
    engine.dispose()
    return left


def _runs(connection: Connection) -> list[str]:
    return list(connection.scalars(select(run.c.run)))


def test_a_finished_run_that_nobody_holds_is_forgotten_after_400_days() -> None:
    assert _left([]) == []


def test_a_younger_run_stays() -> None:
    assert _left([], at_ms=OLD + 1) == ["a"]


def test_a_run_with_rows_still_to_come_stays() -> None:
    assert _left([], announced=6) == ["a"]


def test_a_run_that_its_gateway_holds_stays() -> None:
    assert _left(["a"]) == ["a"]


def test_a_run_stays_while_nobody_knows_what_its_gateway_holds() -> None:
    assert _left(None) == ["a"]


@pytest.mark.parametrize(
    ("state", "done_ms", "left"),
    [("delivered", OLD, 0), ("dead", OLD, 0), ("delivered", OLD + 1, 1), ("waiting", None, 1)],
)
def test_notifications_that_are_done_are_forgotten_after_400_days_with_their_attempts(
    tmp_path: Path, state: str, done_ms: int | None, left: int
) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/a.db")
    migrate(engine)
    names = ("rule", "site", "node", "device", "metric", "zone", "severity", "state", "summary")
    incident = dict.fromkeys(names, "x") | {"revision": 1, "retroactive": False, "opened_ms": 0, "evidence": {}}
    message = {"alert": "a", "revision": 1, "type": "t", "receiver": "r", "body": "", "created_ms": 0, "due_ms": 0}
    with engine.begin() as connection:
        connection.execute(insert(alert).values(id="a", **incident))
        connection.execute(insert(outbox).values(id="m", state=state, done_ms=done_ms, attempts=1, **message))
        connection.execute(insert(delivery).values(outbox="m", at_ms=0, error="", took_ms=1))
        tidy_notices(connection, NOW)
        found = [len(connection.execute(select(table)).all()) for table in (outbox, delivery, alert)]
    engine.dispose()
    assert found == [left, left, 1]
