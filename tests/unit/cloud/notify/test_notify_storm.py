"""Thousands of alerts at once: nothing is lost, and what is critical goes first."""

from __future__ import annotations

import asyncio
from random import Random

from frostline_cloud.notify import UNADDRESSED, NotifyWorker, Plan, RouteConfig
from frostline_core.config import parse
from tests.support.office import FIRES, Inbox, Office, drain


def test_critical_ones_go_before_thousands_of_others(office: Office) -> None:
    inbox = Inbox("duty")
    office.tell("warning", FIRES, [f"room-{number}" for number in range(3_000)], ["duty"])
    office.tell("critical", FIRES, ["room-x"], ["duty"])

    asyncio.run(office.desk(inbox).work())

    assert inbox.taken[0]["incident"]["severity"] == "critical"


def test_ten_thousand_alerts_at_once_reach_a_receiver_without_loss(office: Office) -> None:
    """Ten thousand incidents: some one by one, the rest in digests that count every one of them."""
    inbox = Inbox("duty")
    plan = Plan(("duty",))
    office.tell("warning", FIRES, [f"room-{number}" for number in range(10_000)], [UNADDRESSED])
    office.dispatch(plan)
    desk = office.desk(inbox, plan, per_minute=6, digest_every_s=60)
    for _ in range(5):
        drain(desk)
        office.now += 61_000

    told = sum(each["count"] if each["type"] == "alert.digest" else 1 for each in inbox.taken)
    assert told == 10_000
    assert len(inbox.taken) < 20
    assert office.states() == {"delivered": 10_000}


def test_critical_alerts_that_come_by_hundreds_are_two_messages_of_a_group_five_seconds_apart(office: Office) -> None:
    inbox = Inbox("duty")
    plan = Plan(("duty",), (parse({"name": "all", "to": ["duty"], "group": {}}, RouteConfig, "test"),))
    desk = office.desk(inbox, plan)
    for hundred in range(10):
        office.tell("critical", FIRES, [f"room-{hundred}-{number}" for number in range(100)], [UNADDRESSED])
        office.dispatch(plan)
        drain(desk)
        office.now += 400
    assert [each["counts"]["fired"] for each in inbox.taken] == [100]

    office.now += 1_000
    drain(desk)

    assert [each["counts"]["fired"] for each in inbox.taken] == [100, 900]


async def test_the_worker_dispatches_and_delivers_in_one_go(office: Office) -> None:
    inbox = Inbox("duty")
    office.tell("warning", FIRES, ["room-1"], [UNADDRESSED])
    worker = NotifyWorker(office.engine, [inbox], lambda: office.now, Random(1))  # noqa: S311 - jitter

    assert await worker.run_once() == 1

    assert inbox.types_taken == ["firing"]
    assert worker.counters()["dispatched"] == 1
