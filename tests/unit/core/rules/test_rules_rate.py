"""Values that change too fast."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostline_core.errors import ConfigError
from frostline_core.rules import Phase
from frostline_core.rules.backlog import JOIN_MS
from tests.unit.core.rules.rule_bench import MINUTE, DeviceBench, guarded_and_exact, moved, rule

METRICS = ("air_temperature", "defrost_active")


def rate(**keys: Any) -> DeviceBench:
    return DeviceBench([rule("rate", **{"above": 6.0, **keys})], METRICS)


def ramp(bench: DeviceBench, start: float, stop: float, value: float, per_hour: float = 0, step: float = 0.5) -> float:
    """Samples each half minute from `value` at `start`; returns the last value."""
    minute, last = start, value
    while minute < stop:
        last = value + per_hour * (minute - start) / 60
        bench.see((minute, last))
        minute += step
    return last


def test_it_is_unknown_until_the_window_is_covered() -> None:
    bench = rate()
    ramp(bench, 0, 20, 4.0)

    assert bench.path == ["unknown@0", "ok@8"]
    assert bench.notes[0] == "too few samples for a trend"


def test_a_fast_rise_fires_with_the_rate() -> None:
    bench = rate()
    ramp(bench, 30, 60, ramp(bench, 0, 30, 4.0), per_hour=12)

    fired = bench.transitions[2]
    assert fired.after is Phase.FIRING
    assert 6.0 < (fired.value or 0) <= 12.0
    assert (fired.limit, fired.facts) == (6.0, {"per": "hour", "window_ms": 10 * MINUTE})
    assert fired.note.endswith("per hour over 10m")


def test_a_rise_at_the_limit_is_within_it() -> None:
    bench = rate(above=6.001)
    ramp(bench, 0, 60, 4.0, per_hour=6)

    assert bench.path == ["unknown@0", "ok@8"]


def test_minutes_and_hours_are_the_same_rate() -> None:
    hours, minutes = rate(above=6.0), rate(above=0.1, per="minute")
    for bench in (hours, minutes):
        ramp(bench, 20, 60, ramp(bench, 0, 20, 4.0), per_hour=12)

    assert hours.path == minutes.path
    assert hours.path[-1].startswith("firing")


def test_a_fast_fall_has_a_limit_of_its_own() -> None:
    bench = rate(above=None, below=-6.0)
    ramp(bench, 20, 60, ramp(bench, 0, 20, 4.0), per_hour=-12)

    assert bench.path[-1].startswith("firing")


def test_a_rate_that_doubles_is_told_again() -> None:
    bench = rate()
    value = ramp(bench, 20, 40, ramp(bench, 0, 20, 4.0), per_hour=8)
    ramp(bench, 40, 60, value, per_hour=20)

    assert [(each.after, each.note) for each in bench.transitions[3:]] == [(Phase.FIRING, "worse")]


def test_it_resolves_when_the_window_says_so() -> None:
    bench = rate(hysteresis=2, clear_for="2m")
    ramp(bench, 60, 90, ramp(bench, 20, 60, ramp(bench, 0, 20, 4.0), per_hour=12))

    assert [each.split("@")[0] for each in bench.path] == ["unknown", "ok", "firing", "clearing", "resolved"]


def test_single_wrong_samples_are_no_rise() -> None:
    bench = rate()
    for index in range(400):
        bench.see((index * 0.5, 85.0 if index % 9 == 5 else 4.0))

    assert bench.path == ["unknown@0", "ok@8"]


def test_after_a_gap_it_is_unknown_until_the_window_is_covered_again() -> None:
    bench = rate()
    ramp(bench, 50, 70, ramp(bench, 0, 20, 4.0))

    assert bench.path == ["unknown@0", "ok@8", "unknown@50", "ok@58"]


def test_a_step_across_a_gap_is_no_rate() -> None:
    bench = rate()
    ramp(bench, 0, 20, 4.0)
    ramp(bench, 50, 70, 9.0)

    assert not any(each.startswith("firing") for each in bench.path)


def test_what_fires_stays_firing_without_data() -> None:
    bench = rate(clear_for="1m").wait(0)
    ramp(bench, 20, 40, ramp(bench, 0, 20, 4.0), per_hour=12)
    bench.wait(120)
    ramp(bench, 130, 137, 8.0)

    assert [each.split("@")[0] for each in bench.path] == ["unknown", "ok", "firing", "firing"]
    assert bench.notes[-1] == "no data"


def test_what_fires_without_data_resolves_only_with_a_window_of_good_samples() -> None:
    bench = rate(clear_for="1m").wait(0)
    ramp(bench, 20, 40, ramp(bench, 0, 20, 4.0), per_hour=12)
    bench.wait(120)
    ramp(bench, 130, 145, 8.0)

    assert bench.path[-2:] == ["clearing@138", "resolved@139"]


def test_heartbeats_alone_are_enough_where_the_window_holds_three() -> None:
    bench = rate(window="10m")
    for index in range(10):
        bench.see((index * 5.01, 4.0))

    assert bench.path == ["unknown@0", "ok@10.02"]


def test_a_defrost_opens_nothing() -> None:
    bench = rate(suppress_while=["defrost_active"], grace="15m", cap="2h")
    ramp(bench, 0, 20, 4.0)
    bench.see((20, 1), metric="defrost_active")
    last = ramp(bench, 20, 35, 4.0, per_hour=20)
    bench.see((35, 0), metric="defrost_active")
    ramp(bench, 35, 60, last, per_hour=-20)

    assert bench.path == ["unknown@0", "ok@8"]


def test_a_restart_goes_unnoticed() -> None:
    bench = rate()
    value = ramp(bench, 0, 20, 4.0)
    again = bench.restarted()
    for each in (bench, again):
        ramp(each, 20, 40, value, per_hour=12)

    assert again.path == bench.path[2:]


def test_a_backlog_fills_the_window() -> None:
    bench = rate()
    ramp(bench, 0, 20, 4.0)
    bench.see((40, 4.0))
    ramp(bench, 20, 40, 4.0)
    bench.wait(40.1).wait(40.2 + JOIN_MS / MINUTE).see((41, 4.0))

    assert bench.path == ["unknown@0", "ok@8", "unknown@40", "ok@41"]


def test_the_memory_is_bounded() -> None:
    bench = rate()
    ramp(bench, 0, 60, 4.0, step=0.05)

    ((_, _, content),) = [row for row in bench.evaluator.staged().states if row[0] == "r"]
    assert content is not None
    assert len(content["memory"]["points"]) <= 22


def test_most_samples_are_not_looked_at() -> None:
    bench = rate()
    ramp(bench, 0, 20, 4.0)
    seen = 0
    for second in range(1200, 2400, 2):
        low, high, end = bench.evaluator.low[0], bench.evaluator.high[0], bench.evaluator.deadline_ms[0]
        seen += not (low <= 4.0 <= high and second * 1000 < end)
        bench.see((second / 60, 4.0))

    assert seen <= 41


def test_a_rule_without_a_limit_is_refused() -> None:
    with pytest.raises(ConfigError, match="above"):
        rate(above=None)


steps = st.lists(
    st.tuples(st.sampled_from([0.1, 0.2, 0.5, 1, 3]), st.sampled_from([-1.0, 0.0, 0.0, 0.5, 0.5, None, "defrost"])),
    max_size=80,
)


@settings(max_examples=60)
@given(
    steps,
    st.booleans(),
    st.sampled_from(
        [
            {},
            {"hysteresis": 3.0, "for": "1m", "clear_for": "1m"},
            {"hard_limit": {"above": 6.0}},
            {"suppress_while": ["defrost_active"], "grace": "2m"},
        ]
    ),
)
def test_what_the_guard_passes_changes_nothing(
    script: list[tuple[float, float | str | None]], clock: bool, keys: dict[str, object]
) -> None:
    guarded, exact = guarded_and_exact(
        rule("rate", **{"above": 6.0, "window": "4m", "max_gap": "2m", **keys}), moved(script), METRICS, clock=clock
    )

    assert guarded.path == exact.path
