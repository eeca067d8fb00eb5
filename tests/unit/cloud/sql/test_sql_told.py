"""What gateways tell of their account: kept by day, replaced when told anew, and summed up when it is old."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Engine, select

from frostline_cloud.sql import RetentionConfig, ledger, tidy, told
from frostline_cloud.sql.tables import account, gateway_account
from frostline_core.commit.account import DayAccount, GatewayAccount

NOW = 2_000_000_000_000
KEY = ("s", "n")
FIRST = DayAccount("2033-05-17", read=10, kept=4, filtered=5, rejected=1, committed=3, lost=1)
SECOND = DayAccount("2033-05-18", read=3, kept=3, committed=2)


def tell(engine: Engine, *days: DayAccount, pending: int = 0, unexplained: int = 0) -> None:
    with engine.begin() as connection:
        told.save(connection, {KEY: GatewayAccount(days, pending, unexplained)}, NOW)


def rows(engine: Engine) -> dict[str, Any]:
    with engine.connect() as connection:
        return {row.day: row for row in connection.execute(select(gateway_account))}


def unexplained(engine: Engine) -> dict[tuple[str, str], int]:
    with engine.connect() as connection:
        return told.unexplained(connection)


def test_a_telling_replaces_what_was_told_of_its_days(engine: Engine) -> None:
    tell(engine, FIRST)
    tell(engine, replace(FIRST, read=12, filtered=7), SECOND, pending=2)
    found = rows(engine)
    assert (found[FIRST.day].read, found[FIRST.day].pending) == (12, None)
    assert (found[SECOND.day].read, found[SECOND.day].pending) == (3, 2)
    with engine.connect() as connection:
        assert told.totals(connection)[KEY]["read"] == 15


def test_a_day_of_which_nothing_came_has_a_row_in_the_account_and_others_keep_theirs(engine: Engine) -> None:
    kept = {"site": "s", "node": "n", "day": FIRST.day, "received": 4, "written": 4, "dead_lettered": 0, "duplicate": 0}
    with engine.begin() as connection:
        connection.execute(account.insert(), kept)
    tell(engine, FIRST, SECOND)
    with engine.connect() as connection:
        found = ledger.accounts(connection, ledger.Days("2033-01-01", "2033-12-31"))
    assert [(each.day, each.written, each.residue) for each in found] == [(FIRST.day, 4, 0), (SECOND.day, 0, 0)]


def test_a_day_that_does_not_add_up_is_seen_until_it_does(engine: Engine) -> None:
    tell(engine, replace(FIRST, read=12), replace(SECOND, read=1))
    assert unexplained(engine) == {KEY: 2 + 2}
    tell(engine, FIRST, SECOND)
    assert unexplained(engine) == {}


def test_what_the_gateway_cannot_explain_itself_counts_as_of_its_newest_day(engine: Engine) -> None:
    tell(engine, FIRST, unexplained=-3)
    assert unexplained(engine) == {KEY: 3}
    tell(engine, SECOND, unexplained=0)
    assert unexplained(engine) == {}


def test_old_days_are_summed_up_and_the_totals_stay(engine: Engine) -> None:
    old = [replace(FIRST, day=f"2020-01-0{number}") for number in range(1, 5)]
    tell(engine, *old, replace(FIRST, day="2020-02-01", read=11))
    tell(engine, SECOND)
    with engine.connect() as connection:
        before = told.totals(connection), told.unexplained(connection)
    tidy(engine, RetentionConfig(), NOW)
    assert sorted(rows(engine)) == ["", "2020-02-01", SECOND.day]
    with engine.connect() as connection:
        assert (told.totals(connection), told.unexplained(connection)) == before
