"""Whose turn it is, by the clock on the wall."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostline_cloud.notify.oncall import Rotation, RotationConfig
from frostline_core.config import parse
from frostline_core.errors import ConfigError

HOUR, DAY = 3_600_000, 86_400_000
ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Shanghai", "Australia/Lord_Howe", "America/Havana"]


def rotation(**keys: Any) -> Rotation:
    made = {"name": "duty", "members": ["anna", "ben", "chen"], "begin": date(2026, 11, 23), **keys}
    return Rotation.of(parse(made, RotationConfig, "test"))


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def shown(made: Rotation, text: str, most: int) -> list[tuple[str, str]]:
    """Who, and until when, by the clock of the zone."""
    duties = made.duties(at(text), most)
    return [(each.who, datetime.fromtimestamp((each.end_ms or 0) / 1000, made.zone).isoformat()) for each in duties]


BERLIN = {"hand_over": "mon 08:00", "time_zone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("when", "who"),
    [
        ("2026-11-23T07:59:00+01:00", "chen"),  # before the first turn the turns go on backwards
        ("2026-11-23T08:00:00+01:00", "anna"),
        ("2026-11-30T07:59:59+01:00", "anna"),
        ("2026-11-30T08:00:00+01:00", "ben"),
        ("2026-12-07T08:00:00+01:00", "chen"),
        ("2026-12-14T08:00:00+01:00", "anna"),
        ("2027-06-14T07:59:00+02:00", "ben"),  # hand-over stays at 08:00 in summer
        ("2027-06-14T08:00:00+02:00", "chen"),
    ],
)
def test_turns_change_each_week_at_the_hand_over(when: str, who: str) -> None:
    assert rotation(**BERLIN).who(at(when)) == who


def test_turns_of_a_day_change_each_day() -> None:
    made = rotation(every="day", hand_over="18:00")

    assert [made.who(at(f"2026-11-{day}T18:00:00Z")) for day in (23, 24, 25, 26)] == ["anna", "ben", "chen", "anna"]


def test_a_turn_may_have_several_weeks() -> None:
    made = rotation(length=2, members=["anna", "ben"])

    assert [made.who(at("2026-11-24T00:00:00Z") + week * 7 * DAY) for week in range(5)] == [
        "anna", "anna", "ben", "ben", "anna",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("begin", "hand_over", "before", "after"),
    [
        ("2026-03-23", "02:30", "2026-03-29T01:59:00+01:00", "2026-03-29T03:00:00+02:00"),  # 02:30 never was
        ("2026-10-19", "02:30", "2026-10-25T02:29:00+02:00", "2026-10-25T02:30:00+02:00"),  # the first of two
    ],
)
def test_a_hand_over_in_the_hour_that_is_missing_or_comes_twice(
    begin: str, hand_over: str, before: str, after: str
) -> None:
    start = date.fromisoformat(begin) - timedelta(days=1)
    made = rotation(begin=start, hand_over=hand_over, time_zone="Europe/Berlin", members=["anna", "ben"])

    assert (made.who(at(before)), made.who(at(after))) == ("anna", "ben")
    assert made.who(at(after) + 2 * HOUR) == "ben"
    assert made.duties(at(before), 1)[0].end_ms == at(after)


def test_a_day_that_a_zone_left_out_shortens_its_turn() -> None:
    """Samoa had no 30 December 2011: its turn is from the jump of the clock to the next hand-over."""
    made = rotation(begin=date(2011, 12, 28), every="day", time_zone="Pacific/Apia")

    assert shown(made, "2011-12-28T20:00:00+00:00", 3) == [
        ("anna", "2011-12-29T08:00:00-10:00"),
        ("ben", "2011-12-31T00:00:00+14:00"),
        ("chen", "2011-12-31T08:00:00+14:00"),
    ]


def test_an_override_puts_somebody_else_there_for_a_while() -> None:
    made = rotation(
        **BERLIN,
        override=[
            {"who": "dora", "from": "2026-12-24T08:00", "to": "2026-12-26T08:00"},
            {"who": "ben", "from": "2026-11-25T12:00", "to": "2026-11-25T18:00:00+01:00"},
        ],
    )

    assert shown(made, "2026-11-25T10:00:00+01:00", 3) == [
        ("anna", "2026-11-25T12:00:00+01:00"),
        ("ben", "2026-11-25T18:00:00+01:00"),
        ("anna", "2026-11-30T08:00:00+01:00"),
    ]
    assert made.who(at("2026-12-24T08:00:00+01:00")) == "dora"
    assert made.who(at("2026-12-26T08:00:00+01:00")) == "ben"
    duties = made.duties(at("2026-11-25T10:00:00+01:00"), 3)
    assert [each.override is not None for each in duties] == [False, True, False]


def test_outside_of_its_windows_nobody_is_on_call_unless_an_override_says_so() -> None:
    made = rotation(
        **BERLIN,
        during=[{"days": ["mon", "tue", "wed", "thu", "fri"], "begin": "18:00", "end": "06:00"}],
        override=[{"who": "dora", "from": "2026-11-28T12:00", "to": "2026-11-28T13:00"}],
    )

    assert shown(made, "2026-11-27T12:00:00+01:00", 6) == [
        ("", "2026-11-27T18:00:00+01:00"),
        ("anna", "2026-11-28T06:00:00+01:00"),
        ("", "2026-11-28T12:00:00+01:00"),
        ("dora", "2026-11-28T13:00:00+01:00"),
        ("", "2026-11-30T18:00:00+01:00"),
        ("ben", "2026-12-01T06:00:00+01:00"),
    ]


def test_who_is_alone_has_no_end() -> None:
    (duty,) = rotation(members=["anna"]).duties(at("2026-11-23T12:00:00Z"), 5)

    assert (duty.who, duty.end_ms) == ("anna", None)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1_600_000_000_000, 1_900_000_000_000),
    st.sampled_from(ZONES),
    st.integers(0, 1439),
    st.sampled_from(["day", "week"]),
    st.booleans(),
    st.lists(st.integers(0, 20 * 1440), max_size=20),
)
def test_what_the_calendar_shows_is_who_is_called(
    now_ms: int, zone: str, minute: int, every: str, has_windows: bool, minutes: list[int]
) -> None:
    clock = f"{minute // 60:02}:{minute % 60:02}"
    windows = [{"begin": clock, "end": "06:15" if clock != "06:15" else "07:15"}] if has_windows else []
    made = rotation(every=every, hand_over=clock, time_zone=zone, during=windows)
    duties = made.duties(now_ms, 60)

    assert duties[0].begin_ms == now_ms
    assert all(one.end_ms == other.begin_ms and one.who != other.who for one, other in pairwise(duties))
    for each in minutes:
        at_ms = now_ms + each * 60_000
        for duty in duties:
            if duty.begin_ms <= at_ms and (duty.end_ms is None or at_ms < duty.end_ms):
                assert made.who(at_ms) == duty.who


@settings(max_examples=40, deadline=None)
@given(st.integers(1_600_000_000_000, 1_900_000_000_000), st.sampled_from(ZONES), st.integers(0, 1439))
def test_somebody_is_always_on_call_and_turns_are_fair(now_ms: int, zone: str, minute: int) -> None:
    made = rotation(every="day", hand_over=f"{minute // 60:02}:{minute % 60:02}", time_zone=zone)
    duties = made.duties(now_ms, 62)[1:-1]
    order = [each.who for each in duties]

    assert "" not in order
    assert all(order[number] == order[number % 3] for number in range(len(order)))
    lengths = {(each.end_ms or 0) - each.begin_ms for each in duties}
    assert min(lengths) >= 22 * HOUR
    assert max(lengths) <= 26 * HOUR


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"members": []}, "members"),
        ({"hand_over": "24:00"}, "must be a time of day"),
        ({"hand_over": "monday 08:00"}, "must be a time of day"),
        ({"hand_over": "tue 08:00"}, "begin: 2026-11-23 is a mon, and hand_over says tue"),
        ({"hand_over": "mon 08:00", "every": "day"}, "turns change each day"),
        ({"every": "month"}, "every"),
        ({"length": 0}, "length"),
        ({"time_zone": "Berlin"}, "is not a time zone"),
        ({"begin": "soon"}, "begin"),
        ({"member": ["a"]}, "did you mean 'members'"),
        ({"override": [{"who": "ben", "from": "2026-12-24", "to": "2026-12-2"}]}, "must be a time such as"),
        ({"override": [{"who": "ben", "from": date(2026, 12, 24), "to": date(2026, 12, 26)}]}, "needs a time of day"),
        ({"override": [{"who": "ben", "from": "2026-12-26T08:00", "to": "2026-12-24T08:00"}]}, "before it begins"),
    ],
)
def test_a_rotation_without_sense_is_refused_with_the_reason(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        rotation(**change)


def test_overrides_that_overlap_are_refused_and_both_are_named() -> None:
    both = [
        {"who": "ben", "from": "2026-12-24T08:00", "to": "2026-12-26T08:00"},
        {"who": "dora", "from": "2026-12-25T08:00", "to": "2026-12-27T08:00"},
    ]
    with pytest.raises(ConfigError, match="from 2026-12-25 08:00 UTC both ben and dora are on call"):
        rotation(override=both)


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("2026-03-29T02:30", "never is in Europe/Berlin"),
        ("2026-10-25T02:30", r"comes twice in Europe/Berlin.*2026-10-25T02:30:00\+02:00"),
    ],
)
def test_a_time_that_the_clock_does_not_show_once_is_refused(when: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        rotation(**BERLIN, override=[{"who": "ben", "from": when, "to": "2026-12-01T00:00"}])


def test_a_time_with_its_offset_is_taken_as_it_is() -> None:
    second = "2026-10-25T02:30:00+01:00"
    made = rotation(**BERLIN, override=[{"who": "dora", "from": second, "to": "2026-10-26T00:00"}])

    assert made.who(at(second) - 1) != "dora"
    assert made.who(at(second)) == "dora"
