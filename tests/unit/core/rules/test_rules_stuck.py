"""Values that do not move although samples come."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.errors import ConfigError
from frostline_core.rules import Phase
from frostline_core.rules.backlog import JOIN_MS
from tests.unit.core.rules.rule_bench import MINUTE, DeviceBench, guarded_and_exact, rule, timed

METRICS = ("air_temperature", "compressor_running")
CYCLING = {"while_cycling": ["compressor_running"]}


def stuck(**keys: Any) -> DeviceBench:
    return DeviceBench([rule("stuck", **{"unchanged_for": "2h", **keys})], METRICS)


def repeated(bench: DeviceBench, start: float, stop: float, value: float = 4.0, step: float = 5) -> DeviceBench:
    minute = start
    while minute <= stop:
        bench.see((minute, value))
        minute += step
    return bench


def test_a_value_that_does_not_move_fires_when_the_time_is_over() -> None:
    bench = repeated(stuck(), 0, 200)

    (fired,) = bench.transitions
    assert (fired.after, fired.at_ms, fired.value) == (Phase.FIRING, 120 * MINUTE, 4.0)
    assert (fired.note, fired.facts["unchanged_since_ms"]) == ("the same for 2h", 0)


def test_a_value_that_moves_a_little_is_not_stuck() -> None:
    bench = stuck()
    for minute in range(0, 600, 5):
        bench.see((minute, 4.0 + 0.01 * (minute % 10)))

    assert bench.path == []


def test_within_the_tolerance_is_the_same() -> None:
    bench = stuck(tolerance=0.1)
    for minute in range(0, 200, 5):
        bench.see((minute, 4.0 + 0.01 * (minute % 10)))

    assert bench.path == ["firing@120"]


def test_a_slow_drift_is_not_the_same() -> None:
    bench = stuck(tolerance=0.1)
    for minute in range(0, 600, 5):
        bench.see((minute, 4.0 + minute / 600))

    assert bench.path == []


def test_another_value_resolves() -> None:
    assert repeated(stuck(), 0, 130).see((135, 4.1)).path == ["firing@120", "resolved@135"]


def test_one_other_value_in_between_begins_the_time_anew() -> None:
    bench = repeated(repeated(stuck(), 0, 100).see((101, 4.1)), 105, 300)

    assert bench.path == ["firing@225"]


def test_heartbeats_with_the_newest_value_of_a_quiet_room_are_not_stuck() -> None:
    """What a gateway sends again each 300 s under a deadband is what the sensor says then."""
    bench = stuck()
    for index in range(100):
        bench.see((index * 5, 4.0 + (index * 7919 % 13) / 1000))

    assert bench.path == []


def test_silence_is_not_stuck() -> None:
    bench = stuck().wait(0).see((0, 4.0), (5, 4.0)).wait(200).see((201, 4.0)).wait(205)

    assert bench.path == ["unknown@15", "ok@201"]


def test_a_gap_begins_the_time_anew() -> None:
    bench = repeated(repeated(stuck(), 0, 60), 90, 300)

    assert bench.path == ["firing@210"]


def test_a_gap_while_it_fires_says_nothing_else() -> None:
    bench = repeated(stuck(), 0, 130).see((400, 4.0), (405, 4.0))

    assert bench.path == ["firing@120"]


def test_no_value_is_no_other_value() -> None:
    bench = repeated(repeated(stuck(), 0, 60).see((61, None)), 65, 130)

    assert bench.path == ["unknown@61", "ok@65", "firing@120"]


def test_it_waits_for_what_must_have_moved_it() -> None:
    bench = stuck(**CYCLING).see((0, 0), metric="compressor_running")
    repeated(bench, 0, 300)
    bench.see((301, 1), (304, 0), metric="compressor_running").see((305, 4.0))

    assert bench.path == ["firing@305"]


def test_what_cycled_before_does_not_count() -> None:
    bench = stuck(**CYCLING).see((0, 0), (1, 1), (2, 0), metric="compressor_running").see((0, 3.9))

    assert repeated(bench, 5, 300).path == []


def test_where_what_must_move_it_was_never_seen_it_cannot_be_said() -> None:
    assert repeated(stuck(**CYCLING), 0, 130).path == ["unknown@120"]


def test_a_restart_goes_on() -> None:
    assert repeated(repeated(stuck(), 0, 100).restarted(), 105, 130).path == ["firing@120"]


def test_a_backlog_says_since_when() -> None:
    bench = repeated(repeated(stuck(), 0, 10), 100, 105)
    repeated(bench, 15, 95).wait(106).wait(106 + JOIN_MS / MINUTE)

    assert repeated(bench, 110, 130).path == ["firing@120"]


def test_a_backlog_in_which_it_moved_begins_the_time_anew() -> None:
    bench = repeated(repeated(stuck(), 0, 10), 25, 30)
    bench.see((20, 4.2)).wait(31).wait(31 + JOIN_MS / MINUTE)

    assert repeated(bench, 35, 140).path == []


def test_a_time_that_is_too_short_is_refused() -> None:
    with pytest.raises(ConfigError, match="unchanged_for"):
        stuck(unchanged_for="10s")


def test_a_noisy_series_costs_two_looks_in_a_part_of_the_time() -> None:
    bench = stuck()
    seen = 0
    for second in range(0, 7200, 10):
        low, high, end = bench.evaluator.low[0], bench.evaluator.high[0], bench.evaluator.deadline_ms[0]
        value = 4.0 + second % 70 / 100
        seen += not (low <= value <= high and second * 1000 < end)
        bench.see((second / 60, value))

    assert seen <= 2 * 24 + 1


steps = st.lists(
    st.tuples(
        st.sampled_from([0.2, 1, 2, 4, 9, 15]),
        st.sampled_from(METRICS),
        st.sampled_from([0.0, 1.0, 1.0, 1.0, 1.2, None]),
    ),
    max_size=50,
)


@given(
    steps,
    st.booleans(),
    st.sampled_from(
        [{}, {"tolerance": 0.5}, CYCLING, {"for": "5m", "clear_for": "3m"}, {"hard_limit": {"above": 1.1}}]
    ),
)
def test_what_the_guard_passes_changes_nothing(
    script: list[tuple[float, str, float | None]], clock: bool, keys: dict[str, object]
) -> None:
    guarded, exact = guarded_and_exact(
        rule("stuck", **{"unchanged_for": "10m", **keys}), timed(script), METRICS, clock=clock
    )

    assert guarded.path == exact.path
