"""Somebody covers for somebody: overrides that are made while the system runs."""

from __future__ import annotations

import asyncio
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from frostline_cloud.notify import NotifyWorker, Plan, RouteConfig
from frostline_cloud.notify.oncall import Override, Rotation, RotationConfig
from frostline_cloud.notify.oncall.rows import (
    AHEAD_DAYS,
    LONGEST_DAYS,
    MOST_OVERRIDES,
    add_override,
    end_override,
    overrides,
    staffed,
)
from frostline_cloud.notify.reach import reach_of
from frostline_cloud.sql.tables import alert
from frostline_core.config import parse
from frostline_core.errors import ConfigError
from tests.support.office import FIRES, HOUR, MINUTE, Inbox, Office

DAY = 24 * HOUR


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


NOW = at("2026-11-23T12:00Z")  # a turn of wang


def rotation(**keys: Any) -> Rotation:
    made = {"name": "duty", "members": ("wang", "ben"), "begin": date(2026, 11, 23), "every": "day", **keys}
    return Rotation.of(parse(made, RotationConfig, "test"))


def plan(*rotations: Rotation, **escalate: Any) -> Plan:
    made = {"name": "all", "to": ["duty"], **escalate}
    return Plan(("wang", "ben", "li", "ops"), (parse(made, RouteConfig, "test"),), (), "", rotations or (rotation(),))


def cover(who: str = "li", hours: tuple[float, float] = (0, 4), **keys: Any) -> Override:
    begin, end = (NOW + round(each * HOUR) for each in hours)
    return Override("duty", who, begin, end, **{"reason": "dentist", "author": "anna", "created_ms": NOW, **keys})


def add(office: Office, *wanted: Override) -> list[Override]:
    with office.engine.begin() as connection:
        return [add_override(connection, plan(), each) for each in wanted]


def who(made: Plan, *hours: float) -> list[str]:
    return [next(iter(made.on_call(["duty"], NOW + round(each * HOUR)))) for each in hours]


def test_who_covers_is_on_call_until_the_override_is_over() -> None:
    made = plan().with_overrides([cover()])

    assert who(made, -1, 0, 3.99, 4) == ["wang", "li", "li", "wang"]


def test_who_covers_for_one_leaves_the_turns_of_others_alone() -> None:
    made = plan().with_overrides([cover(hours=(0, 72), instead_of="wang")])

    assert who(made, 0, 24, 48) == ["li", "ben", "li"]


def test_two_swap_their_turns() -> None:
    swap = [cover("ben", (0, 72), instead_of="wang"), cover("wang", (0, 72), instead_of="ben")]

    assert who(plan().with_overrides(swap), 0, 24, 48) == ["ben", "wang", "ben"]


def test_what_was_made_goes_before_what_the_file_says() -> None:
    planned = rotation(override=[{"who": "ops", "from": "2026-11-23T12:00Z", "to": "2026-11-23T20:00Z"}])

    assert who(plan(planned).with_overrides([cover()]), 0, 5, 9) == ["li", "ops", "wang"]


def test_an_override_of_another_rotation_or_for_a_receiver_that_has_gone_does_not_count() -> None:
    other = Override("night", "li", NOW, NOW + HOUR)
    gone = cover("dora")

    assert who(plan().with_overrides([other, gone]), 0) == ["wang"]


def test_the_file_may_say_for_whom_too() -> None:
    made = rotation(
        override=[{"who": "li", "instead_of": "wang", "from": "2026-11-23T12:00Z", "to": "2026-11-27T12:00Z"}]
    )

    assert who(plan(made), 0, 24, 48) == ["li", "ben", "li"]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ({"who": "li", "instead_of": "dora"}, "instead_of: dora is no member"),
        ({"who": "wang", "instead_of": "wang"}, "wang cannot stand in for wang"),
    ],
)
def test_the_file_names_members_and_nobody_for_themselves(override: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        rotation(override=[override | {"from": "2026-11-23T12:00Z", "to": "2026-11-24T12:00Z"}])


SPAN = st.tuples(
    st.integers(0, 96), st.integers(1, 48), st.sampled_from(["li", "ops"]), st.sampled_from(["", "wang", "ben"])
)


@given(st.lists(SPAN, max_size=6))
def test_what_the_calendar_shows_is_who_is_called(spans: list[tuple[int, int, str, str]]) -> None:
    made = [cover(name, (begin, begin + long), instead_of=of) for begin, long, name, of in spans]
    (found,) = plan().with_overrides(made).rotations

    duties = found.duties(NOW, 40)

    for duty in duties:
        assert duty.end_ms is not None
        for moment in (duty.begin_ms, (duty.begin_ms + duty.end_ms) // 2, duty.end_ms - 1):
            assert found.who(moment) == duty.who


# ---- rows ----------------------------------------------------------------------------------------------------------


def test_an_override_is_kept_with_its_reason_and_author(office: Office) -> None:
    (made,) = add(office, cover(instead_of="wang"))

    with office.engine.connect() as connection:
        assert overrides(connection, NOW) == [made]
        assert who(staffed(connection, plan(), NOW), 0) == ["li"]
    assert (made.id, made.reason, made.author, made.ended_by) == (1, "dentist", "anna", None)


def test_one_that_would_have_begun_earlier_begins_when_it_is_made(office: Office) -> None:
    assert add(office, cover(hours=(-5, 4)))[0].from_ms == NOW


def test_who_ends_one_is_noted_and_the_turn_goes_on(office: Office) -> None:
    add(office, cover())
    with office.engine.begin() as connection:
        assert end_override(connection, 1, "ben", NOW + HOUR)
        assert not end_override(connection, 1, "ben", NOW + HOUR)
        assert who(staffed(connection, plan(), NOW + HOUR), 1) == ["wang"]
        (kept,) = overrides(connection, NOW)
    assert (kept.to_ms, kept.ended_by) == (NOW + HOUR, "ben")


def test_one_that_is_ended_before_it_begins_never_counts(office: Office) -> None:
    add(office, cover(hours=(2, 4)))
    with office.engine.begin() as connection:
        end_override(connection, 1, "ben", NOW + HOUR)
        assert who(staffed(connection, plan(), NOW), 0, 3) == ["wang", "wang"]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (cover(hours=(4, 4)), "before it begins"),
        (cover(hours=(-5, -1)), "before it begins"),
        (cover(hours=(0, LONGEST_DAYS * 24 + 1)), "at most 90 days; for longer, change the rotation"),
        (cover(hours=(AHEAD_DAYS * 24 + 1, AHEAD_DAYS * 24 + 2)), "at most 365 days ahead"),
        (cover("wong"), r"no receiver 'wong' \(did you mean 'wang'\?\)"),
        (cover(instead_of="li"), "nobody in 'duty' is 'li'"),
        (cover(instead_of="bem"), r"nobody in 'duty' is 'bem' \(did you mean 'ben'\?\)"),
        (cover(reason=" "), "has a reason"),
        (Override("dutty", "li", NOW, NOW + HOUR, reason="x", created_ms=NOW), "no rotation 'dutty'"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(office: Office, wanted: Override, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        add(office, wanted)
    with office.engine.connect() as connection:
        assert overrides(connection, 0) == []


def test_two_for_the_same_time_are_refused_with_which_one_to_end(office: Office) -> None:
    add(office, cover(hours=(1, 4)))
    with pytest.raises(ConfigError, match=r"li is on call in 'duty' by override 1 already, .*; end that one first"):
        add(office, cover("ops", (3, 5)))
    add(office, cover("ops", (4, 5)))


def test_there_is_a_most_of_them(office: Office) -> None:
    add(office, *(cover(hours=(each, each + 1)) for each in range(MOST_OVERRIDES)))
    with pytest.raises(ConfigError, match="there are 500 overrides already"):
        add(office, cover(hours=(MOST_OVERRIDES, MOST_OVERRIDES + 1)))


# ---- who is told -----------------------------------------------------------------------------------------------------


def run(office: Office, made: Plan, *inboxes: Inbox) -> None:
    worker = NotifyWorker(office.engine, inboxes, lambda: office.now, plan=made)
    asyncio.run(worker.run_once())


def test_who_covers_is_told_and_after_the_override_whose_turn_it_is(office: Office) -> None:
    office.now = NOW
    add(office, cover())
    wang, li = Inbox("wang"), Inbox("li")
    office.tell("critical", FIRES, ["room-1"], ["*"])
    run(office, plan(), wang, li)
    office.now += 5 * HOUR
    office.tell("critical", FIRES, ["room-2"], ["*"])
    run(office, plan(), wang, li)

    assert [[each["series"]["device"] for each in inbox.taken] for inbox in (li, wang)] == [["room-1"], ["room-2"]]


STEP = {"to": ["ops"], "escalate": [{"after_minutes": 10, "to": ["duty"]}]}


def test_a_step_calls_who_covers_by_then(office: Office) -> None:
    office.now = NOW
    made, wang, li, ops = plan(**STEP), Inbox("wang"), Inbox("li"), Inbox("ops")
    office.tell("critical", FIRES, ["room-1"], ["*"])
    run(office, made, wang, li, ops)
    add(office, cover())  # after the alert was told
    office.now += 10 * MINUTE
    run(office, made, wang, li, ops)

    assert (li.types_taken, wang.types_taken, ops.types_taken) == (["escalated"], [], ["firing"])


def test_the_reach_of_an_alert_says_who_is_called_now_and_who_when_it_is_due(office: Office) -> None:
    office.now = NOW
    made = plan(**STEP)
    office.tell("critical", FIRES, ["room-1"], ["*"])
    office.dispatch(made)
    add(office, cover(hours=(5 / 60, 4)))
    with office.engine.connect() as connection:
        number = connection.scalar(select(alert.c.id))
        reach = reach_of(connection, made, str(number), NOW)
    (step,) = reach.steps

    assert (step.route, step.step, step.due_ms, step.state) == ("all", 1, NOW + 10 * MINUTE, "waiting")
    assert (step.now, step.then, reach.held) == ({"wang": "duty"}, {"li": "duty"}, "")
