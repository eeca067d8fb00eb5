"""Machines: too short cycles, defrosts that are missing or do not end, and duty that drifts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.errors import ConfigError
from frostline_core.rules import Phase
from frostline_core.rules.backlog import JOIN_MS
from tests.unit.core.rules.rule_bench import MINUTE, DeviceBench, guarded_and_exact, rule, timed

HOUR, DAY = 60, 1440
METRICS = ("air_temperature", "outside")


def bench_of(type_: str, **keys: object) -> DeviceBench:
    return DeviceBench([rule(type_, **keys)], METRICS)


def hold(bench: DeviceBench, start: float, stop: float, value: float | None) -> DeviceBench:
    """The same value from start up to, not including, stop; it is sent again each 5 minutes."""
    minute = start
    while minute < stop:
        bench.see((minute, value))
        minute += 5
    return bench


def runs(bench: DeviceBench, *lengths: float, start: float = 0, first: float = 0.0) -> DeviceBench:
    """Runs and pauses of these lengths, minutes, one after the other; and the switch that ends the last."""
    value = first
    for length in lengths:
        hold(bench, start, start + length, value)
        start, value = start + length, 1.0 - value
    return bench.see((start, value))


# ---- cycling -------------------------------------------------------------------------------------------------------
def cycling(**keys: object) -> DeviceBench:
    return bench_of("cycling", **{"min_on": "3m", **keys})


def test_runs_that_are_too_short_too_often_fire() -> None:
    bench = runs(cycling(), 10, 2, 10, 1, 10, 2)

    (fired,) = bench.transitions
    assert (fired.at_ms, fired.value, fired.limit, fired.note) == (35 * MINUTE, 3, 3, "3 too short within 1h")


def test_runs_of_the_least_length_are_in_order() -> None:
    assert runs(cycling(), 10, 3, 1, 3, 1, 3, 1, 3, 10).path == []


def test_pauses_that_are_too_short_fire() -> None:
    assert runs(cycling(min_on=None, min_off="2m", times=2), 10, 10, 1, 10, 1).path == ["firing@32"]


def test_it_is_over_when_they_are_fewer() -> None:
    bench = runs(cycling(), 10, 2, 10, 1, 10, 2)

    assert hold(bench, 40, 120, 0.0).path == ["firing@35", "resolved@75"]


def test_the_first_run_of_all_is_of_unknown_length() -> None:
    assert runs(cycling(times=1), 1, 10, 10, first=1.0).path == []


def test_a_run_that_ends_without_a_value_is_of_unknown_length() -> None:
    bench = cycling(times=1).see((0, 0.0), (5, 1.0), (6, None), (7, 0.0))

    assert bench.path == ["unknown@6", "ok@7"]


def test_short_runs_in_a_backlog_count() -> None:
    bench = runs(cycling(), 10, 2, 5)
    bench.see((40, 0.0))
    bench.see((20, 0.0), (22, 1.0), (23, 0.0), (30, 0.0), (35, 0.0)).wait(41).wait(41 + JOIN_MS / MINUTE)

    assert bench.see((41, 1.0), (42, 0.0)).path[-1] == "firing@42"


def test_cycling_goes_on_after_a_restart() -> None:
    bench = runs(cycling(), 10, 2, 10, 1, 10)

    assert bench.restarted().see((35, 0.0)).path == ["firing@35"]


# ---- defrost -------------------------------------------------------------------------------------------------------
def defrost(**keys: object) -> DeviceBench:
    return bench_of("defrost", **keys)


def test_a_defrost_that_does_not_come_fires() -> None:
    bench = runs(defrost(every="10h"), 30, 20, 11 * HOUR)

    assert bench.path == ["unknown@0", "ok@30", f"firing@{50 + 10 * HOUR}", f"resolved@{50 + 11 * HOUR}"]
    assert bench.transitions[2].facts == {"last_defrost_ms": 50 * MINUTE}


def test_defrosts_in_time_are_in_order() -> None:
    assert runs(defrost(every="10h"), 30, 20, 9 * HOUR, 20, 9 * HOUR).path == ["unknown@0", "ok@30"]


def test_where_none_was_ever_seen_it_fires_after_the_time() -> None:
    assert hold(defrost(every="10h"), 0, 11 * HOUR, 0.0).path == ["unknown@0", f"firing@{10 * HOUR}"]


def test_a_gap_may_hide_a_defrost() -> None:
    bench = runs(defrost(every="10h"), 30, 20, 5 * HOUR)
    hold(bench, 7 * HOUR, 18 * HOUR, 0.0)

    assert bench.path[2:] == [f"unknown@{50 + 15 * HOUR}", f"firing@{17 * HOUR}"]


def test_a_defrost_that_does_not_end_fires() -> None:
    bench = runs(defrost(longest="45m"), 30, 60)

    assert (bench.path, bench.transitions[0].note) == (["firing@75", "resolved@90"], "a defrost of more than 45m")


def test_a_defrost_that_ends_in_time_is_in_order() -> None:
    assert runs(defrost(longest="45m"), 30, 40, 30).path == []


def test_a_defrost_in_a_backlog_was_not_missing() -> None:
    bench = runs(defrost(every="10h"), 30, 20, 5 * HOUR, 20)
    hold(bench, 8 * HOUR, 8 * HOUR + 5, 0.0)
    end = 50 + 5 * HOUR + 20
    hold(hold(hold(bench, end + 5, end + 30, 0.0), end + 30, end + 50, 1.0), end + 50, 8 * HOUR, 0.0)
    bench.wait(8 * HOUR + 5).wait(8 * HOUR + 5 + JOIN_MS / MINUTE)

    path = hold(bench, 8 * HOUR + 5, 18 * HOUR, 0.0).path
    assert path[-1] == f"firing@{end + 50 + 10 * HOUR}"


# ---- duty ----------------------------------------------------------------------------------------------------------
def duty(**keys: object) -> DeviceBench:
    return bench_of("duty", **{"above": 0.15, **keys})


def day_of(bench: DeviceBench, day: int, part: float, outside: float = 20.0) -> DeviceBench:
    """A day in which it runs so much of each hour."""
    bench.see((day * DAY, outside), metric="outside")
    for hour in range(24):
        start = day * DAY + hour * HOUR
        hold(hold(bench, start, start + part * HOUR, 1.0), start + part * HOUR, start + HOUR, 0.0)
    return bench


def test_a_day_of_more_work_than_usual_fires_when_it_is_over() -> None:
    bench = duty()
    for day, part in enumerate([0.5, 0.5, 0.45, 0.5, 0.55, 0.75, 0.5]):
        day_of(bench, day, part)
    bench.see((7 * DAY, 1.0))

    assert bench.path[-2:] == [f"firing@{6 * DAY}", f"resolved@{7 * DAY}"]
    fired = bench.transitions[-2]
    assert (fired.value, fired.limit, fired.note) == (0.75, 0.65, "75% of the day, usually 50%")


def test_less_work_than_usual() -> None:
    bench = duty(above=None, below=0.3)
    for day, part in enumerate([0.5] * 5 + [0.1]):
        day_of(bench, day, part)

    assert bench.see((6 * DAY, 1.0)).transitions[-1].after is Phase.FIRING


def test_few_days_are_nothing_usual() -> None:
    bench = duty()
    for day in range(5):
        day_of(bench, day, 0.5 if day < 4 else 0.9)

    assert bench.see((5 * DAY, 1.0)).path == ["unknown@0"]


def test_a_hot_day_is_compared_with_hot_days() -> None:
    parts = [(0.4, 15.0)] * 5 + [(0.7, 32.0)] * 5 + [(0.75, 33.0), (0.7, 15.0)]
    bench = duty(ambient="outside", history="20d")
    for day, (part, outside) in enumerate(parts):
        day_of(bench, day, part, outside)
    bench.see((12 * DAY, 1.0))

    assert [each.at_ms // (DAY * MINUTE) for each in bench.transitions if each.after is Phase.FIRING] == [12]


def test_a_day_without_the_ambient_is_not_judged() -> None:
    bench = duty(ambient="condenser")
    for day in range(7):
        day_of(bench, day, 0.5)

    assert bench.path == ["unknown@0"]


def test_a_day_with_a_long_gap_is_not_judged() -> None:
    bench = duty()
    for day in range(6):
        day_of(bench, day, 0.5)
    hold(bench, 6 * DAY, 6 * DAY + 10 * HOUR, 1.0)

    assert bench.see((7 * DAY, 1.0)).path[-1] == f"unknown@{7 * DAY}"


# ---- all of them ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("type_", "keys", "named"),
    [
        ("cycling", {}, "min_on"),
        ("defrost", {}, "every"),
        ("duty", {}, "above"),
        ("defrost", {"every": "10m"}, "max_gap"),
    ],
)
def test_what_makes_no_sense_is_refused(type_: str, keys: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        bench_of(type_, **keys)


steps = st.lists(
    st.tuples(
        st.sampled_from([0.5, 1, 2, 5, 9, 15, 400]),
        st.sampled_from(METRICS),
        st.sampled_from([0.0, 0.0, 1.0, 1.0, None]),
    ),
    max_size=60,
)


@given(
    steps,
    st.booleans(),
    st.sampled_from(
        [
            ("cycling", {"min_on": "3m", "min_off": "2m", "times": 2, "within": "30m"}),
            ("defrost", {"longest": "12m"}),
            ("defrost", {"every": "20m"}),
            ("defrost", {"every": "40m", "longest": "8m", "clear_for": "2m"}),
            ("duty", {"above": 0.1}),
            ("cycling", {"min_on": "3m", "times": 1, "clear_for": "3m", "hard_limit": {"below": -1.0}}),
        ]
    ),
)
def test_what_the_guard_passes_changes_nothing(
    script: list[tuple[float, str, float | None]], clock: bool, kind: tuple[str, dict[str, object]]
) -> None:
    type_, keys = kind

    guarded, exact = guarded_and_exact(rule(type_, **keys), timed(script), METRICS, clock=clock)

    assert guarded.path == exact.path
