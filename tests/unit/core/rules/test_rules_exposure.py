"""How long a value has been beyond a limit, all in all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.errors import ConfigError
from frostline_core.rules import Phase
from frostline_core.rules.backlog import JOIN_MS
from tests.unit.core.rules.rule_bench import MINUTE, DeviceBench, guarded_and_exact, in_two_lanes, rule, timed

METRICS = ("air_temperature", "trip_active", "defrost_active")
HOUR = 60


def exposure(**keys: object) -> DeviceBench:
    return DeviceBench([rule("exposure", **{"above": 8.0, "allowed": "1h", "within": "24h", **keys})], METRICS)


def trip(**keys: object) -> DeviceBench:
    table = {"above": 8.0, "allowed": "1h", "during": "trip_active", **keys}
    return DeviceBench([rule("exposure", **table)], METRICS)


def steady(bench: DeviceBench, start: float, stop: float, value: float, step: float = 5) -> DeviceBench:
    """Samples from start up to, not including, stop."""
    minute = start
    while minute < stop:
        bench.see((minute, value))
        minute += step
    return bench


def test_many_short_excursions_add_up() -> None:
    """Half an hour each: no limit with a duration of its own of an hour would see them."""
    bench = exposure()
    for hour in range(4):
        steady(bench, hour * HOUR, hour * HOUR + 25, 9.0)
        steady(bench, hour * HOUR + 25, (hour + 1) * HOUR, 5.0)

    (fired,) = bench.transitions
    assert (fired.after, fired.at_ms) == (Phase.FIRING, (2 * HOUR + 10) * MINUTE)
    assert (fired.value, fired.limit, fired.note) == (60.0, 60.0, "1h above 8 within 1d")
    assert fired.facts == {"beyond_ms": HOUR * MINUTE, "seen_ms": 130 * MINUTE, "unseen_ms": 0}


def test_berlinger_dips_of_less_than_an_hour_are_not_silent() -> None:
    """A logger that wants one hour in a row below -0.5 says nothing of 3.5 hours in pieces."""
    bench = exposure(above=None, below=-0.5)
    for hour in range(7):
        steady(bench, hour * HOUR, hour * HOUR + 30, -1.0)
        steady(bench, hour * HOUR + 30, (hour + 1) * HOUR, 4.0)

    assert bench.path == [f"firing@{HOUR + 30}", f"firing@{3 * HOUR + 30}"]


def test_who_ten_hours_above_8_in_30_days() -> None:
    bench = exposure(allowed="10h", within="30d")
    for day in range(12):
        steady(bench, day * 1440, day * 1440 + HOUR, 9.0)
        steady(bench, day * 1440 + HOUR, (day + 1) * 1440, 5.0)

    assert bench.path == [f"firing@{9 * 1440 + HOUR}"]


def test_a_value_on_the_limit_does_not_count() -> None:
    assert steady(exposure(), 0, 300, 8.0).path == []


def test_what_leaves_the_window_counts_no_more() -> None:
    bench = steady(steady(exposure(), 0, 65, 9.0), 65, 1600, 5.0)

    assert bench.path == ["firing@60", "resolved@1455"]  # 5 minutes of 65 have left at 1445; one look in max_gap


def test_a_gap_counts_neither_way_and_is_reported() -> None:
    bench = steady(steady(exposure(), 0, 30, 9.0), 50, 80, 9.0)

    (unknown, fired) = bench.transitions
    assert fired.at_ms == 75 * MINUTE  # 35 minutes before the gap, of which 10 on credit, and 25 after it
    assert fired.facts["unseen_ms"] == 15 * MINUTE
    assert unknown.after is Phase.UNKNOWN


def test_a_gap_that_may_hide_the_rest_is_not_all_well() -> None:
    bench = steady(steady(exposure(), 0, 120, 5.0), 300, 420, 5.0)

    assert [each.after for each in bench.transitions] == [Phase.UNKNOWN]
    assert bench.notes == ["175m were not measured"]


def test_a_short_gap_hides_nothing() -> None:
    assert steady(steady(exposure(), 0, 120, 5.0), 150, 420, 5.0).path == []


def test_it_is_known_again_when_the_gap_has_left_the_window() -> None:
    bench = steady(steady(exposure(), 0, 120, 5.0), 300, 2000, 5.0)

    assert bench.path == ["unknown@300", f"ok@{1440 + 240 + 5}"]


def test_a_sample_without_a_value_is_not_measured() -> None:
    bench = exposure().see((0, 5.0), (5, None), (60, None), (100, 5.0))

    assert bench.path == ["unknown@5"]
    assert steady(bench, 100, 120, 5.0).path == ["unknown@5"]


def test_suppressed_minutes_count() -> None:
    bench = exposure(suppress_while=["defrost_active"], cap="2h")
    bench.see((0, 1), metric="defrost_active")
    steady(bench, 0, 40, 9.0)
    bench.see((40, 0), metric="defrost_active")

    assert steady(bench, 40, 70, 9.0).path == ["firing@60"]


def test_twice_as_much_is_told_again() -> None:
    assert steady(exposure(), 0, 150, 9.0).notes == ["1h above 8 within 1d", "worse"]


def test_a_trip_counts_for_itself() -> None:
    bench = steady(trip().see((0, 0), metric="trip_active"), 0, 100, 9.0)
    bench.see((100, 1), metric="trip_active")
    steady(bench, 100, 140, 9.0)
    bench.see((140, 0), metric="trip_active")
    steady(bench, 140, 180, 9.0)
    bench.see((180, 1), metric="trip_active")

    assert steady(bench, 180, 260, 9.0).path == ["firing@240"]


def test_the_end_of_a_trip_resolves() -> None:
    bench = steady(trip().see((0, 1), metric="trip_active"), 0, 70, 9.0)
    bench.see((70, 0), metric="trip_active")

    assert steady(bench, 70, 80, 9.0).path == ["firing@60", "resolved@70"]


def test_where_no_trip_was_ever_heard_of_it_is_unknown() -> None:
    assert steady(trip(), 0, 90, 9.0).path == ["unknown@0"]


def test_a_restart_goes_on() -> None:
    assert steady(steady(exposure(), 0, 40, 9.0).restarted(), 40, 70, 9.0).path == ["firing@60"]


def test_a_backlog_adds_what_it_hid() -> None:
    bench = steady(steady(exposure(), 0, 30, 5.0), 100, 105, 9.0)
    steady(bench, 30, 100, 5.0)
    bench.wait(106).wait(106 + JOIN_MS / MINUTE)

    assert [each.after for each in bench.transitions] == [Phase.UNKNOWN]
    assert steady(bench, 105, 170, 9.0).path[1:] == ["ok@105", "firing@160"]


def test_an_excursion_in_a_backlog_counts_for_what_is_live() -> None:
    bench = steady(steady(exposure(), 0, 30, 5.0), 100, 105, 9.0)
    steady(bench, 30, 70, 9.0)
    steady(bench, 70, 100, 5.0)
    bench.wait(106).wait(106 + JOIN_MS / MINUTE)

    assert steady(bench, 105, 130, 9.0).path[-1] == "firing@120"


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"above": None}, "above"),
        ({"within": None}, "within"),
        ({"during": "trip_active"}, "during"),
        ({"allowed": "25h"}, "allowed"),
    ],
)
def test_what_makes_no_sense_is_refused(keys: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        exposure(**keys)


def test_quiet_samples_cost_one_look_in_max_gap() -> None:
    bench, seen = exposure(), 0
    for second in range(0, 7200, 10):
        low, high, end = bench.evaluator.low[0], bench.evaluator.high[0], bench.evaluator.deadline_ms[0]
        value = 4.0 + second % 70 / 100
        seen += not (low <= value <= high and second * 1000 < end)
        bench.see((second / 60, value))

    assert seen <= 13


steps = st.lists(
    st.tuples(
        st.sampled_from([0.2, 1, 4, 9, 15, 40]),
        st.sampled_from(METRICS),
        st.sampled_from([0.0, 1.0, 9.0, 9.0, 12.0, None]),
    ),
    max_size=50,
)


@given(
    steps,
    st.booleans(),
    st.sampled_from(
        [
            {"within": "2h"},
            {"within": "2h", "below": 0.5},
            {"during": "trip_active"},
            {"within": "2h", "suppress_while": ["defrost_active"], "cap": "20m", "for": "3m"},
            {"within": "2h", "hard_limit": {"above": 11.0}},
        ]
    ),
)
def test_what_the_guard_passes_changes_nothing(
    script: list[tuple[float, str, float | None]], clock: bool, keys: dict[str, object]
) -> None:
    tried = rule("exposure", above=8.0, allowed="20m", **keys)

    guarded, exact = guarded_and_exact(tried, timed(script), METRICS, clock=clock)

    assert guarded.fired_ms == pytest.approx(exact.fired_ms, abs=10 * MINUTE)


@given(
    st.lists(
        st.tuples(st.sampled_from([0.2, 1, 4, 9, 15]), st.sampled_from([5.0, 9.0, None])), min_size=4, max_size=40
    ),
    st.data(),
)
def test_a_backlog_and_live_samples_together_count_as_in_order(
    script: list[tuple[float, float | None]], data: st.DataObject
) -> None:
    in_order, in_lanes, now = in_two_lanes(lambda: exposure(allowed="20m", within="2h"), script, data)

    end = now + 1
    for bench in (in_order, in_lanes):
        bench.see((end, 5.0))
        bench.see((end + 0.1, None))
    assert memory(in_lanes) == memory(in_order)


def memory(bench: DeviceBench) -> object:
    (content,) = [content for name, _, content in bench.evaluator.staged().states if name == "r"]
    return content and content["memory"]


def test_between_trips_a_sample_without_a_value_is_no_good_news() -> None:
    bench = (
        exposure(within=None, during="trip_active").see((0, 0.0), metric="trip_active").see((0, 5.0)).wait(0).wait(20)
    )

    assert bench.see((21, None)).path == ["unknown@10"]
    assert bench.see((22, 5.0)).path[-1] == "ok@22"
