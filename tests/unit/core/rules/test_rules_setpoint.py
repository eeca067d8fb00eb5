"""Values that are measured against a set-point."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from frostline_core.rules import Phase, Track
from frostline_core.rules.backlog import JOIN_MS
from tests.unit.core.rules.rule_bench import MINUTE, DeviceBench, guarded_and_exact, rule, timed

METRICS = ("air_temperature", "setpoint", "defrost_active")


def room(**keys: Any) -> DeviceBench:
    return DeviceBench([rule("setpoint", **{"above": 3.0, "below": -3.0, **keys})], METRICS)


def at(bench: DeviceBench, *samples: tuple[float, float | None]) -> DeviceBench:
    return bench.see(*samples, metric="setpoint")


def test_it_fires_when_the_value_is_too_far_from_the_set_point() -> None:
    bench = at(room(), (0, 4.0)).see((0, 4.0), (1, 7.0), (2, 7.1))

    (fired,) = bench.transitions
    assert (fired.after, fired.at_ms, fired.value, fired.limit) == (Phase.FIRING, 2 * MINUTE, 7.1, 7.0)
    assert fired.facts["setpoint"] == 4.0


def test_too_cold_counts_too() -> None:
    assert at(room(), (0, 4.0)).see((0, 4.0), (1, 0.9)).path == ["firing@1"]


def test_the_limit_moves_with_the_set_point() -> None:
    bench = at(room(), (0, 4.0)).see((0, 4.0))
    at(bench, (1, -20.0)).see((2, 4.0), (3, -18.0))

    assert bench.path == ["firing@2", "resolved@3"]


def test_after_a_change_of_the_set_point_the_room_has_time() -> None:
    bench = at(room(settle="1h"), (0, 4.0)).see((0, 4.0))
    at(bench, (1, -20.0))
    for minute in range(2, 80, 5):
        at(bench, (minute, -20.0)).see((minute, 4.0))

    assert bench.path == ["firing@61"]


def test_a_set_point_that_is_seen_for_the_first_time_has_not_changed() -> None:
    assert at(room(settle="1h"), (0, -20.0)).see((0, 4.0)).path == ["firing@0"]


def test_a_set_point_that_is_changed_all_the_time_does_not_hide_it_for_ever() -> None:
    bench = at(room(settle="30m", cap="45m"), (0, 4.0)).see((0, 4.0))
    for minute in range(1, 100, 5):
        at(bench, (minute, -20.0 + minute % 2 * 0.1 + minute % 3)).see((minute, 9.0))

    assert bench.path[0] == "firing@46"


def test_without_a_set_point_it_is_unknown() -> None:
    bench = room().see((0, 4.0), (1, 90.0))

    assert bench.path == ["unknown@0"]
    assert bench.notes == ["no set-point"]


def test_a_set_point_without_a_value_is_none() -> None:
    bench = at(room(), (0, 4.0)).see((0, 4.0))
    at(bench, (1, None)).see((1, 4.0))
    at(bench, (2, 4.0)).see((2, 4.0))

    assert bench.path == ["unknown@1", "ok@2"]


def test_a_set_point_that_has_not_been_heard_of_is_not_believed() -> None:
    bench = at(room(), (0, 4.0))
    for minute in range(20):
        bench.see((minute, 4.0))
    at(bench, (20, 4.0)).see((20, 4.0))

    assert bench.path == ["unknown@11", "ok@20"]
    assert bench.notes[0] == "the set-point has not been heard of"


def test_what_fires_stays_firing_without_a_set_point() -> None:
    bench = at(room(), (0, 4.0))
    for minute in range(20):
        bench.see((minute, 9.0))

    assert bench.path == ["firing@0", "firing@11"]


def test_it_resolves_by_the_hysteresis_from_the_set_point() -> None:
    bench = at(room(hysteresis=1, clear_for="2m"), (0, 4.0)).see((0, 8.0), (1, 6.5), (2, 6.0), (4, 6.0))

    assert bench.path == ["firing@0", "clearing@2", "resolved@4"]


def test_twice_as_far_is_told_again() -> None:
    bench = at(room(), (0, 4.0)).see((0, 8.0), (1, 8.9), (2, 9.0))

    assert [(each.at_ms / MINUTE, each.note) for each in bench.transitions] == [(0, ""), (2, "worse")]


def test_another_metric_can_be_the_set_point() -> None:
    bench = DeviceBench([rule("setpoint", above=3, setpoint="defrost_active")], METRICS)

    assert bench.see((0, 1), metric="defrost_active").see((0, 4.1)).path == ["firing@0"]


def test_a_restart_goes_unnoticed() -> None:
    bench = at(room(settle="30m"), (0, 4.0)).see((0, 4.0))
    at(bench, (1, -20.0)).see((2, 4.0))

    again = bench.restarted()
    for minute in range(5, 40, 5):
        at(again, (minute, -20.0)).see((minute, 4.0))

    assert again.path == ["firing@31"]


def test_a_backlog_is_judged_by_the_set_point_of_then() -> None:
    bench = at(room(), (0, 4.0), (60, 4.0)).see((0, 4.0), (60, 4.0))
    for minute in range(5, 60, 5):
        at(bench, (minute, -20.0 if 10 <= minute < 20 else 4.0)).see((minute, 4.0))
    bench.wait(61).wait(61 + JOIN_MS / MINUTE)

    told = [f"{each.after.value}@{each.at_ms / MINUTE:g}" for each in bench.transitions if each.track is Track.BACKLOG]
    assert [each for each in told if each.startswith(("firing", "resolved"))] == ["firing@10", "resolved@20"]


def test_a_set_point_that_is_not_known_any_more_is_none() -> None:
    bench = at(room(), (0, 4.0), (60, 4.0)).see((0, 4.0), (60, 4.0))
    at(bench, (10, -20.0), (20, 4.0), (30, 0.0))

    bench.see((15, 4.0))

    assert "firing" not in [each.after.value for each in bench.transitions]


steps = st.lists(
    st.tuples(
        st.sampled_from([0.2, 1, 4, 9, 15]),
        st.sampled_from(METRICS),
        st.sampled_from([0.0, 1.0, 4.0, 4.3, 7.3, 7.4, 9.0, 12.0, None]),
    ),
    max_size=50,
)


@given(
    steps,
    st.booleans(),
    st.sampled_from(
        [
            {},
            {"hysteresis": 1.0, "for": "5m", "clear_for": "2m"},
            {"settle": "20m", "suppress_while": ["defrost_active"]},
            {"hard_limit": {"above": 8.0}},
        ]
    ),
)
def test_what_the_guard_passes_changes_nothing(
    script: list[tuple[float, str, float | None]], clock: bool, keys: dict[str, object]
) -> None:
    guarded, exact = guarded_and_exact(
        rule("setpoint", **{"above": 3.0, "below": -3.1, **keys}), timed(script), METRICS, clock=clock
    )

    assert guarded.path == exact.path
