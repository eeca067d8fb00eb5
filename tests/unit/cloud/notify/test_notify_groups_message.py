"""What a group's message says, and what people's acts change about it.

Some tests carry the number of a thread about Alertmanager or ThingsBoard whose complaint they answer.
"""

from __future__ import annotations

import json

from sqlalchemy import select

from frostline_cloud.notify import UNADDRESSED
from frostline_cloud.sql.tables import outbox
from tests.support.duty import INTERVAL, SECOND, WAIT, duty
from tests.support.office import ENDS, FIRES, MINUTE, ROOMS, Inbox, Office, drain


def test_alertmanager_1195_a_message_tells_what_is_new_from_what_was_told(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1", "room-2", "room-3")
    ours.wait(WAIT)
    ours.tell("warning", ENDS, "room-2")
    ours.wait(INTERVAL)

    assert ours.told[1] == {"resolved": ["room-2"], "firing": ["room-1", "room-3"]}
    assert ours.inbox.taken[1]["counts"] == {"fired": 0, "worse": 0, "escalated": 0, "resolved": 1, "firing": 2}


def test_alertmanager_878_what_is_over_within_the_wait_is_told_with_its_beginning(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1")
    ours.wait(10 * SECOND)
    ours.tell("warning", ENDS, "room-1")
    ours.wait(WAIT)

    (message,) = ours.inbox.taken
    assert ours.told == [{"resolved": ["room-1"]}]
    assert message["resolved"][0]["was_told"] is False
    assert message["resolved"][0]["incident"]["fired_at"]


def test_alertmanager_662_an_alert_shorter_than_the_wait_is_not_lost(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1")
    ours.tell("warning", ENDS, "room-1")
    ours.wait(WAIT)

    assert len(ours.told) == 1
    assert office.states() == {"delivered": 2}


def test_alertmanager_2398_fired_over_and_fired_within_one_interval_is_all_told(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1", "room-2")
    ours.wait(WAIT)
    ours.tell("warning", ENDS, "room-1")
    ours.wait(10 * SECOND)
    ours.tell("warning", FIRES, "room-1")
    ours.wait(INTERVAL)

    assert ours.told[1] == {"fired": ["room-1"], "resolved": ["room-1"], "firing": ["room-2"]}


def test_alertmanager_1403_one_that_is_over_is_told_though_others_go_on(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1", "room-2")
    ours.wait(WAIT)
    ours.tell("warning", ENDS, "room-1")
    ours.wait(INTERVAL)

    assert "room-1" in ours.told[1]["resolved"]


def test_alertmanager_1510_that_all_is_over_does_not_wait_for_the_interval(office: Office) -> None:
    ours = duty(office, {"interval_s": 6 * 3600})
    ours.tell("warning", FIRES, "room-1", "room-2")
    ours.wait(WAIT)
    ours.tell("warning", ENDS, "room-1", "room-2")
    ours.wait(WAIT)

    assert ours.told[1] == {"resolved": ["room-1", "room-2"]}


def test_an_alert_that_comes_and_goes_is_not_told_faster_by_going(office: Office) -> None:
    ours = duty(office)
    for _ in range(10):
        ours.tell("warning", FIRES, "room-1")
        ours.wait(MINUTE)
        ours.tell("warning", ENDS, "room-1")
        ours.wait(MINUTE)

    assert len(ours.told) <= 10
    assert sum(len(each.get("resolved", [])) for each in ours.told) >= 9


def test_alertmanager_2151_each_end_is_told_once(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1", "room-2")
    ours.wait(WAIT)
    ours.tell("warning", ENDS, "room-1")
    ours.wait(INTERVAL)
    ours.tell("warning", ENDS, "room-2")
    ours.wait(2 * INTERVAL)

    assert [device for each in ours.told for device in each.get("resolved", [])] == ["room-1", "room-2"]


def test_many_are_counted_and_the_gravest_are_listed(office: Office) -> None:
    ours = duty(office, {"critical_wait_s": 10})
    ours.tell("warning", FIRES, *(f"room-{number}" for number in range(80)))
    ours.tell("critical", FIRES, "freezer")
    ours.wait(10 * SECOND)

    (message,) = ours.inbox.taken
    assert message["counts"]["fired"] == 81
    assert len(message["fired"]) == 50
    assert message["fired"][0]["series"]["device"] == "freezer"


def test_what_became_worse_since_is_said_so(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1")
    ours.wait(WAIT)
    with office.engine.begin() as connection:
        row = connection.execute(select(outbox).where(outbox.c.receiver == UNADDRESSED)).mappings().one()
        body = json.loads(row["body"]) | {"type": "alert.updated", "revision": 9}
        worse = {"id": "msg_worse", "type": "alert.updated", "revision": 9, "state": "waiting"}
        connection.execute(outbox.insert().values({**row, **worse, "body": json.dumps(body)}))
    ours.wait(INTERVAL + SECOND)

    assert ours.told[1] == {"worse": ["room-1"]}


def test_steps_of_escalation_of_many_alerts_are_one_message(office: Office) -> None:
    ours = duty(office, escalate=[{"after_minutes": 10, "to": ["boss"]}])
    ours.tell("warning", FIRES, *ROOMS)
    ours.wait(11 * MINUTE)
    boss = Inbox("boss")
    drain(office.desk(boss, ours.plan))

    assert boss.types_taken == ["group"]
    assert boss.taken[0]["counts"]["escalated"] == len(ROOMS)
