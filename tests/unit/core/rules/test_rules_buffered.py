"""A virtual buffer in place of the air."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.errors import ConfigError
from frostline_core.rules import Phase
from frostline_core.rules.backlog import JOIN_MS
from frostline_core.rules.buffer import Level
from tests.unit.core.rules.rule_bench import MINUTE, DeviceBench, guarded_and_exact, in_two_lanes, rule, timed

METRICS = ("air_temperature", "door_open")
HOUR = 60


def buffered(**keys: object) -> DeviceBench:
    return DeviceBench([rule("buffered", **{"tau": "30m", "above": 7.0, **keys})], METRICS)


def steady(bench: DeviceBench, start: float, stop: float, value: float, step: float = 1) -> DeviceBench:
    """Samples from start up to, not including, stop."""
    minute = start
    while minute < stop:
        bench.see((minute, value))
        minute += step
    return bench


@pytest.mark.parametrize(("tau", "level"), [(15, 11.36), (30, 8.87), (45, 7.59)])
def test_golden_twenty_minutes_of_14_degrees(tau: int, level: float) -> None:
    bench = steady(steady(buffered(tau=f"{tau}m", above=20.0), 0, 300, 4.0), 300, 320, 14.0).see((320, 4.0))

    assert bench.memory["level"] == pytest.approx(level, abs=0.005)


def test_the_level_does_not_depend_on_how_often_is_sampled() -> None:
    rare, often = Level.first(0, 4.0), Level.first(0, 4.0)
    rare = rare.then(60_000, 14.0, 900_000).then(1_260_000, 14.0, 900_000)
    often = often.then(60_000, 14.0, 900_000)
    for second in range(61, 1261):
        often = often.then(second * 1000, 14.0, 900_000)

    assert often.level == pytest.approx(rare.level)


def test_a_short_defrost_does_not_warm_the_product() -> None:
    bench = steady(steady(buffered(), 0, 100, 4.0), 100, 108, 14.0)

    assert steady(bench, 108, 200, 4.0).path == ["unknown@0", "ok@90"]


def test_a_long_one_does() -> None:
    bench = steady(steady(steady(buffered(hysteresis=0.5), 0, 100, 4.0), 100, 120, 14.0), 120, 200, 4.0)

    assert (bench.notes[2:-1], bench.transitions[-1].after) == (["", "worse", "worse"], Phase.RESOLVED)
    fired = bench.transitions[2]
    assert 110 * MINUTE <= fired.at_ms <= 113 * MINUTE  # 10.7 minutes, and a 20th of tau
    assert (fired.limit, fired.facts) == (7.0, {"measured": 14.0})
    assert fired.value is not None and 7.0 < fired.value < 7.5


def test_at_the_beginning_warm_air_is_warm_product() -> None:
    assert buffered().see((0, 9.0)).path == ["firing@0"]


def test_after_a_gap_it_is_unknown_until_the_buffer_is_settled() -> None:
    bench = steady(steady(buffered(), 0, 100, 4.0), 300, 420, 4.0)

    assert bench.path == ["unknown@0", "ok@90", "unknown@300", "ok@390"]


def test_a_long_time_without_values_is_a_gap() -> None:
    bench = steady(buffered(), 0, 100, 4.0)
    for minute in range(100, 130):
        bench.see((minute, None))

    assert steady(bench, 130, 230, 4.0).path == ["unknown@0", "ok@90", "unknown@100", "ok@220"]


def test_a_moment_without_a_value_is_no_gap() -> None:
    bench = steady(steady(buffered(), 0, 100, 4.0).see((100, None)), 101, 110, 4.0)

    assert bench.path == ["unknown@0", "ok@90", "unknown@100", "ok@101"]


def test_the_hard_limit_is_for_the_air() -> None:
    assert steady(buffered(hard_limit={"above": 12.0}), 0, 100, 4.0).see((100, 13.0)).path[-1] == "firing@100"


def test_a_restart_goes_on() -> None:
    bench = steady(steady(buffered(), 0, 100, 4.0), 100, 108, 14.0).restarted()

    assert any("firing" in each for each in steady(bench, 108, 115, 14.0).path)


def test_a_backlog_corrects_the_level() -> None:
    bench = steady(steady(buffered(), 0, 100, 4.0), 150, 152, 14.0)
    steady(steady(bench, 100, 140, 4.0), 140, 150, 14.0)
    bench.wait(152).wait(152 + JOIN_MS / MINUTE).see((152, 4.0))
    exact = steady(steady(buffered(), 0, 140, 4.0), 140, 152, 14.0).see((152, 4.0))

    assert bench.memory == pytest.approx(exact.memory)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ConfigError, match="above"):
        buffered(above=None)


values = st.sampled_from([0.0, 4.0, 4.0, 9.0, 14.0, None])
steps = st.lists(st.tuples(st.sampled_from([0.2, 1, 4, 9, 15]), st.sampled_from(METRICS), values), max_size=60)


@given(steps, st.booleans(), st.sampled_from([{}, {"below": 1.0}, {"hard_limit": {"above": 12.0}, "for": "3m"}]))
def test_what_the_guard_passes_changes_nothing(
    script: list[tuple[float, str, float | None]], clock: bool, keys: dict[str, object]
) -> None:
    tried = rule("buffered", **{"tau": "10m", "above": 7.0, **keys})

    guarded, exact = guarded_and_exact(tried, timed(script), METRICS, clock=clock)

    assert [each.after for each in guarded.transitions] == [each.after for each in exact.transitions]
    late = [one.at_ms - other.at_ms for one, other in zip(guarded.transitions, exact.transitions, strict=True)]
    assert all(0 <= each <= MINUTE for each in late)


@given(st.lists(st.tuples(st.sampled_from([0.2, 1, 4, 9, 15]), values), min_size=4, max_size=40), st.data())
def test_a_backlog_and_live_samples_together_are_as_in_order(
    script: list[tuple[float, float | None]], data: st.DataObject
) -> None:
    in_order, in_lanes, now = in_two_lanes(
        buffered, [(step, 4.0 if value is None else value) for step, value in script], data
    )

    for bench in (in_order, in_lanes):
        bench.see((now + 1, 5.5))
    assert in_lanes.memory == pytest.approx(in_order.memory)


@given(st.lists(st.tuples(st.integers(1, 10_000_000), st.floats(-40, 40)), min_size=1, max_size=30))
def test_the_level_is_never_beyond_what_was_measured(samples: list[tuple[int, float]]) -> None:
    now, level = 0, Level.first(0, samples[0][1])
    seen = [samples[0][1]]
    for step, value in samples:
        now += step
        seen.append(value)
        level = level.then(now, value, 1_800_000)

        assert min(seen) - 1e-9 <= level.level <= max(seen) + 1e-9
