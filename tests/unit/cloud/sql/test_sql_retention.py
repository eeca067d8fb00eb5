"""What SQL may forget, what it never forgets, and how much of it at a time."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, Table, func, insert, select

from frostline_cloud.sql import RetentionConfig, ledger, tidy
from frostline_cloud.sql.retention import AT_ONCE, DAY_MS, RUN_KEEP_MS
from frostline_cloud.sql.tables import (
    account,
    alert,
    alert_event,
    delivery,
    duty_override,
    loss,
    metadata,
    node,
    outbox,
    pause,
    run,
    silence,
)

NOW = 2_000_000_000_000
CONFIG = RetentionConfig(alert_days=1000, notification_days=400, loss_days=1000, account_days=1000)


def add(engine: Engine, table: Table, *rows: dict[str, Any]) -> None:
    with engine.begin() as connection:
        connection.execute(insert(table), list(rows))


def count(engine: Engine, table: Table) -> int:
    with engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def all_of(engine: Engine, table: Table) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(table).order_by(*table.primary_key.columns)))


def days_ago(days: float) -> int:
    return NOW - int(days * DAY_MS)


# ---- runs ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("held", "changed", "left"),
    [
        ([], {}, 0),
        ([], {"at_ms": NOW - RUN_KEEP_MS}, 1),
        ([], {"announced": 6}, 1),
        (["a"], {}, 1),
        (None, {}, 1),
    ],
    ids=["finished and released", "younger", "rows still to come", "held by its gateway", "nobody knows who holds it"],
)
def test_a_run_is_forgotten_400_days_after_it_ended_when_nobody_holds_it(
    engine: Engine, held: list[str] | None, changed: dict[str, Any], left: int
) -> None:
    known = {"site": "s", "node": "n", "online": True, "proved": True, "bd_seq": 0, "birth_ms": 0, "held": held}
    row = {"run": "a", "site": "s", "node": "n", "stream": 1, "committed": 5, "announced": 5}
    add(engine, node, known)
    add(engine, run, row | {"at_ms": NOW - RUN_KEEP_MS - 1} | changed)
    tidy(engine, CONFIG, NOW)
    assert count(engine, run) == left


# ---- alerts and notifications ----------------------------------------------------------------------------------------
NAMES = ("rule", "site", "node", "device", "metric", "zone", "severity", "summary")
INCIDENT = dict.fromkeys(NAMES, "x") | {"id": "a", "revision": 1, "retroactive": False, "opened_ms": 0, "evidence": {}}
MESSAGE = {
    "id": "m",
    "alert": "a",
    "revision": 1,
    "type": "t",
    "receiver": "r",
    "body": "",
    "attempts": 1,
    "created_ms": 0,
    "due_ms": 0,
}
CHANGE = {"alert": "a", "revision": 1, "before": "x", "after": "y", "at_ms": 0, "noted_ms": 0, "note": ""}
ATTEMPT = {"outbox": "m", "at_ms": 0, "error": "", "took_ms": 1}


def tell(engine: Engine, incident: dict[str, Any], message: dict[str, Any]) -> None:
    add(engine, alert, INCIDENT | incident)
    add(engine, alert_event, CHANGE)
    add(engine, outbox, MESSAGE | message)
    add(engine, delivery, ATTEMPT)


@pytest.mark.parametrize(
    ("state", "done_ms", "left"),
    [
        ("delivered", days_ago(401), 0),
        ("dead", days_ago(401), 0),
        ("delivered", days_ago(399), 1),
        ("waiting", None, 1),
    ],
)
def test_notifications_that_are_done_are_forgotten_with_their_attempts(
    engine: Engine, state: str, done_ms: int | None, left: int
) -> None:
    tell(engine, {"state": "firing"}, {"state": state, "done_ms": done_ms})
    tidy(engine, CONFIG, NOW)
    assert [count(engine, table) for table in (outbox, delivery, alert)] == [left, left, 1]


@pytest.mark.parametrize(
    ("incident", "left"),
    [
        ({"state": "resolved", "resolved_ms": days_ago(1001)}, 0),
        ({"state": "resolved", "resolved_ms": days_ago(999)}, 1),
        ({"state": "firing"}, 1),
        ({"state": "clearing"}, 1),
    ],
)
def test_an_alert_is_forgotten_long_after_it_resolved_with_all_that_hangs_on_it(
    engine: Engine, incident: dict[str, Any], left: int
) -> None:
    tell(engine, incident, {"state": "delivered", "done_ms": days_ago(1)})
    tidy(engine, CONFIG, NOW)
    assert [count(engine, table) for table in (alert, alert_event, outbox, delivery)] == [left] * 4


@pytest.mark.parametrize(("ended_days", "left"), [(1001, 0), (999, 1)])
def test_a_silence_is_forgotten_when_alerts_of_its_time_are(engine: Engine, ended_days: int, left: int) -> None:
    ended = {"from_ms": 1, "to_ms": days_ago(ended_days), "created_ms": 1}
    add(engine, silence, {"matchers": {"site": "s"}, "reason": "r", "author": "a", **ended})
    tidy(engine, CONFIG, NOW)
    assert count(engine, silence) == left


@pytest.mark.parametrize(("ended_days", "left"), [(1001, 0), (999, 1)])
def test_an_override_is_forgotten_when_alerts_of_its_time_are(engine: Engine, ended_days: int, left: int) -> None:
    about = {"rotation": "duty", "who": "li", "instead_of": "", "reason": "r", "author": "a"}
    add(engine, duty_override, about | {"from_ms": 1, "to_ms": days_ago(ended_days), "created_ms": 1})
    tidy(engine, CONFIG, NOW)
    assert count(engine, duty_override) == left


def test_old_pauses_are_forgotten_except_the_newest_change(engine: Engine) -> None:
    about = {"state": "idle", "site": "s", "node": "", "device": "", "from_ms": 1, "reason": "r", "author": "a"}
    rows = [
        about | {"to_ms": days_ago(days), "changed_ms": 1, "revision": n} for n, days in enumerate((1500, 999, 1500))
    ]
    add(engine, pause, *rows)
    tidy(engine, CONFIG, NOW)
    assert [row.revision for row in all_of(engine, pause)] == [1, 2]


def test_of_too_many_notifications_the_oldest_that_are_done_go(engine: Engine) -> None:
    tell(engine, {"state": "firing"}, {"state": "waiting", "done_ms": None})
    with engine.connect() as connection:
        row = dict(connection.execute(select(outbox)).mappings().one())
    done = [row | {"id": f"msg_{n}", "state": "dead", "done_ms": NOW - n} for n in range(1_010)]
    add(engine, outbox, *done)
    tidy(engine, RetentionConfig(notification_rows=1_000), NOW)
    kept = {each.id for each in all_of(engine, outbox)}
    assert len(kept) == 1_001
    assert kept.isdisjoint({f"msg_{n}" for n in range(1_000, 1_010)})


def test_every_table_that_refers_to_an_alert_can_be_followed() -> None:
    """Rows are found by their column `id`, and by foreign keys to the `id` of another table."""
    table: Table
    for table in metadata.sorted_tables:
        for key in table.foreign_keys:
            assert key.column.name == "id"
            assert "id" in table.c


def test_nothing_is_forgotten_where_that_is_wanted(engine: Engine) -> None:
    tell(engine, {"state": "resolved", "resolved_ms": 1}, {"state": "delivered", "done_ms": 1})
    add(engine, loss, *[LOSS | {"at_ms": 1}] * 2)
    names = ("alert_days", "notification_days", "loss_days", "account_days", "dead_letter_days")
    assert tidy(engine, RetentionConfig(**dict.fromkeys(names, 0)), NOW) == 0


# ---- losses and account: summed up -----------------------------------------------------------------------------------
LOSS: dict[str, Any] = {
    "site": "s",
    "node": "n",
    "run": None,
    "reason": "r",
    "samples": 3,
    "from_ms": 5,
    "to_ms": 9,
    "recovered_ms": None,
}


def lost(engine: Engine) -> dict[tuple[str, str], ledger.Lost]:
    with engine.connect() as connection:
        return ledger.lost(connection)


def test_old_losses_become_one_entry_and_no_total_changes(engine: Engine) -> None:
    old = [{"at_ms": days_ago(1001 + day), "from_ms": 100 - day, "to_ms": 200 + day} for day in range(5)]
    add(engine, loss, *[LOSS | each for each in old], LOSS | {"at_ms": days_ago(1)})
    before = lost(engine)
    assert tidy(engine, CONFIG, NOW) == 4
    young, summed = all_of(engine, loss)
    assert young.at_ms == days_ago(1)
    found = (summed.entries, summed.samples, summed.from_ms, summed.to_ms, summed.at_ms)
    assert found == (5, 15, 96, 204, days_ago(1001))
    assert lost(engine) == before == {("s", "n"): ledger.Lost(6, 18, 0)}


def test_a_sum_takes_in_what_grows_old_later(engine: Engine) -> None:
    add(engine, loss, *[LOSS | {"at_ms": days_ago(1001 - day)} for day in range(3)])
    for later in range(5):
        tidy(engine, CONFIG, NOW + later * DAY_MS)
    (summed,) = all_of(engine, loss)
    assert (summed.entries, summed.samples) == (3, 9)


def test_uncounted_and_recovered_losses_are_summed_up_apart(engine: Engine) -> None:
    kinds: list[dict[str, Any]] = [{}, {"samples": None}, {"recovered_ms": 7}, {"node": "m"}]
    add(engine, loss, *[LOSS | {"at_ms": days_ago(1001)} | kind for kind in kinds for _ in range(3)])
    before = lost(engine)
    tidy(engine, CONFIG, NOW)
    assert count(engine, loss) == 4
    assert lost(engine) == before == {("s", "n"): ledger.Lost(6, 9, 3, 3, 9), ("s", "m"): ledger.Lost(3, 9, 0)}


def test_old_days_of_the_account_become_one_row_except_those_that_do_not_add_up(engine: Engine) -> None:
    day = {"site": "s", "node": "n", "received": 10, "written": 7, "dead_lettered": 2, "duplicate": 1}
    add(
        engine,
        account,
        *[day | {"day": f"2020-01-{number:02}"} for number in range(1, 31)],
        day | {"day": "2020-02-01", "written": 6},
        day | {"day": "2033-05-01"},
    )
    with engine.connect() as connection:
        before = ledger.totals(connection)
    assert tidy(engine, CONFIG, NOW) == 30
    found = {row.day: (row.received, row.written) for row in all_of(engine, account)}
    assert found == {"": (300, 210), "2020-02-01": (10, 6), "2033-05-01": (10, 7)}
    with engine.connect() as connection:
        assert ledger.totals(connection) == before


def test_days_are_added_to_those_that_were_summed_up_before(engine: Engine) -> None:
    day = {"site": "s", "node": "n", "received": 1, "written": 1, "dead_lettered": 0, "duplicate": 0}
    for number in range(3):
        add(engine, account, day | {"day": f"2020-01-0{number + 1}"})
        tidy(engine, CONFIG, NOW)
    assert [(row.day, row.written) for row in all_of(engine, account)] == [("", 3)]


# ---- how much at a time ----------------------------------------------------------------------------------------------
def test_one_go_does_a_bounded_amount_and_the_next_goes_on(engine: Engine) -> None:
    old = {"state": "resolved", "resolved_ms": days_ago(1001)}
    add(engine, alert, *[INCIDENT | old | {"id": f"{number:04}"} for number in range(AT_ONCE + 10)])
    assert tidy(engine, CONFIG, NOW, most_steps=1) == AT_ONCE
    assert tidy(engine, CONFIG, NOW, most_steps=1) == 10
    assert count(engine, alert) == 0
