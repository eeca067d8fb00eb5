"""Routes and steps that name a rotation tell whoever is on call; somebody is always told."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from frostline_cloud.notify import Plan, RouteConfig, faults_of
from frostline_cloud.notify.config import CanaryConfig
from frostline_cloud.notify.oncall import Rotation, RotationConfig
from frostline_cloud.notify.oncall.cover import gaps
from frostline_cloud.notify.receivers.webhook import WebhookConfig
from frostline_cloud.notify.routing import Facts
from frostline_core.config import parse
from tests.support.office import FIRES, MINUTE, Inbox, Office, drain

CRITICAL = Facts("critical", "hamburg", "warm")
DAY: dict[str, Any] = {"during": [{"begin": "08:00", "end": "20:00"}]}
NIGHT: dict[str, Any] = {"during": [{"begin": "20:00", "end": "08:00"}]}


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


NOON, MIDNIGHT, NEXT_NOON = (at(f"2026-11-{when}Z") for when in ("23T12:00", "24T00:00", "24T12:00"))


def table(name: str = "duty", *members: str, **keys: Any) -> RotationConfig:
    people = members or ("anna", "ben")
    made = {"name": name, "members": people, "begin": date(2026, 11, 23), "every": "day", **keys}
    return parse(made, RotationConfig, "test")


def route(*to: str, **keys: Any) -> RouteConfig:
    return parse({"name": "all", "to": to, **keys}, RouteConfig, "test")


def plan(routes: list[RouteConfig], *rotations: RotationConfig) -> Plan:
    return Plan(("anna", "ben", "ops"), tuple(routes), (), "", tuple(Rotation.of(each) for each in rotations))


def test_a_route_tells_who_is_on_call_now() -> None:
    made = plan([route("duty", "ops")], table())

    assert made.choice(CRITICAL, NOON).receivers == {"ops": "all", "anna": "all"}
    assert made.choice(CRITICAL, NEXT_NOON).receivers == {"ops": "all", "ben": "all"}


def test_a_receiver_that_is_named_and_on_call_is_told_once() -> None:
    assert plan([], table()).on_call(["anna", "duty"], NOON) == {"anna": ""}


def test_while_nobody_is_on_call_the_fallback_is_told() -> None:
    made = plan([], table(fallback="ops", **DAY))

    assert made.on_call(["duty"], NOON) == {"anna": "duty"}
    assert made.on_call(["duty"], MIDNIGHT) == {"ops": "duty"}


def test_a_receiver_beside_a_rotation_does_not_stand_in_for_it() -> None:
    """It may be a log: the fallback is told too."""
    assert plan([], table(fallback="ben", **DAY)).on_call(["ops", "duty"], MIDNIGHT) == {"ops": "", "ben": "duty"}


def test_of_rotations_that_are_named_together_one_is_enough() -> None:
    made = plan([], table("day", "anna", fallback="ops", **DAY), table("night", "ben", **NIGHT))

    assert made.on_call(["day", "night"], NOON) == {"anna": "day"}
    assert made.on_call(["day", "night"], MIDNIGHT) == {"ben": "night"}


def test_where_nobody_is_on_call_and_no_fallback_is_named_everybody_is_told() -> None:
    assert set(plan([], table(**DAY)).on_call(["duty"], MIDNIGHT)) == {"anna", "ben", "ops"}


def test_a_step_calls_who_is_on_call_when_it_is_taken(office: Office) -> None:
    office.now = at("2026-11-24T07:55Z")
    begin = [route("ops", escalate=[{"after_minutes": 10, "to": ["duty"]}])]
    made = plan(begin, table(hand_over="08:00"))
    office.tell("critical", FIRES, ["room-1"], ["*"])
    office.dispatch(made)
    office.now += 10 * MINUTE
    office.dispatch(made)
    anna, ben = Inbox("anna"), Inbox("ben")
    for inbox in (anna, ben):
        drain(office.desk(inbox, made))

    assert (anna.types_taken, ben.types_taken) == ([], ["escalated"])


def test_who_was_on_call_hears_that_it_is_over_after_the_hand_over(office: Office) -> None:
    office.now = at("2026-11-24T07:55Z")
    made = plan([route("duty")], table(hand_over="08:00"))
    office.tell("critical", FIRES, ["room-1"], ["*"])
    office.dispatch(made)
    anna, ben = Inbox("anna"), Inbox("ben")
    drain(office.desk(anna, made))
    office.now += 10 * MINUTE
    office.tell("critical", (FIRES[1], type(FIRES[1]).RESOLVED), ["room-1"], ["*"])
    office.dispatch(made)
    for inbox in (anna, ben):
        drain(office.desk(inbox, made))

    assert (anna.types_taken, ben.types_taken) == (["firing", "resolved"], [])


# ---- the check -----------------------------------------------------------------------------------------------------


def wrong(routes: list[RouteConfig], *rotations: RotationConfig) -> list[str]:
    return gaps([Rotation.of(each) for each in rotations], routes, NOON)


def test_hours_in_which_nobody_is_on_call_are_found_and_named() -> None:
    (said,) = wrong([route("duty")], table(**DAY))

    assert said.startswith("route 'all': nobody is on call in 'duty' from Mon 2026-11-23 20:00 UTC to Tue 2026-11-24")
    assert "and 399 times more in a year; name a fallback" in said


def test_with_a_fallback_there_is_nothing_to_find() -> None:
    assert wrong([route("duty")], table(fallback="ops", **DAY)) == []


def test_windows_that_together_are_all_of_time_leave_nothing_out() -> None:
    assert wrong([route("day", "night")], table("day", **DAY), table("night", **NIGHT)) == []


def test_an_hour_that_two_zones_leave_open_in_winter_only_is_found() -> None:
    """From noon UTC the other side of the world takes over; Berlin's clock is put back, and an hour is nobody's."""
    berlin = table("berlin", time_zone="Europe/Berlin", during=[{"begin": "02:00", "end": "14:00"}])
    other = table("other", during=[{"begin": "12:00", "end": "00:00"}])
    (said,) = wrong([route("berlin", "other")], berlin, other)

    assert "nobody is on call in 'berlin', 'other'" in said
    assert "01:00" in said or "02:00" in said


def test_each_step_is_looked_at() -> None:
    steps = [{"after_minutes": 5, "to": ["ops"]}, {"after_minutes": 10, "to": ["duty"]}]

    assert wrong([route("ops", escalate=steps)], table(**DAY))[0].startswith("route 'all', step 2: nobody is on call")


def test_a_rotation_that_nothing_names_is_found() -> None:
    assert wrong([route("ops")], table()) == ["rotation 'duty' is named by no route and no step"]


def receiver(name: str, **keys: Any) -> WebhookConfig:
    made = {"name": name, "url": "https://hooks.example/", "secret": "${env:X}", **keys}
    return parse(made, WebhookConfig, "test")


ALL = [receiver(name) for name in ("anna", "ben", "ops")]


@pytest.mark.parametrize(
    ("rotation", "to", "said"),
    [
        (table("duty", "anna", "bem"), "duty", "rotation 'duty': no receiver 'bem' (did you mean 'ben'?)"),
        (table(fallback="opps"), "duty", "rotation 'duty': no receiver 'opps' (did you mean 'ops'?)"),
        (
            table(override=[{"who": "dora", "from": "2026-12-24T08:00", "to": "2026-12-26T08:00"}]),
            "duty",
            "rotation 'duty': no receiver 'dora'",
        ),
        (table("anna"), "anna", "names of receivers and rotations must be unique; twice: anna"),
        (table(), "dutty", "route 'all': no receiver or rotation 'dutty' (did you mean 'duty'?)"),
    ],
)
def test_names_that_do_not_fit_are_refused(rotation: RotationConfig, to: str, said: str) -> None:
    assert faults_of(ALL, [route(to)], None, [rotation]) == [said]


def test_a_rotation_is_no_fallback_of_a_receiver_and_no_canarys_receiver() -> None:
    some = [receiver("ops", fallback="duty"), *ALL[:2]]
    canary = parse({"to": "duty", "alarm": "ops"}, CanaryConfig, "test")

    found = faults_of(some, [], canary, [table()])

    assert [each.partition(": no receiver")[0] for each in found] == ["receiver 'ops': fallback", "canary: to"]


def test_a_step_whose_names_have_all_gone_from_the_configuration_tells_everybody() -> None:
    assert set(plan([], table()).on_call(["the-rotation-before"], NOON)) == {"anna", "ben", "ops"}
    assert plan([], table()).on_call(["the-rotation-before", "anna"], NOON) == {"anna": ""}
    assert plan([], table()).on_call([], NOON) == {}
