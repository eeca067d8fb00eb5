"""Who is told of what."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_cloud.notify.routing import Facts, RouteConfig, choose, gaps, matches
from frostline_cloud.notify.stage import Stage
from frostline_core.config import parse
from frostline_core.errors import ConfigError

ALERT = Facts("critical", "hamburg", "freezer-warm", Stage.FIRING, "cold_room", "freezer-1", {"product": "fish"})
NOON = round(datetime(2026, 1, 31, 12, 0, tzinfo=UTC).timestamp() * 1000)  # a Saturday


def route(name: str = "r", **keys: Any) -> RouteConfig:
    return parse({"name": name, "to": [f"to-{name}"], **keys}, RouteConfig, "test")


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    "condition",
    [
        {},
        {"severities": ["warning", "critical"]},
        {"sites": ["ham*"]},
        {"rules": ["freezer-????"]},
        {"kinds": ["cold_room"]},
        {"zones": ["freezer-[0-9]"]},
        {"stages": ["firing"]},
        {"labels": {"product": "fi*"}},
        {"during": [{"days": ["sat"], "begin": "11:00", "end": "13:00"}]},
    ],
)
def test_a_route_fits_where_its_condition_holds(condition: dict[str, Any]) -> None:
    assert matches(route(**condition), ALERT, NOON)


@pytest.mark.parametrize(
    "condition",
    [
        {"severities": ["warning"]},
        {"sites": ["rotterdam"]},
        {"rules": ["freezer"]},
        {"kinds": ["door"]},
        {"zones": ["freezer-2"]},
        {"stages": ["resolved"]},
        {"labels": {"product": "meat"}},
        {"labels": {"owner": "*"}},
        {"during": [{"days": ["sun"]}]},
        {"during": [{"days": ["sat"]}], "outside": True},
        {"sites": ["hamburg"], "rules": ["other"]},
    ],
)
def test_a_route_does_not_fit_where_one_condition_does_not_hold(condition: dict[str, Any]) -> None:
    assert not matches(route(**condition), ALERT, NOON)


def test_the_first_route_that_fits_takes_the_alert() -> None:
    routes = [route("a", sites=["rotterdam"]), route("b"), route("c")]

    assert choose(routes, ALERT, NOON).receivers == {"to-b": "b"}


def test_a_route_that_goes_on_lets_later_ones_take_it_too() -> None:
    routes = [route("a", **{"continue": True}), route("b"), route("c")]

    assert list(choose(routes, ALERT, NOON).receivers) == ["to-a", "to-b"]


def test_a_receiver_of_two_routes_is_told_once() -> None:
    routes = [route("a", **{"continue": True}), route("b", to=["to-a", "other"])]

    assert choose(routes, ALERT, NOON).receivers == {"to-a": "a", "other": "b"}


NIGHT: dict[str, Any] = {"during": [{"days": ["fri"], "begin": "22:00", "end": "06:00"}], "time_zone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("when", "is_night"),
    [
        ("2026-01-30T21:59:00+01:00", False),
        ("2026-01-30T22:00:00+01:00", True),
        ("2026-01-31T05:59:00+01:00", True),
        ("2026-01-31T06:00:00+01:00", False),
        ("2026-01-31T23:00:00+01:00", False),  # Saturday night
        ("2026-01-30T01:00:00+01:00", False),  # Thursday's night
    ],
)
def test_a_window_past_midnight_belongs_to_the_day_on_which_it_begins(when: str, is_night: bool) -> None:
    assert matches(route(**NIGHT), ALERT, at(when)) is is_night


@pytest.mark.parametrize(
    ("when", "inside"),
    [
        ("2026-03-29T01:59:00+01:00", False),
        ("2026-03-29T03:00:00+02:00", True),  # the clock went from 02:00 to 03:00; 02:30 never was
        ("2026-03-29T03:59:00+02:00", True),
        ("2026-03-29T04:00:00+02:00", False),
        ("2026-10-25T02:30:00+02:00", True),  # 02:30 comes twice
        ("2026-10-25T02:29:00+01:00", False),
        ("2026-10-25T02:30:00+01:00", True),
        ("2026-07-05T02:30:00+02:00", True),
        ("2026-12-06T02:30:00+01:00", True),
    ],
)
def test_a_window_follows_the_clock_on_the_wall(when: str, inside: bool) -> None:
    window = {"days": ["sun"], "begin": "02:30", "end": "04:00"}

    assert matches(route(during=[window], time_zone="Europe/Berlin"), ALERT, at(when)) is inside


@given(
    st.integers(1_600_000_000_000, 1_900_000_000_000),
    st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Shanghai", "Australia/Lord_Howe"]),
    st.tuples(st.integers(0, 1439), st.integers(1, 1440)).filter(lambda pair: pair[0] != pair[1]),
)
def test_a_window_and_what_is_outside_of_it_are_all_of_time(now_ms: int, zone: str, span: tuple[int, int]) -> None:
    begin, end = (f"{minute // 60:02}:{minute % 60:02}" for minute in span)
    keys: dict[str, Any] = {"during": [{"begin": begin, "end": end}], "time_zone": zone}

    inside = matches(route(**keys), ALERT, now_ms)
    outside = matches(route(**keys, outside=True), ALERT, now_ms)

    assert inside is not outside


@pytest.mark.parametrize(
    "change",
    [
        {"during": [{"begin": "25:00"}]},
        {"during": [{"begin": "08:00", "end": "08:00"}]},
        {"during": [{"days": ["monday"]}]},
        {"outside": True},
        {"time_zone": "Berlin"},
        {"severities": ["fatal"]},
        {"stages": ["fired"]},
        {"escalate": [{"after_minutes": 10, "to": ["a"]}, {"after_minutes": 5, "to": ["b"]}]},
        {"escalate": [{"after_minutes": 10, "to": []}]},
        {"site": ["hamburg"]},
    ],
)
def test_a_route_without_sense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="test"):
        route(**change)


def test_routes_that_leave_nothing_out_have_no_gaps() -> None:
    routes = [
        route("night", **NIGHT, severities=["critical"]),
        route("fish", labels={"product": "fish"}, **{"continue": True}),
        route("rest"),
    ]

    assert gaps(routes, NOON) == []
    assert gaps([], NOON) == []


@pytest.mark.parametrize(
    ("routes", "about"),
    [
        ([{"sites": ["hamburg"]}], "site 'any-other'"),
        ([{"severities": ["info", "warning"]}], "a critical alert"),
        ([{"rules": ["a", "b"]}], "rule 'any-other'"),
        ([{"during": [{"days": ["mon", "tue", "wed", "thu", "fri"]}]}], "Saturday"),
        ([{"sites": ["hamburg"], "to": []}, {"sites": ["[!h]*"]}], "site 'hamburg'"),
    ],
)
def test_a_critical_alert_that_nobody_gets_is_found_and_named(routes: list[dict[str, Any]], about: str) -> None:
    found = gaps([route(f"r{number}", **keys) for number, keys in enumerate(routes)], NOON)

    assert about in found[0]
    assert "goes to" not in found[0]


def test_a_route_that_others_leave_nothing_to_is_found() -> None:
    found = gaps([route("all"), route("late", sites=["hamburg"])], NOON)

    assert found == ["route 'late' never gets anything: routes before it take all that it would"]


def test_windows_that_together_are_the_whole_week_leave_no_gap() -> None:
    day = {"begin": "06:00", "end": "22:00"}
    routes = [
        route("day", during=[day], time_zone="Europe/Berlin"),
        route("night", during=[day], outside=True, time_zone="Europe/Berlin"),
    ]

    assert gaps(routes, NOON) == []


@given(st.sampled_from(["info", "warning", "critical"]), st.sampled_from(list(Stage)), st.text(max_size=20))
def test_a_route_without_conditions_takes_everything(severity: str, stage: Stage, site: str) -> None:
    assert matches(route(), replace(ALERT, severity=severity, stage=stage, site=site), NOON)
