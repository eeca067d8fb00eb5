"""What is beyond a receiver's budget comes as a digest; nothing critical waits, and nothing is lost."""

from __future__ import annotations

import asyncio
import json

import pytest
from sqlalchemy import select, update

from frostline_cloud.notify.receivers.receiver import Attempt, Message, Verdict
from frostline_cloud.sql.tables import alert, outbox
from tests.support.office import ENDS, FIRES, HOUR, MINUTE, NO, NOW, ROOMS, Inbox, Office, ProcessDiedError, drain


def test_what_is_beyond_the_budget_comes_as_one_digest(office: Office) -> None:
    inbox = Inbox("duty")
    desk = office.desk(inbox, per_minute=6, digest_every_s=300)
    office.tell("warning", FIRES, ROOMS, ["duty"])

    drain(desk)
    assert inbox.types_taken == ["firing"] * 6
    office.now += 299_999
    drain(desk)
    assert len(inbox.taken) == 6
    office.now += 1
    drain(desk)

    digest = inbox.taken[6]
    assert (digest["type"], digest["count"], digest["incidents"]) == ("alert.digest", 24, 24)
    assert digest["by_site"] == [{"name": "hamburg", "count": 24}]
    assert {item["series"]["device"] for item in digest["items"]} | {
        each["series"]["device"] for each in inbox.taken[:6]
    } == set(ROOMS)
    assert office.states() == {"delivered": 30}


def test_critical_ones_pass_the_budget_at_once(office: Office) -> None:
    inbox = Inbox("duty")
    desk = office.desk(inbox, per_minute=1)
    office.tell("warning", FIRES, ROOMS, ["duty"])
    drain(desk)
    office.tell("critical", FIRES, ROOMS, ["duty"])

    drain(desk)

    assert [each["incident"]["severity"] for each in inbox.taken] == ["warning"] + ["critical"] * 30


def test_an_incident_that_becomes_critical_does_not_wait_behind_its_own_digest(office: Office) -> None:
    inbox = Inbox("duty")
    desk = office.desk(inbox, per_minute=1)
    office.tell("warning", FIRES, ["room-1", "room-2"], ["duty"])
    drain(desk)
    with office.engine.begin() as connection:  # as a later revision of the incident that is held
        held = connection.execute(select(outbox).where(outbox.c.held_ms.is_not(None))).mappings().one()
        body = json.loads(held["body"]) | {"type": "alert.updated", "id": "msg_up"}
        body["incident"]["severity"] = "critical"
        more = {"id": "msg_up", "type": "alert.updated", "revision": held["revision"] + 1, "critical": True}
        connection.execute(outbox.insert().values({**held, **more, "body": json.dumps(body), "held_ms": None}))

    drain(desk)

    assert inbox.types_taken == ["firing", "firing", "updated"]
    assert inbox.taken[1]["incident"]["id"] == inbox.taken[2]["incident"]["id"]


def test_what_is_over_before_its_digest_is_told_as_over_in_it(office: Office) -> None:
    inbox = Inbox("duty")
    desk = office.desk(inbox, per_minute=1, digest_every_s=60)
    office.tell("warning", FIRES, ROOMS, ["duty"])
    drain(desk)
    office.tell("warning", ENDS, ROOMS, ["duty"])
    office.now += 60_001

    drain(desk)

    digest = next(each for each in inbox.taken if each["type"] == "alert.digest")
    assert {item["type"] for item in digest["items"]} == {"alert.resolved"}
    assert digest["count"] == 2 * digest["incidents"]
    told = [each["type"] for each in inbox.taken]
    assert told.index("alert.firing") == 0
    assert set(office.states()) == {"delivered"}


def test_the_end_of_an_incident_is_not_told_before_the_digest_with_its_beginning(office: Office) -> None:
    inbox = Inbox("duty", then=NO)
    desk = office.desk(inbox, per_minute=1, digest_every_s=60)
    inbox.script = [Attempt(Verdict.DELIVERED)]
    office.tell("warning", FIRES, ["room-1", "room-2"], ["duty"])
    drain(desk)
    office.now += 61_000
    drain(desk)  # the digest fails
    held = office.engine.connect()
    with held:
        waits = held.scalar(select(outbox.c.alert).where(outbox.c.state == "waiting"))
        device = held.scalar(select(alert.c.device).where(alert.c.id == waits))
    office.tell("warning", ENDS, [str(device)], ["duty"])
    drain(desk)
    assert inbox.types_taken == ["firing"]
    inbox.then = Attempt(Verdict.DELIVERED)
    for _ in range(10):
        office.now += 15 * MINUTE
        drain(desk)

    ours = [each for each in inbox.taken[1:] if each["type"] == "alert.digest" or each["incident"]["id"] == waits]
    assert ours[0]["type"] == "alert.digest"
    assert office.states() == {"delivered": 3}


def test_a_digest_that_is_tried_again_has_the_same_id(office: Office) -> None:
    ids = []

    class Watching(Inbox):
        async def send(self, message: Message, now_s: int) -> Attempt:
            ids.append(message.id)
            return await Inbox.send(self, message, now_s)

    inbox = Watching("duty", script=[Attempt(Verdict.DELIVERED), NO])
    desk = office.desk(inbox, per_minute=1, digest_every_s=1)
    office.tell("warning", FIRES, ROOMS[:5], ["duty"])
    drain(desk)
    for _ in range(3):
        office.now += 20_000
        drain(desk)

    assert ids[1] == ids[2]
    assert ids[1].startswith("dig_")
    assert office.states() == {"delivered": 5}


def test_a_digest_that_was_under_way_when_the_process_died_is_sent_again(office: Office) -> None:
    class Dies(Inbox):
        async def send(self, message: Message, now_s: int) -> Attempt:
            raise ProcessDiedError

    office.tell("warning", FIRES, ROOMS[:5], ["duty"])
    first = office.desk(Inbox("duty"), per_minute=1, digest_every_s=1)
    drain(first)
    office.now += 2_000
    with pytest.raises(ProcessDiedError):
        asyncio.run(office.desk(Dies("duty"), per_minute=1, digest_every_s=1).work())
    office.now += 32_000

    inbox = Inbox("duty")
    drain(office.desk(inbox, per_minute=1, digest_every_s=1))

    assert inbox.taken[0]["count"] == 4
    assert office.states() == {"delivered": 5}


def test_the_budget_is_not_fresh_after_a_restart(office: Office) -> None:
    office.tell("warning", FIRES, ROOMS, ["duty"])
    drain(office.desk(Inbox("duty"), per_hour=10))
    inbox = Inbox("duty")

    drain(office.desk(inbox, per_hour=10))

    assert inbox.taken == []


def test_an_hour_later_there_is_a_new_budget(office: Office) -> None:
    inbox = Inbox("duty")
    desk = office.desk(inbox, per_hour=10, digest_every_s=600)
    office.tell("warning", FIRES, ROOMS[:15], ["duty"])
    drain(desk)
    office.now += HOUR + 1
    drain(desk)
    office.now += HOUR + 1
    office.tell("warning", ENDS, ROOMS[:8], ["duty"])

    drain(desk)

    assert inbox.types_taken == ["firing"] * 10 + ["digest"] + ["resolved"] * 8


def test_a_digest_leaves_out_what_the_receiver_does_not_want(office: Office) -> None:
    inbox = Inbox("duty", types=("alert.firing",))
    desk = office.desk(inbox, per_minute=1, digest_every_s=1)
    office.tell("warning", FIRES, ROOMS[:3], ["duty"])
    drain(desk)
    office.tell("warning", ENDS, ROOMS[:3], ["duty"])
    office.now += 2_000
    drain(desk)

    assert inbox.types_taken == ["firing", "digest"]
    assert office.states() == {"delivered": 3, "skipped": 3}


def test_a_row_that_is_twice_as_old_as_a_day_is_dead_in_a_digest_too(office: Office) -> None:
    inbox = Inbox("duty", script=[Attempt(Verdict.DELIVERED)], then=NO)
    desk = office.desk(inbox, per_minute=1, digest_every_s=1)
    office.tell("warning", FIRES, ROOMS[:3], ["duty"])
    drain(desk)
    with office.engine.begin() as connection:
        old = update(outbox).where(outbox.c.state == "waiting")
        connection.execute(old.values(created_ms=NOW - 25 * HOUR))
    office.now += 2_000
    drain(desk)

    assert office.states() == {"delivered": 1, "dead": 2}
