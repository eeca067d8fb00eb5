"""An account that does not add up is an alert; one that does again resolves it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, event, insert, select, update

from frostline_cloud.audit import DOUBT, RESIDUE, RULE, audit
from frostline_cloud.sql.tables import account, alert, node, outbox, run

NOW = 1_790_000_000_000
DAY = {"site": "s", "node": "n", "day": "2026-01-31", "received": 10, "written": 9, "dead_lettered": 1, "duplicate": 0}


@pytest.fixture
def engine(engine: Engine) -> Engine:
    with engine.begin() as connection:
        connection.execute(insert(account).values(**DAY))
    return engine


def alerts(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(alert).order_by(alert.c.opened_ms)))


def set_account(engine: Engine, **changed: int) -> None:
    with engine.begin() as connection:
        connection.execute(update(account).values(**changed))


def test_an_account_that_adds_up_is_no_alert(engine: Engine) -> None:
    assert audit(engine, ["ops"], NOW) == 0
    assert alerts(engine) == []


def test_samples_without_a_fate_are_a_critical_alert_of_the_gateway(engine: Engine) -> None:
    set_account(engine, written=6)
    assert audit(engine, ["ops"], NOW) == 1
    (row,) = alerts(engine)
    found = (row.rule, row.site, row.node, row.device, row.metric, row.severity, row.state, row.value)
    assert found == (RULE, "s", "n", "", RESIDUE, "critical", "firing", 3.0)
    with engine.connect() as connection:
        assert connection.execute(select(outbox.c.receiver, outbox.c.type)).all() == [("ops", "alert.firing")]


def test_the_same_finding_is_told_once(engine: Engine) -> None:
    set_account(engine, written=6)
    audit(engine, ["ops"], NOW)
    assert audit(engine, ["ops"], NOW + 60_000) == 0


def test_errors_of_two_days_do_not_cancel_each_other(engine: Engine) -> None:
    set_account(engine, written=10)
    with engine.begin() as connection:
        connection.execute(insert(account).values(**DAY | {"day": "2026-02-01", "written": 8}))
    audit(engine, [], NOW)
    assert alerts(engine)[0].value == 2.0


def test_it_resolves_when_everything_is_explained(engine: Engine) -> None:
    set_account(engine, written=6)
    audit(engine, ["ops"], NOW)
    set_account(engine, written=9)
    assert audit(engine, ["ops"], NOW + 60_000) == 1
    (row,) = alerts(engine)
    assert (row.state, row.resolved_ms) == ("resolved", NOW + 60_000)


def test_a_run_in_doubt_is_an_alert_until_its_tail_has_come(engine: Engine) -> None:
    held = {"site": "s", "node": "n", "online": True, "proved": True, "bd_seq": 0, "birth_ms": 0}
    with engine.begin() as connection:
        connection.execute(insert(node).values(**held, spool="00000000000000aa", held=[]))
        row = {"run": "00aa000000000001", "site": "s", "node": "n", "stream": 1, "committed": 5, "announced": 9}
        connection.execute(insert(run).values(**row, at_ms=NOW))
    audit(engine, [], NOW)
    assert [(row.metric, row.state) for row in alerts(engine)] == [(DOUBT, "firing")]
    with engine.begin() as connection:
        connection.execute(update(run).values(committed=9))
    audit(engine, [], NOW + 60_000)
    assert [row.state for row in alerts(engine)] == ["resolved"]


def test_a_fleet_is_looked_at_in_as_many_queries_as_one_gateway(engine: Engine) -> None:
    """The second look holds SQL's write lock, for which ingest waits."""
    held = {"site": "s", "online": True, "proved": True, "bd_seq": 0, "birth_ms": 0, "spool": "0000000000002222"}
    gone = {"site": "s", "stream": 1, "committed": 5, "announced": 9, "at_ms": 0}
    statements: list[str] = []
    with engine.begin() as connection:
        names = [f"n-{number}" for number in range(200)]
        connection.execute(insert(node), [held | {"node": name, "held": []} for name in names])
        runs = [gone | {"node": name, "run": f"2222{number:012x}"} for number, name in enumerate(names[:3])]
        connection.execute(insert(run), runs)
    event.listen(engine, "before_cursor_execute", lambda _c, _k, statement, *_: statements.append(statement))
    assert audit(engine, [], NOW) == 3
    assert len(statements) < 30
