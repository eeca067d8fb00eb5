"""States that last too long, or come too often."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.errors import ConfigError
from frostline_core.rules import Phase
from frostline_core.rules.backlog import JOIN_MS
from tests.unit.core.rules.rule_bench import MINUTE, DeviceBench, guarded_and_exact, rule, timed


def change(**keys: object) -> DeviceBench:
    given = {"is": keys.pop("is_")} if "is_" in keys else {}
    return DeviceBench([rule("change", **given, **keys)])


def opened(bench: DeviceBench, *minutes: float) -> DeviceBench:
    """A door that is opened at these minutes, for half a minute each."""
    for minute in minutes:
        bench.see((minute, 1), (minute + 0.4, 0))
    return bench


def test_a_door_that_stands_open_fires_and_its_closing_resolves() -> None:
    bench = change(is_=True, for_="5m").see((0, 0), (1, 1), (4, 1), (6, 1), (7, 0))

    assert bench.path == ["pending@1", "firing@6", "resolved@7"]


def test_power_that_is_lost_fires_at_once() -> None:
    assert change(is_=False).see((0, 1), (1, 0)).path == ["firing@1"]


def test_any_state_but_the_right_ones_fires() -> None:
    bench = change(is_not=[0, 1]).see((0, 0), (1, 1), (2, 7), (3, 9), (4, 0))

    assert bench.path == ["firing@2", "resolved@4"]


@pytest.mark.parametrize(("states", "right"), [([1], 0), ([0], 1), ([0, 1], 2), ([0, 2], 1), ([1, 2], 0), ([-1, 3], 0)])
def test_right_states_cost_nothing_and_wrong_ones_are_seen(states: list[float], right: float) -> None:
    bench = change(is_=states).see((0, right))

    low, high = bench.evaluator.low[0], bench.evaluator.high[0]

    assert low <= right <= high
    assert not any(low <= state <= high for state in states)


def test_it_fires_when_the_state_has_come_too_often() -> None:
    bench = opened(change(is_=True, times=3, within="1h").see((0, 0)), 10, 20, 30)

    (fired,) = bench.transitions
    assert (fired.at_ms, fired.value, fired.limit, fired.note) == (30 * MINUTE, 3, 3, "3 times within 1h")


def test_it_is_over_with_the_first_sample_after_which_it_was_fewer_times() -> None:
    bench = opened(change(is_=True, times=3, within="1h").see((0, 0)), 10, 20, 30).see((65, 0), (69.9, 0), (75, 0))

    assert bench.path == ["firing@30", "resolved@75"]


def test_times_further_apart_do_not_add_up() -> None:
    assert opened(change(is_=True, times=3, within="1h").see((0, 0)), 10, 40, 71, 110).path == []


def test_a_state_that_only_lasts_has_come_once() -> None:
    assert change(is_=True, times=2, within="1h").see((0, 0), (1, 1), (2, 1), (3, 1), (4, 1)).path == []


def test_the_state_that_is_found_at_first_has_not_come() -> None:
    assert opened(change(is_=True, times=2, within="1h"), 1).path == []


def test_without_a_state_every_change_counts() -> None:
    assert change(times=3, within="10m").see((0, 4), (1, 5), (2, 5), (3, 6), (4, 4)).path == ["firing@4"]


def test_silence_ends_nothing() -> None:
    bench = opened(change(is_=True, times=2, within="20m").wait(0).see((0, 0)), 1, 2).wait(200)

    assert bench.path == ["firing@2", "firing@12.4"]
    assert bench.notes[-1] == "no data"


def test_an_open_door_without_data_is_not_known_to_stay_open() -> None:
    assert change(is_=True, for_="15m").wait(0).see((0, 0), (1, 1)).wait(60).path == ["pending@1"]


def test_a_closed_door_that_falls_silent_is_unknown() -> None:
    assert change(is_=True, for_="15m").wait(0).see((0, 0)).wait(60).path == ["unknown@10"]


def test_a_restart_goes_on_counting() -> None:
    before = opened(change(is_=True, times=3, within="1h").see((0, 0)), 10, 20)

    assert opened(before.restarted(), 30).path == ["firing@30"]


def test_what_a_backlog_counts_is_counted() -> None:
    bench = opened(change(is_=True, times=4, within="2h").see((0, 0)), 1)
    bench.see((60, 1)).see((10, 1), (10.4, 0), (59, 1)).wait(61).wait(61 + JOIN_MS / MINUTE)

    assert bench.see((61, 0), (61.2, 1)).path == ["firing@61.2"]


def test_an_entry_that_a_hole_made_up_is_not_counted_twice() -> None:
    bench = opened(change(is_=True, times=3, within="2h").see((0, 0)), 1)
    bench.see((60, 1)).see((59, 1)).wait(61).wait(61 + JOIN_MS / MINUTE)

    assert bench.path == []


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({}, "give `is`"),
        ({"is": 1, "is_not": 0}, "not both"),
        ({"is": 1, "times": 3}, "belong together"),
        ({"is": "open"}, "is"),
    ],
)
def test_what_makes_no_sense_is_refused(keys: dict[str, object], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        rule("change", **keys)


def test_suppression_applies_as_to_any_condition() -> None:
    bench = DeviceBench(
        [rule("change", **{"is": True}, suppress_while=["defrost_active"], cap="30m")],
        ("air_temperature", "defrost_active"),
    )
    bench.see((0, 1), metric="defrost_active").see((1, 1), (10, 1), (20, 1), (29, 1))

    assert bench.path == []
    assert [each.after for each in bench.see((31, 1)).transitions] == [Phase.FIRING]


steps = st.lists(st.tuples(st.sampled_from([0.2, 1, 4, 9, 15]), st.sampled_from([0.0, 1.0, 2.0, None])), max_size=40)


@given(
    steps,
    st.booleans(),
    st.sampled_from(
        [
            {"is": True, "for": "5m"},
            {"is_not": [0, 2]},
            {"is": 1, "times": 2, "within": "10m", "clear_for": "1m"},
            {"times": 3, "within": "20m"},
            {"is": [1], "times": 2, "within": "20m", "hard_limit": {"above": 1.5}},
        ]
    ),
)
def test_what_the_guard_passes_changes_nothing(
    script: list[tuple[float, float | None]], clock: bool, keys: dict[str, object]
) -> None:
    samples = timed((step, "air_temperature", value) for step, value in script)

    guarded, exact = guarded_and_exact(rule("change", **keys), samples, ("air_temperature",), clock=clock)

    assert guarded.path == exact.path
