"""A run whose gateway is gone: its rest is listed as lost, the alert ends, and what comes late still counts."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, update

from frostline_cloud.audit import audit
from frostline_cloud.sql import ledger
from frostline_cloud.sql.ledger import Span
from frostline_cloud.sql.tables import alert, node, run
from frostline_cloud.writeoff import NothingToWriteOffError, WriteOff, write_off

NOW = 1_790_000_000_000
GONE, HELD = "1111000000000001", "2222000000000001"
NODE = {
    "site": "s",
    "node": "n",
    "online": True,
    "proved": True,
    "bd_seq": 0,
    "birth_ms": 0,
    "spool": "0000000000002222",
    "held": [HELD],
}
ROW = {"site": "s", "node": "n", "stream": 1, "committed": 5, "announced": 9, "at_ms": NOW}
CARD = WriteOff("s", "n", GONE, "the card broke", "ops")


@pytest.fixture
def engine(engine: Engine) -> Engine:
    with engine.begin() as connection:
        connection.execute(insert(node).values(**NODE))
        connection.execute(insert(run), [ROW | {"run": GONE}, ROW | {"run": HELD}])
    return engine


def listed(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(ledger.losses(connection, Span()))


def states(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(select(alert.c.state)))


def test_the_rest_of_the_run_is_listed_as_lost_with_who_and_why(engine: Engine) -> None:
    doubt = write_off(engine, CARD, NOW)
    assert (doubt.run, doubt.first, doubt.announced) == (GONE, 6, 9)
    (row,) = listed(engine)
    found = (row.site, row.node, row.run, row.first, row.last, row.samples, row.at_ms)
    assert found == ("s", "n", GONE, 6, None, None, NOW)
    assert row.reason == "written off by ops: the card broke"


def test_the_alert_ends(engine: Engine) -> None:
    audit(engine, [], NOW)
    assert states(engine) == ["firing"]
    write_off(engine, CARD, NOW)
    audit(engine, [], NOW + 60_000)
    assert states(engine) == ["resolved"]


def test_late_rows_shrink_the_entry(engine: Engine) -> None:
    write_off(engine, CARD, NOW)
    with engine.begin() as connection:
        connection.execute(update(run).where(run.c.run == GONE).values(committed=8))
    (row,) = listed(engine)
    assert (row.first, row.last) == (9, None)


def test_an_entry_outlives_its_run(engine: Engine) -> None:
    write_off(engine, CARD, NOW)
    with engine.begin() as connection:
        connection.execute(run.delete())
    (row,) = listed(engine)
    assert row.first == 6


@pytest.mark.parametrize(
    ("site", "number", "why"),
    [("s", HELD, f"not in doubt; in doubt: {GONE}"), ("other", GONE, "nobody knows a gateway")],
)
def test_what_is_in_no_doubt_is_not_written_off(engine: Engine, site: str, number: str, why: str) -> None:
    with pytest.raises(NothingToWriteOffError, match=why):
        write_off(engine, WriteOff(site, "n", number, "x", "ops"), NOW)
    assert listed(engine) == []


def test_it_is_done_once(engine: Engine) -> None:
    write_off(engine, CARD, NOW)
    with pytest.raises(NothingToWriteOffError, match="in doubt: none"):
        write_off(engine, CARD, NOW)
