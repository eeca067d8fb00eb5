"""Groups when a receiver fails, over its budget, or wants only some of it.

Some tests carry the number of a thread about Alertmanager or ThingsBoard whose complaint they answer.
"""

from __future__ import annotations

import asyncio

import pytest

from frostline_cloud.notify import UNADDRESSED, Plan
from frostline_cloud.notify.dead_letters import revive
from frostline_cloud.notify.receivers.receiver import Attempt, Message, Verdict
from tests.support.duty import PARTS, SECOND, WAIT, Duty, duty, route
from tests.support.office import ENDS, FIRES, HOUR, MINUTE, NO, Inbox, Office, ProcessDiedError, drain


def test_alertmanager_2286_a_receiver_that_fails_is_not_hammered(office: Office) -> None:
    ours = duty(office, inbox=Inbox("duty", then=NO))
    ours.tell("warning", FIRES, "room-1")
    ours.wait(HOUR)

    assert 3 <= ours.inbox.asked <= 15


def test_alertmanager_2486_a_short_interval_cuts_no_attempt_short(office: Office) -> None:
    """The lease of an attempt follows from the receiver's time-out, not from the group."""
    ours = duty(office, {"interval_s": 1, "wait_s": 0}, Inbox("duty", timeout_s=20.0))
    office.tell("warning", FIRES, ["room-1"], [UNADDRESSED])
    office.dispatch(ours.plan)
    asked = asyncio.run(_claim_only(ours))
    office.now += 19 * SECOND

    drain(ours.desk)

    assert (asked, ours.told) == (1, [])


async def _claim_only(ours: Duty) -> int:
    """One attempt that never ends: the process dies in it."""

    class Hangs(Inbox):
        async def send(self, message: Message, now_s: int) -> Attempt:
            self.asked += 1
            raise ProcessDiedError

    inbox = Hangs("duty", timeout_s=20.0)
    with pytest.raises(ProcessDiedError):
        await ours.office.desk(inbox, ours.plan).work()
    return inbox.asked


def test_alertmanager_4108_two_processes_tell_once_after_the_receiver_recovers(office: Office) -> None:
    ours = duty(office, inbox=Inbox("duty", then=NO))
    other = Duty(office, ours.plan, ours.inbox)
    ours.tell("warning", FIRES, "room-1")
    for _ in range(30):
        ours.wait(10 * SECOND)
        drain(other.desk)
    ours.inbox.then = Attempt(Verdict.DELIVERED, 200)
    for _ in range(30):
        ours.wait(MINUTE)
        drain(other.desk)

    assert ours.told == [{"fired": ["room-1"]}]


def test_alertmanager_1005_a_message_that_is_tried_again_has_the_same_id(office: Office) -> None:
    ids = []

    class Watching(Inbox):
        async def send(self, message: Message, now_s: int) -> Attempt:
            ids.append(message.id)
            return await Inbox.send(self, message, now_s)

    ours = duty(office, inbox=Watching("duty", script=[NO, NO]))
    ours.tell("warning", FIRES, "room-1", "room-2")
    ours.wait(5 * MINUTE)

    assert len(ids) == 3
    assert len(set(ids)) == 1


def test_alertmanager_3808_receivers_of_one_route_have_timers_of_their_own(office: Office) -> None:
    down = duty(office, inbox=Inbox("duty", then=NO), to=["duty", "boss"])
    boss = Duty(office, down.plan, Inbox("boss"))
    down.tell("warning", FIRES, "room-1")
    for _ in range(10):
        down.wait(10 * SECOND)
        drain(boss.desk)

    assert boss.told == [{"fired": ["room-1"]}]
    assert down.told == []


def test_news_that_comes_while_a_message_is_tried_again_goes_with_it(office: Office) -> None:
    ours = duty(office, inbox=Inbox("duty", script=[NO]))
    ours.tell("warning", FIRES, "room-1")
    ours.wait(WAIT)
    ours.tell("critical", FIRES, "room-2")

    assert ours.told == [{"fired": ["room-2", "room-1"]}]


def test_what_waits_for_a_receiver_that_is_gone_is_told_by_its_fallback(office: Office) -> None:
    plan = Plan(("duty", "boss"), (route(),), (("duty", "boss"),))
    ours = Duty(office, plan, Inbox("duty", then=Attempt(Verdict.GONE, 410, "410: gone")))
    ours.tell("critical", FIRES, "room-1")
    boss = Inbox("boss")
    drain(office.desk(boss, plan))

    assert {each["series"]["device"] for each in boss.taken} == {"room-1", "duty"}


def test_a_group_that_was_rejected_goes_to_the_fallback(office: Office) -> None:
    plan = Plan(("duty", "boss"), (route(),), (("duty", "boss"),))
    ours = Duty(office, plan, Inbox("duty", script=[Attempt(Verdict.REJECTED, 550, "no such user")]))
    ours.tell("critical", FIRES, "room-1", "room-2")
    boss = Inbox("boss")
    drain(office.desk(boss, plan))

    assert office.states() == {"dead": 2}
    assert {each["series"]["device"] for each in boss.taken} == {"room-1", "room-2"}


def test_a_group_that_was_rejected_can_be_replayed(office: Office) -> None:
    ours = duty(office, inbox=Inbox("duty", script=[Attempt(Verdict.REJECTED, 400, "no")]))
    ours.tell("critical", FIRES, "room-1", "room-2")
    assert office.states() == {"dead": 2}
    with office.engine.begin() as connection:
        assert revive(connection, office.now) == 2

    drain(ours.desk)

    assert ours.inbox.types_taken == ["firing", "firing"]


def test_groups_beyond_the_budget_come_with_the_digest(office: Office) -> None:
    ours = duty(office)
    ours.budget = {"per_hour": 2, "digest_every_s": 60}
    for number in range(6):
        ours.tell("warning", FIRES, "room-1", "room-2", site=f"site-{number}")
    ours.wait(WAIT + 2 * MINUTE)

    assert ours.inbox.types_taken == ["group", "group", "digest"]
    assert ours.inbox.taken[2]["count"] == 8
    assert office.states() == {"delivered": 12}


def test_a_critical_group_passes_the_budget(office: Office) -> None:
    ours = duty(office)
    ours.budget = {"per_hour": 1}
    ours.tell("warning", FIRES, "room-1")
    ours.wait(WAIT)

    ours.tell("critical", FIRES, "room-2", site="bremen")

    assert ours.told == [{"fired": ["room-1"]}, {"fired": ["room-2"]}]


def test_an_alert_that_is_held_and_becomes_over_is_told_in_order(office: Office) -> None:
    ours = duty(office)
    ours.budget = {"per_hour": 1, "digest_every_s": 120}
    ours.tell("warning", FIRES, "room-0", site="first")
    ours.wait(WAIT)
    ours.tell("warning", FIRES, "room-1")
    ours.wait(WAIT + SECOND)
    ours.tell("warning", ENDS, "room-1")
    ours.wait(HOUR + 10 * MINUTE)

    seen = [
        (message["type"], entry["type"])
        for message in ours.inbox.taken
        for entry in [*message.get("items", []), *(each for part in PARTS for each in message.get(part, []))]
        if entry["series"]["device"] == "room-1"
    ]
    assert seen[0] == ("alert.digest", "alert.firing")
    assert ("alert.resolved") in [kind for _, kind in seen]
    assert set(office.states()) == {"delivered"}


@pytest.mark.parametrize(
    ("wanted", "parts"),
    [
        (("alert.firing",), [["fired"]]),
        (("alert.resolved",), [["resolved"]]),
        (("alert.group",), [["fired"], ["resolved"]]),
    ],
)
def test_a_receiver_gets_of_a_group_what_it_wants(
    office: Office, wanted: tuple[str, ...], parts: list[list[str]]
) -> None:
    ours = duty(office, inbox=Inbox("duty", types=wanted))
    ours.tell("warning", FIRES, "room-1")
    ours.wait(WAIT)
    ours.tell("warning", ENDS, "room-1")
    ours.wait(WAIT)

    assert [list(each) for each in ours.told] == parts


def test_a_receiver_of_critical_alerts_gets_only_these_of_a_group(office: Office) -> None:
    ours = duty(office, inbox=Inbox("duty", severities=("critical",)))
    ours.tell("warning", FIRES, "room-1")
    ours.tell("critical", FIRES, "room-2")

    assert ours.told == [{"fired": ["room-2"]}]
    assert office.states() == {"delivered": 1, "skipped": 1}
