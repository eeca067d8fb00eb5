"""How much there is, and for how long it lasts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.errors import ConfigError
from frostline_core.rules import Phase
from frostline_core.rules.backlog import JOIN_MS
from tests.unit.core.rules.rule_bench import MINUTE, DeviceBench, guarded_and_exact, in_two_lanes, rule, timed

HOUR, DAY = 60, 1440


def stock(**keys: object) -> DeviceBench:
    return DeviceBench([rule("stock", **keys)])


def hold(bench: DeviceBench, start: float, stop: float, count: float | None) -> DeviceBench:
    """The same count from start up to, not including, stop; it is sent again each 10 minutes."""
    minute = start
    while minute < stop:
        bench.see((minute, count))
        minute += 10
    return bench


def used_daily(bench: DeviceBench, days: list[int], start: int = 100) -> tuple[DeviceBench, int]:
    """At noon of each day so many are used; returns the count that is left."""
    count = start
    for day, used in enumerate(days):
        hold(bench, day * DAY, day * DAY + DAY // 2, count)
        count -= used
        hold(bench, day * DAY + DAY // 2, (day + 1) * DAY, count)
    return bench, count


def test_fewer_than_the_minimum_fire_before_anything_is_known_of_the_use() -> None:
    bench = hold(hold(stock(below=10), 0, 60, 10), 60, 120, 9)

    (fired,) = bench.transitions
    assert (fired.at_ms, fired.value, fired.limit) == (60 * MINUTE, 9, 10)


def test_restocking_resolves() -> None:
    bench = hold(hold(hold(stock(below=10, hysteresis=5), 0, 60, 9), 60, 120, 14), 120, 180, 15)

    assert bench.path == ["firing@0", "resolved@120"]


def test_the_reorder_point_is_what_is_used_while_one_waits_and_safety() -> None:
    bench, count = used_daily(stock(lead_time="2d", safety=15), [10, 10, 10, 10])
    hold(bench, 4 * DAY, 4 * DAY + HOUR, count)
    hold(bench, 4 * DAY + HOUR, 4 * DAY + 2 * HOUR, 35)

    fired = bench.transitions[-1]
    assert (fired.after, fired.at_ms, fired.value, fired.limit) == (Phase.FIRING, (4 * DAY + HOUR) * MINUTE, 35, 35)
    assert fired.facts == {"daily_use": 10, "days_known": 4, "days_of_cover": 3.5}


def test_days_of_cover() -> None:
    bench, _ = used_daily(stock(cover="2d"), [10, 10, 10])
    hold(bench, 3 * DAY, 3 * DAY + HOUR, 21)
    hold(bench, 3 * DAY + HOUR, 3 * DAY + 2 * HOUR, 20)

    assert bench.path == ["unknown@0", f"ok@{3 * DAY}", f"firing@{3 * DAY + HOUR}"]


def test_what_is_restocked_is_no_negative_use() -> None:
    bench, _ = used_daily(stock(cover="2d"), [10, -80, 10, 10])
    hold(bench, 4 * DAY, 4 * DAY + HOUR, 12)

    assert bench.transitions[-1].facts["daily_use"] == 7.5


def test_one_day_of_clearing_out_does_not_count_for_all() -> None:
    bench, _ = used_daily(stock(cover="2d"), [10, 10, 90, 10, 10, 10], start=200)
    hold(bench, 6 * DAY, 6 * DAY + HOUR, 5)

    assert bench.transitions[-1].facts["daily_use"] == 10


def test_a_tag_that_is_missed_for_a_moment_is_not_used() -> None:
    bench = stock(cover="2d")
    for minute in range(0, 4 * DAY, 10):
        bench.see((minute, 50), (minute + 2, 49), (minute + 3, 50))
    bench.see((4 * DAY, 1))

    assert bench.transitions[-1].after is Phase.OK
    assert not any(each.after is Phase.FIRING for each in bench.transitions)


def test_picking_piece_by_piece_counts_all_of_it() -> None:
    bench = stock(cover="400d")
    for minute in range(0, 4 * DAY, 10):
        bench.see((minute, 5000 - minute // 10))

    assert bench.transitions[-1].facts["daily_use"] == pytest.approx(DAY / 10, rel=0.02)


def test_too_few_days_are_unknown() -> None:
    bench, _ = used_daily(stock(cover="2d"), [10, 10])

    assert bench.path == ["unknown@0"]
    assert bench.notes == ["the use of 0 days is known, of 3 needed"]


def test_a_reader_that_is_away_makes_it_unknown_and_uses_nothing() -> None:
    bench, count = used_daily(stock(cover="1d"), [10, 10, 10])
    hold(bench, 3 * DAY, 3 * DAY + HOUR, count)
    bench.see((3 * DAY + HOUR, None), (3 * DAY + 2 * HOUR, None))
    hold(bench, 3 * DAY + 3 * HOUR, 5 * DAY, 12)
    hold(bench, 5 * DAY, 5 * DAY + HOUR, 1)

    assert bench.path[2] == f"unknown@{3 * DAY + HOUR}"
    assert bench.transitions[-1].facts["daily_use"] == 6  # 10 on three days, none on two


def test_a_count_of_nothing_after_a_gap_is_not_used() -> None:
    bench, _ = used_daily(stock(cover="1d"), [10, 10, 10])
    hold(bench, 3 * DAY + HOUR, 4 * DAY + HOUR, 12)
    hold(bench, 4 * DAY + HOUR, 4 * DAY + 2 * HOUR, 1)

    assert bench.transitions[-1].facts["daily_use"] == 7.5


def test_half_of_what_was_told_is_told_again() -> None:
    assert stock(below=10).see((0, 8), (1, 5), (2, 4), (3, 3), (4, 2)).notes == ["", "worse", "worse"]


def test_a_restart_goes_on() -> None:
    bench, _ = used_daily(stock(cover="2d"), [10, 10, 10])

    assert hold(bench.restarted(), 3 * DAY, 3 * DAY + HOUR, 20).path[-1] == f"firing@{3 * DAY}"


def test_what_is_used_in_a_backlog_counts() -> None:
    bench, _ = used_daily(stock(cover="2d"), [10, 10])
    hold(bench, 3 * DAY - 10, 3 * DAY, 70)
    hold(hold(bench, 2 * DAY, 2 * DAY + 600, 80), 2 * DAY + 600, 3 * DAY - 10, 70)
    bench.wait(3 * DAY).wait(3 * DAY + JOIN_MS / MINUTE)
    hold(bench, 3 * DAY, 3 * DAY + HOUR, 20)

    assert bench.transitions[-1].after is Phase.FIRING
    assert bench.transitions[-1].facts["daily_use"] == pytest.approx(10)


@pytest.mark.parametrize(("keys", "named"), [({}, "below"), ({"below": 1, "safety": 2}, "safety")])
def test_what_makes_no_sense_is_refused(keys: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        stock(**keys)


steps = st.lists(
    st.tuples(st.sampled_from([1, 4, 9, 30, 700]), st.sampled_from([0.0, 5.0, 5.0, 20.0, 21.0, None])), max_size=60
)


@given(steps, st.booleans(), st.sampled_from([{"below": 6}, {"cover": "2d"}, {"lead_time": "1d", "below": 3}]))
def test_what_the_guard_passes_changes_nothing(
    script: list[tuple[float, float | None]], clock: bool, keys: dict[str, object]
) -> None:
    samples = timed((step, "air_temperature", value) for step, value in script)
    tried = rule("stock", max_gap="12h", **keys)

    guarded, exact = guarded_and_exact(tried, samples, ("air_temperature",), clock=clock)

    assert [each for each in guarded.path if "firing" in each] == [each for each in exact.path if "firing" in each]


@given(st.lists(st.tuples(st.sampled_from([1, 5, 20, 90]), st.integers(0, 30)), min_size=1, max_size=50))
def test_no_more_is_used_than_the_count_falls(script: list[tuple[int, int]]) -> None:
    bench, now, falls, count = stock(cover="2d", max_gap="2h"), 0, 0, script[0][1]
    for step, after in script:
        now += step
        falls, count = falls + max(0, count - after), after
        bench.see((now, after))

    parts = bench.memory["parts"]
    assert sum(part[2] for part in parts) <= falls


@given(
    st.lists(st.tuples(st.sampled_from([0.2, 1, 4, 9]), st.integers(0, 9)), min_size=4, max_size=30),
    st.data(),
)
def test_a_backlog_within_a_span_counts_as_in_order(script: list[tuple[float, int]], data: st.DataObject) -> None:
    in_order, in_lanes, now = in_two_lanes(lambda: stock(below=1, settle="6h"), script, data)

    for bench in (in_order, in_lanes):
        bench.see((now + 0.5, 11))
    one, other = (bench.memory for bench in (in_order, in_lanes))
    assert (one["parts"], one["top"]) == (other["parts"], other["top"])
