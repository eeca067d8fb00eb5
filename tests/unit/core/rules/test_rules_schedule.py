"""Hours of the week over changes of clocks, and where there are none; minutes that are open are counted."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostline_core.rules.schedule import Schedule, window
from tests.unit.core.rules.rule_bench import DeviceBench, rule

MINUTE_MS = 60_000
WEEK = 7 * 24 * 60
ZONES = ("Europe/Berlin", "America/St_Johns", "Asia/Shanghai", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC")
"""Changes of an hour in other weeks, a half-hour offset, no changes, an odd offset, and a change of half an hour."""

SPRING, AUTUMN = "2026-03-23", "2026-10-19"
"""Mondays of the weeks in which Europe's clocks change; those of St. John's change on 8 March and 1 November."""


def utc(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def local_monday(zone: str, day: str) -> int:
    """Where a local week begins, UTC milliseconds."""
    return round(datetime.combine(date.fromisoformat(day), time(), ZoneInfo(zone)).timestamp() * 1000)


def open_minutes(schedule: Schedule, from_ms: int, to_ms: int) -> int:
    return sum(schedule.is_open(at_ms) for at_ms in range(from_ms, to_ms, MINUTE_MS))


def local_week(zone: str, monday: str) -> int:
    """Minutes open in a local week from Monday to Monday, of a shop and of a night."""
    shop = Schedule(zone=zone, hours=("mon-fri 08:00-18:00", "sat 09:00-13:00"))
    night = Schedule(zone=zone, hours=("22:00-06:00",))
    after = (date.fromisoformat(monday) + timedelta(days=7)).isoformat()
    span = (local_monday(zone, monday), local_monday(zone, after))
    return open_minutes(shop, *span) * 10_000 + open_minutes(night, *span)


SHOP, NIGHT = 54 * 60, 56 * 60


@pytest.mark.parametrize(
    ("zone", "monday", "night"),
    [
        ("Europe/Berlin", SPRING, NIGHT - 60),  # 29 March: the night has an hour less
        ("Europe/Berlin", AUTUMN, NIGHT + 60),  # 25 October: and an hour more
        ("Europe/Berlin", "2026-03-02", NIGHT),
        ("America/St_Johns", "2026-03-02", NIGHT - 60),  # 8 March
        ("America/St_Johns", "2026-10-26", NIGHT + 60),  # 1 November
        ("America/St_Johns", SPRING, NIGHT),
        ("Asia/Shanghai", SPRING, NIGHT),
        ("Asia/Shanghai", AUTUMN, NIGHT),
        ("Australia/Lord_Howe", "2026-03-30", NIGHT + 30),  # 5 April: half an hour more
        ("Australia/Lord_Howe", "2026-09-28", NIGHT - 30),  # 4 October
    ],
)
def test_the_minutes_of_a_week_are_those_of_the_local_clock(zone: str, monday: str, night: int) -> None:
    assert local_week(zone, monday) == SHOP * 10_000 + night


@pytest.mark.parametrize(
    ("zone", "opens", "closes"),
    [
        ("Europe/Berlin", ["2026-03-27T07:00", "2026-03-30T06:00"], ["2026-03-27T17:00", "2026-03-30T16:00"]),
        ("Europe/Berlin", ["2026-10-23T06:00", "2026-10-26T07:00"], ["2026-10-23T16:00", "2026-10-26T17:00"]),
        ("America/St_Johns", ["2026-03-06T11:30", "2026-03-09T10:30"], ["2026-03-06T21:30", "2026-03-09T20:30"]),
        ("America/St_Johns", ["2026-10-30T10:30", "2026-11-02T11:30"], ["2026-10-30T20:30", "2026-11-02T21:30"]),
        ("Asia/Shanghai", ["2026-03-27T00:00", "2026-03-30T00:00"], ["2026-03-27T10:00", "2026-03-30T10:00"]),
        ("Asia/Shanghai", ["2026-10-23T00:00", "2026-10-26T00:00"], ["2026-10-23T10:00", "2026-10-26T10:00"]),
    ],
)
def test_a_shop_opens_at_eight_on_both_sides_of_a_change(zone: str, opens: list[str], closes: list[str]) -> None:
    shop = Schedule(zone=zone, hours=("mon-fri 08:00-18:00",))

    for begins, ends in zip(map(utc, opens), map(utc, closes), strict=True):
        assert (shop.is_open(begins - 1), shop.is_open(begins)) == (False, True)
        assert (shop.is_open(ends - 1), shop.is_open(ends)) == (True, False)
    assert shop.closed_until_ms(utc(closes[0])) == utc(opens[1])


@pytest.mark.parametrize(
    ("hours", "at", "opens"),
    [
        ("02:30-03:30", "2026-03-29T00:00", "2026-03-29T01:00"),  # 02:30 does not exist: from 03:00 on
        ("01:30-02:30", "2026-03-29T00:00", "2026-03-29T00:30"),
        ("02:30-05:00", "2026-10-25T00:00", "2026-10-25T00:30"),  # 02:30 comes twice: from the first on
    ],
)
def test_an_hour_that_a_change_leaves_out_or_doubles(hours: str, at: str, opens: str) -> None:
    assert Schedule(zone="Europe/Berlin", hours=(hours,)).closed_until_ms(utc(at)) == utc(opens)


@pytest.mark.parametrize(
    ("hours", "day", "minutes"),
    [
        ("02:00-03:00", "2026-03-29", 0),  # Berlin's hour that does not exist
        ("02:30-03:30", "2026-03-29", 30),
        ("01:30-02:30", "2026-03-29", 30),
        ("02:00-03:00", "2026-10-25", 120),  # the hour that comes twice
        ("01:00-01:30", "2026-10-25", 30),
        ("01:00-02:30", "2026-10-25", 150),  # to the second 02:30
        ("02:30-04:00", "2026-10-25", 150),  # from the first
    ],
)
def test_what_is_open_of_an_hour_that_does_not_exist_or_comes_twice(hours: str, day: str, minutes: int) -> None:
    noon = utc(f"{day}T12:00")

    assert open_minutes(Schedule(zone="Europe/Berlin", hours=(hours,)), noon - 14 * 60 * MINUTE_MS, noon) == minutes


hours_of_a_week = st.lists(
    st.builds(
        lambda days, start, length: (days, start, length),
        st.sampled_from(["", "mon ", "sat-sun ", "mon-fri ", "sun ", "fri-mon "]),
        st.integers(0, 23).map(lambda hour: hour * 60) | st.integers(0, 95).map(lambda part: part * 15),
        st.integers(1, 95).map(lambda part: part * 15),
    ),
    min_size=1,
    max_size=3,
)


def written(given_hours: list[tuple[str, int, int]]) -> tuple[str, ...]:
    texts = []
    for days, start, length in given_hours:
        end = (start + length) % (24 * 60)
        texts.append(f"{days}{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}")
    return tuple(texts)


def in_window(hours: tuple[str, ...], local: datetime) -> bool:
    """Whether a local time of day is in one of the windows: no arithmetic with zones."""
    minute = local.hour * 60 + local.minute
    for days, start, end in map(window, hours):
        today, yesterday = local.weekday() in days, (local.weekday() - 1) % 7 in days
        if (today and start <= minute < end) or (yesterday and start <= minute + 24 * 60 < end):
            return True
    return False


@settings(max_examples=60, deadline=None)
@given(
    hours_of_a_week,
    st.sampled_from(ZONES),
    st.sampled_from(["2026-01-12", "2026-03-02", SPRING, "2026-03-30", "2026-10-26", AUTUMN, "2026-09-28"]),
)
def test_open_is_what_a_wall_clock_says_but_in_the_hour_of_a_change(
    given_hours: list[tuple[str, int, int]], zone: str, monday: str
) -> None:
    hours, here = written(given_hours), ZoneInfo(zone)
    schedule, start = Schedule(zone=zone, hours=hours), local_monday(zone, monday)
    for at_ms in range(start, start + WEEK * MINUTE_MS, 15 * MINUTE_MS):
        local = datetime.fromtimestamp(at_ms / 1000, here)
        if _is_plain(local):
            assert schedule.is_open(at_ms) is in_window(hours, local), (hours, local)


def _is_plain(local: datetime) -> bool:
    """Whether the clock is not changed within three hours: there an end that comes twice is the first."""
    around = [(local.astimezone(UTC) + timedelta(hours=hour)).astimezone(local.tzinfo) for hour in (-3, 0, 3)]
    return len({each.utcoffset() for each in around}) == 1


@settings(max_examples=40, deadline=None)
@given(hours_of_a_week, st.sampled_from(ZONES), st.integers(0, WEEK), st.sampled_from([SPRING, AUTUMN, "2026-10-26"]))
def test_when_it_opens_next_is_the_first_open_minute(
    given_hours: list[tuple[str, int, int]], zone: str, minute: int, monday: str
) -> None:
    schedule = Schedule(zone=zone, hours=written(given_hours))
    at_ms = local_monday(zone, monday) + minute * MINUTE_MS
    if schedule.is_open(at_ms):
        return

    opens = schedule.closed_until_ms(at_ms)

    assert opens > at_ms
    assert schedule.is_open(opens)
    assert not any(schedule.is_open(each) for each in range(at_ms, opens, 15 * MINUTE_MS))


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "Asia/Shanghai"])
@pytest.mark.parametrize("monday", ["2026-03-02", SPRING, AUTUMN, "2026-10-26"])
def test_what_is_warm_all_week_fires_when_the_shop_opens_each_day(zone: str, monday: str) -> None:
    """A room that is too warm from Friday evening to Monday noon, over a change of clocks on Sunday."""
    friday = local_monday(zone, monday) + (4 * 24 + 19) * 60 * MINUTE_MS
    bench = DeviceBench([rule("threshold", above=8.0, schedule={"zone": zone, "hours": ["mon-fri 08:00-18:00"]})])
    for step in range(0, 70 * 60, 5):
        bench.see((friday / MINUTE_MS + step, 9.0))

    (fired,) = bench.transitions
    local = datetime.fromtimestamp(fired.at_ms / 1000, ZoneInfo(zone))
    assert (local.strftime("%a %H:%M"), fired.facts["suppressed_ms"]) == ("Mon 08:00", fired.at_ms - friday)
