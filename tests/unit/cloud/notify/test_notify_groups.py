"""What belongs together is told together: when, what a message says, and what people's acts change about it.

Some tests carry the number of a thread about Alertmanager or ThingsBoard whose complaint they answer.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import func, select

from frostline_cloud.alerts import Doing, Silence, acknowledge, add_silence, release, shelve
from frostline_cloud.notify import UNADDRESSED, Plan, RouteConfig
from frostline_cloud.notify.dead_letters import revive
from frostline_cloud.notify.desk import Desk
from frostline_cloud.notify.grouping.joining import read
from frostline_cloud.notify.grouping.telling import forget
from frostline_cloud.notify.receivers.receiver import Attempt, Message, Verdict
from frostline_cloud.sql import read_only
from frostline_cloud.sql.tables import alert, escalation, notice_group, outbox
from frostline_core.config import parse
from frostline_core.errors import ConfigError
from tests.support.office import ENDS, FIRES, HOUR, MINUTE, NO, ROOMS, Inbox, Office, drain

SECOND = 1000
WAIT, INTERVAL, REPEAT = 30 * SECOND, 5 * MINUTE, HOUR  # the defaults
PARTS = ("fired", "worse", "escalated", "resolved", "firing")


def route(group: dict[str, Any] | None = None, **keys: Any) -> RouteConfig:
    made = {"name": "all", "to": ["duty"], "group": {} if group is None else group, **keys}
    return parse(made, RouteConfig, "test")


@dataclass(slots=True)
class Duty:
    """An office with one receiver, whose route groups."""

    office: Office
    plan: Plan
    inbox: Inbox = field(default_factory=lambda: Inbox("duty"))
    budget: dict[str, Any] = field(default_factory=dict)

    @property
    def desk(self) -> Desk:
        return self.office.desk(self.inbox, self.plan, **self.budget)

    def tell(self, rule: str, change: Any, *devices: str, **where: Any) -> None:
        self.office.tell(rule, change, devices, [UNADDRESSED], **where)
        self.office.dispatch(self.plan)
        drain(self.desk)

    def wait(self, length_ms: int) -> None:
        """Lets time go by, from one moment at which something is due to the next."""
        until = self.office.now + length_ms
        self.office.dispatch(self.plan)
        while self.office.now < until:
            self.office.now = min([until, *self._due()])
            self.office.dispatch(self.plan)
            drain(self.desk)

    def _due(self) -> list[int]:
        now = self.office.now
        times = (notice_group.c.next_ms, notice_group.c.lease_ms, outbox.c.due_ms, escalation.c.due_ms)
        held = outbox.c.held_ms + round(self.budget.get("digest_every_s", 300) * 1000)
        with read_only(self.office.engine).connect() as connection:
            queries = [select(func.min(time)).where(time > now) for time in (*times, held)]
            found = [connection.scalar(query) for query in queries]
        return [time for time in found if time is not None]

    @property
    def told(self) -> list[dict[str, list[str]]]:
        """Of each message the devices in each part that is not empty."""
        return [
            {part: [each["series"]["device"] for each in message[part]] for part in PARTS if message[part]}
            for message in self.inbox.taken
        ]

    def take_note(self, device: str) -> None:
        known = self.alert_of(device)
        with self.office.engine.begin() as connection:
            acknowledge(connection, known, "anna", self.office.now)

    def shelve(self, device: str, length_ms: int) -> None:
        known, now = self.alert_of(device), self.office.now
        with self.office.engine.begin() as connection:
            shelve(connection, known, now + length_ms, "known", Doing("anna", now))

    def alert_of(self, device: str) -> str:
        with read_only(self.office.engine).connect() as connection:
            newest = select(alert.c.id).where(alert.c.device == device).order_by(alert.c.opened_ms.desc()).limit(1)
            return str(connection.scalar(newest))


def duty(office: Office, group: dict[str, Any] | None = None, inbox: Inbox | None = None, **keys: Any) -> Duty:
    made = inbox or Inbox("duty")
    return Duty(office, Plan(("duty", "boss"), (route(group, **keys),)), made)


# ---- when ----------------------------------------------------------------------------------------------------------


def test_alerts_of_a_site_that_fire_within_the_wait_are_one_message(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1", "room-2")
    ours.wait(20 * SECOND)
    ours.tell("warning", FIRES, "room-3")
    assert ours.told == []

    ours.wait(10 * SECOND)

    assert ours.told == [{"fired": ["room-1", "room-2", "room-3"]}]
    assert ours.inbox.types_taken == ["group"]
    assert ours.inbox.taken[0]["group"]["by"] == {"site": "hamburg"}


def test_each_site_has_a_group_of_its_own(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1")
    ours.tell("warning", FIRES, "room-2", site="bremen")

    ours.wait(WAIT)

    assert sorted(str(each) for each in ours.told) == ["{'fired': ['room-1']}", "{'fired': ['room-2']}"]


def test_a_label_of_choice_groups(office: Office) -> None:
    ours = duty(office, {"by": ["label.product"]})
    ours.tell("warning", FIRES, "room-1", labels={"product": "fish"})
    ours.tell("warning", FIRES, "room-2", labels={"product": "fish"}, site="bremen")
    ours.tell("warning", FIRES, "room-3")

    ours.wait(WAIT)

    assert sorted(len(each["fired"]) for each in ours.told) == [1, 2]


def test_something_critical_is_told_at_once_and_takes_with_it_what_waits(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1")
    ours.tell("critical", FIRES, "room-2")
    assert ours.told == [{"fired": ["room-2", "room-1"]}]

    ours.wait(5 * SECOND)
    ours.tell("critical", FIRES, "room-3")

    assert ours.told[1] == {"fired": ["room-3"], "firing": ["room-2", "room-1"]}
    assert ours.inbox.taken[1]["severity"] == "critical"


def test_what_comes_later_waits_for_the_interval(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1")
    ours.wait(WAIT)
    ours.tell("warning", FIRES, "room-2")
    ours.wait(INTERVAL - SECOND)
    assert len(ours.told) == 1

    ours.wait(SECOND)

    assert ours.told[1] == {"fired": ["room-2"], "firing": ["room-1"]}


def test_after_a_quiet_while_what_comes_waits_only_for_more(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1")
    ours.wait(WAIT + 2 * INTERVAL)
    ours.tell("warning", FIRES, "room-2")

    ours.wait(WAIT)

    assert ours.told[1] == {"fired": ["room-2"], "firing": ["room-1"]}


def test_each_process_reads_the_timers_from_sql(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1")
    office.now += WAIT

    drain(Duty(office, ours.plan, ours.inbox).desk)

    assert ours.told == [{"fired": ["room-1"]}]


def test_a_group_that_is_over_is_forgotten(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1")
    ours.wait(WAIT)
    ours.tell("warning", ENDS, "room-1")
    ours.wait(2 * INTERVAL)

    with office.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(notice_group)) == 0
    assert office.states() == {"delivered": 2}


def test_a_route_that_no_longer_groups_tells_what_waits_and_then_one_by_one(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1")
    ours.plan = Plan(("duty",), (parse({"name": "all", "to": ["duty"]}, RouteConfig, "test"),))
    ours.wait(WAIT)
    ours.tell("warning", FIRES, "room-2")

    assert ours.inbox.types_taken == ["group", "firing"]
    with office.engine.connect() as connection:
        assert read(connection, [ours.inbox.taken[0]["group"]["id"]]) == {}


# ---- what a message says -------------------------------------------------------------------------------------------


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


# ---- again ---------------------------------------------------------------------------------------------------------


def test_thingsboard_7898_what_still_fires_is_told_again(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1", "room-2")
    ours.wait(WAIT)
    ours.wait(REPEAT)

    assert ours.told[1:] == [{"firing": ["room-1", "room-2"]}]
    assert ours.inbox.taken[1]["repeated"] is True
    ours.wait(REPEAT)
    assert len(ours.told) == 3


def test_what_somebody_took_note_of_is_not_told_again(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1", "room-2")
    ours.wait(WAIT)
    ours.take_note("room-1")
    ours.wait(REPEAT + SECOND)
    ours.take_note("room-2")
    ours.wait(3 * REPEAT)

    assert ours.told[1:] == [{"firing": ["room-2"]}]


def test_what_is_shelved_is_not_told_again(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1")
    ours.wait(WAIT)
    ours.shelve("room-1", 3 * HOUR)
    ours.wait(REPEAT + MINUTE)

    assert len(ours.told) == 1


def test_what_is_silenced_is_not_told_again(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1")
    ours.wait(WAIT)
    now = office.now
    with office.engine.begin() as connection:
        add_silence(connection, Silence(0, {"device": "room-1"}, "works", "anna", now, now + 3 * HOUR, now))
    ours.wait(REPEAT + MINUTE)

    assert len(ours.told) == 1


def test_a_group_may_never_be_repeated(office: Office) -> None:
    ours = duty(office, {"repeat_s": 0})
    ours.tell("warning", FIRES, "room-1")
    ours.wait(WAIT + 5 * REPEAT)

    assert len(ours.told) == 1


def test_what_is_shelved_while_it_waits_is_not_told_until_the_shelf_ends(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1", "room-2")
    ours.shelve("room-1", HOUR)
    ours.wait(WAIT)
    assert ours.told == [{"fired": ["room-2"]}]

    office.now += HOUR
    known = ours.alert_of("room-1")
    with office.engine.begin() as connection:
        assert release(connection, [known], UNADDRESSED, office.now) == 1
    ours.wait(INTERVAL)

    assert "room-1" in [device for each in ours.told[1:] for part in each.values() for device in part]


def test_alertmanager_4064_what_follows_from_something_else_is_not_told_after_a_restart(office: Office) -> None:
    """A silence that begins while news waits stands for any reason not to tell: it is looked at when it is told."""
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1")
    now = office.now
    with office.engine.begin() as connection:
        add_silence(connection, Silence(0, {"device": "room-1"}, "works", "anna", now, now + HOUR, now))
    office.now += WAIT

    drain(Duty(office, ours.plan, ours.inbox).desk)

    assert ours.told == []
    assert office.states() == {"muted": 1}


# ---- failures ------------------------------------------------------------------------------------------------------


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
            raise KeyError(message.id)

    inbox = Hangs("duty", timeout_s=20.0)
    with pytest.raises(KeyError):
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


def test_a_group_that_was_rejected_can_be_replayed(office: Office) -> None:
    ours = duty(office, inbox=Inbox("duty", script=[Attempt(Verdict.REJECTED, 400, "no")]))
    ours.tell("critical", FIRES, "room-1", "room-2")
    assert office.states() == {"dead": 2}
    with office.engine.begin() as connection:
        assert revive(connection, office.now) == 2

    drain(ours.desk)

    assert ours.inbox.types_taken == ["firing", "firing"]


# ---- budget and filters --------------------------------------------------------------------------------------------


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


# ---- config --------------------------------------------------------------------------------------------------------


def test_the_defaults_are_a_cold_chain_teams(office: Office) -> None:
    group = route().group
    assert group is not None
    assert (group.by, group.wait_s, group.critical_wait_s) == (("site",), 30, 0)
    assert (group.interval_s, group.repeat_s) == (300, 3600)


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ({"by": ["sites"]}, "no 'sites' .did you mean 'site'"),
        ({"by": ["label."]}, "use site, node"),
        ({"by": ["site", "site"]}, "names something twice"),
        ({"wait_s": -1}, "wait_s"),
        ({"every_s": 1}, "every_s"),
    ],
)
def test_a_faulty_group_is_refused_with_its_place(group: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        route(group)


def test_a_group_of_a_receiver_that_there_is_no_longer_is_forgotten_once_nothing_waits_in_it(office: Office) -> None:
    ours = duty(office)
    ours.tell("warning", FIRES, "room-1")
    with office.engine.begin() as connection:
        assert forget(connection, ["boss"]) == 0
    ours.wait(WAIT)

    with office.engine.begin() as connection:
        assert forget(connection, ["boss"]) == 1
