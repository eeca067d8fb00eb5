"""Receivers that fail: they are not hammered, somebody else hears of it, and what was given up can be replayed."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

import pytest
from sqlalchemy import select

from frostline_cloud.notify import NotifyWorker, Plan, health
from frostline_cloud.notify.dead_letters import dead_letters, revive
from frostline_cloud.notify.receivers.receiver import Attempt, Message, Verdict
from frostline_cloud.sql.tables import alert, delivery, outbox
from tests.support.office import FIRES, HOUR, MINUTE, NO, NOW, ROOMS, Inbox, Office, drain


def test_a_receiver_that_fails_again_and_again_is_tried_with_one_notification_at_a_time(office: Office) -> None:
    inbox = Inbox("duty", then=NO)
    desk = office.desk(inbox)
    office.tell("warning", FIRES, [f"room-{number}" for number in range(200)], ["duty"])
    drain(desk)
    before = inbox.asked
    for _ in range(60):
        office.now += 10_000
        asyncio.run(desk.work())

    assert before <= 8
    assert inbox.asked - before < 15


def test_all_that_waited_is_sent_when_it_delivers_again(office: Office) -> None:
    inbox = Inbox("duty", script=[NO] * 9)
    desk = office.desk(inbox)
    office.tell("warning", FIRES, ROOMS, ["duty"])
    for _ in range(40):
        office.now += MINUTE
        drain(desk)

    assert office.states() == {"delivered": 30}


def test_others_hear_of_a_receiver_that_cannot_be_reached_and_of_its_recovery(office: Office) -> None:
    inbox = Inbox("duty", then=NO)
    desk = office.desk(inbox, Plan(("duty", "boss", "other")))
    office.tell("warning", FIRES, ROOMS, ["duty"])
    for _ in range(10):
        office.now += MINUTE
        drain(desk)
    inbox.then = Attempt(Verdict.DELIVERED)
    for _ in range(20):
        office.now += MINUTE
        drain(desk)

    with office.engine.connect() as connection:
        rows = connection.execute(select(outbox).where(outbox.c.receiver == "boss").order_by(outbox.c.revision)).all()
        fault = connection.execute(select(alert).where(alert.c.rule == "frostline-receiver")).one()
    assert [row.type for row in rows] == ["alert.firing", "alert.resolved"]
    assert (fault.device, fault.state, fault.severity) == ("duty", "resolved", "critical")
    assert "HTTP 503" in json.loads(rows[0].body)["summary"]


def test_what_waits_for_a_receiver_that_is_gone_goes_to_its_fallback_which_hears_why(office: Office) -> None:
    plan = Plan(("duty", "boss", "other"), fallbacks=(("duty", "boss"),))
    office.tell("warning", FIRES, ROOMS[:6], ["duty"])
    drain(office.desk(Inbox("duty", then=Attempt(Verdict.GONE, 410, "410: gone")), plan))
    boss = Inbox("boss")
    drain(office.desk(boss, plan))

    assert {each["series"]["device"] for each in boss.taken} == {*ROOMS[:6], "duty"}
    assert office.states("other") == {}
    assert office.states() == {}


def test_a_message_that_is_rejected_is_a_dead_letter_at_once_and_the_fallback_gets_it(office: Office) -> None:
    plan = Plan(("duty", "boss"), fallbacks=(("duty", "boss"),))
    inbox = Inbox("duty", script=[Attempt(Verdict.REJECTED, 550, "550 no such user")])
    office.tell("critical", FIRES, ["room-1"], ["duty"])
    drain(office.desk(inbox, plan))
    boss = Inbox("boss")
    drain(office.desk(boss, plan))

    with office.engine.connect() as connection:
        (letter,) = dead_letters(connection, "duty")
    assert (letter.attempts, letter.error) == (1, "550 no such user")
    assert boss.types_taken == ["firing"]


def test_a_dead_letter_can_be_replayed_by_its_id(office: Office) -> None:
    inbox = Inbox("duty", script=[Attempt(Verdict.REJECTED, 550, "no")] * 2)
    office.tell("critical", FIRES, ["room-1", "room-2"], ["duty"])
    desk = office.desk(inbox)
    drain(desk)
    with office.engine.begin() as connection:
        first, second = dead_letters(connection)
        assert revive(connection, office.now, ids=[first.id]) == 1

    drain(desk)

    with office.engine.connect() as connection:
        assert [each.id for each in dead_letters(connection)] == [second.id]
    assert [each["id"] for each in inbox.taken] == [first.id]


def test_every_attempt_is_in_the_log(office: Office) -> None:
    inbox = Inbox("duty", script=[NO, Attempt(Verdict.DELIVERED, 204)])
    desk = office.desk(inbox)
    office.tell("critical", FIRES, ["room-1"], ["duty"])
    drain(desk)
    office.now += 10_000
    drain(desk)

    with office.engine.connect() as connection:
        rows = connection.execute(select(delivery).order_by(delivery.c.id)).all()
    assert [(row.at_ms, row.status, row.error) for row in rows] == [(NOW, 503, "HTTP 503"), (NOW + 10_000, 204, "")]


def test_how_a_receiver_was_that_there_is_no_longer_is_forgotten(office: Office) -> None:
    for name in ("duty", "boss"):
        inbox = Inbox(name, then=NO)
        office.tell("warning", FIRES, [f"room-{name}"], [name])
        drain(office.desk(inbox))

    with office.engine.begin() as connection:
        assert health.forget(connection, ["boss"]) == 1
        assert [each.receiver for each in health.all_health(connection)] == ["boss"]


@dataclass(slots=True)
class Faulty(Inbox):
    """A receiver with an error of its own."""

    async def send(self, message: Message, now_s: int) -> Attempt:
        if not self.script:
            raise KeyError("token-of-" + "somebody")
        return await Inbox.send(self, message, now_s)


def test_an_error_of_a_receivers_own_is_a_failed_attempt_and_holds_up_no_other(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    plan = Plan(("bad", "good"))
    bad, good = Faulty("bad"), Inbox("good")
    office.tell("critical", FIRES, ["room-1"], ["*"])
    worker = NotifyWorker(office.engine, [bad, good], lambda: office.now, plan=plan)
    asyncio.run(worker.run_once())

    assert (good.types_taken, office.states("good"), office.states("bad")) == (
        ["firing"],
        {"delivered": 1},
        {"waiting": 1},
    )
    assert "receiver bad: an error of ours: KeyError" in caplog.text
    assert "token-of-somebody" not in caplog.text
    bad.script.append(Attempt(Verdict.DELIVERED, 200))
    office.now += HOUR
    asyncio.run(worker.run_once())
    assert bad.types_taken == ["firing"]
