"""Values that are on their way to a limit."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostline_core.errors import ConfigError
from frostline_core.rules import Phase
from frostline_core.rules.backlog import JOIN_MS
from tests.unit.core.rules.rule_bench import MINUTE, DeviceBench, guarded_and_exact, moved, rule

METRICS = ("air_temperature", "defrost_active")


def breach(**keys: Any) -> DeviceBench:
    return DeviceBench([rule("breach", **{"above": 8.0, "within": "30m", **keys})], METRICS)


def ramp(
    bench: DeviceBench, start: float, stop: float, value: float, per_minute: float = 0, noise: float = 0, seed: int = 1
) -> float:
    """Samples each half minute from `value` at `start`; returns the last value without its noise."""
    random = Random(seed)  # noqa: S311 - noise, not a secret
    minute, last = start, value
    while minute < stop:
        last = value + per_minute * (minute - start)
        bench.see((minute, last + random.gauss(0, noise)))
        minute += 0.5
    return last


def phases(bench: DeviceBench) -> list[str]:
    return [each.split("@")[0] for each in bench.path]


def test_it_fires_when_the_limit_is_so_near() -> None:
    bench = breach()
    ramp(bench, 0, 40, 3.0, per_minute=0.1)

    fired = bench.transitions[2]
    assert (fired.after, fired.at_ms, fired.limit) == (Phase.FIRING, 20 * MINUTE, 8.0)
    assert fired.facts["crosses_ms"] == pytest.approx(50 * MINUTE, abs=1000)
    assert fired.note == "beyond 8 in 30m"


def test_it_says_how_sure() -> None:
    bench = breach()
    ramp(bench, 0, 40, 3.0, per_minute=0.1, noise=0.1)

    facts = next(each.facts for each in bench.transitions if each.after is Phase.FIRING)
    assert facts["earliest_ms"] < facts["crosses_ms"] < facts["latest_ms"]
    assert facts["earliest_ms"] <= 50 * MINUTE <= facts["latest_ms"]
    assert facts["per_hour"] == pytest.approx(6, abs=2)


def test_a_limit_that_is_far_fires_nothing() -> None:
    bench = breach()
    ramp(bench, 0, 60, 3.0, per_minute=0.01)

    assert phases(bench) == ["unknown", "ok"]


def test_a_fall_to_the_lower_limit_fires_too() -> None:
    bench = breach(above=8.0, below=2.0)
    ramp(bench, 0, 30, 6.0, per_minute=-0.1)

    assert [each.limit for each in bench.transitions if each.after is Phase.FIRING][:1] == [2.0]


@pytest.mark.parametrize("seed", range(5))
def test_noise_about_a_steady_value_fires_nothing(seed: int) -> None:
    bench = breach(window="20m", for_="2m")
    ramp(bench, 0, 24 * 60, 5.0, noise=0.15, seed=seed)

    assert "firing" not in phases(bench)


def test_the_cycle_of_a_compressor_is_no_trend_of_a_longer_window() -> None:
    bench = breach(above=-15.0, window="40m")
    for index in range(600):
        bench.see((index * 0.5, -18.0 + abs((index * 0.5) % 20 - 10) / 5))

    assert "firing" not in phases(bench)


def test_it_does_not_flap_while_the_limit_comes_nearer() -> None:
    bench = breach(window="20m", for_="2m", clear_for="5m")
    ramp(bench, 30, 95, ramp(bench, 0, 30, 3.0, noise=0.1), per_minute=0.08, noise=0.1)

    assert phases(bench).count("pending") == 1
    assert "resolved" not in phases(bench)


def test_it_is_told_again_as_the_time_halves_and_when_it_is_over() -> None:
    bench = breach()
    ramp(bench, 0, 60, 3.0, per_minute=0.1)

    told = [(each.at_ms / MINUTE, each.note) for each in bench.transitions[2:]]
    assert [note for _, note in told] == ["beyond 8 in 30m", *["worse"] * 5]
    assert [minute for minute, _ in told] == pytest.approx([20, 35, 42.5, 46.5, 48.5, 50.5], abs=0.6)


def test_it_is_over_when_the_value_turns() -> None:
    bench = breach(clear_for="3m")
    ramp(bench, 30, 60, ramp(bench, 0, 30, 3.0, per_minute=0.1), per_minute=-0.1)

    assert phases(bench)[-2:] == ["clearing", "resolved"]


def test_a_value_beyond_the_limit_is_there() -> None:
    bench = breach()
    ramp(bench, 0, 20, 9.0, per_minute=-0.01)

    assert phases(bench) == ["unknown", "firing"]
    assert bench.notes[-1] == "beyond 8"


def test_a_defrost_is_no_trend() -> None:
    bench = breach(suppress_while=["defrost_active"], grace="15m", cap="1h")
    ramp(bench, 0, 20, 4.0)
    bench.see((20, 1), metric="defrost_active")
    last = ramp(bench, 20, 35, 4.0, per_minute=0.2)
    bench.see((35, 0), metric="defrost_active")
    ramp(bench, 50, 90, ramp(bench, 35, 50, last, per_minute=-0.2))

    assert phases(bench) == ["unknown", "ok"]


def test_too_few_samples_are_unknown() -> None:
    bench = breach()
    for index in range(20):
        bench.see((index * 5, 3.0 + index))

    assert phases(bench) == ["unknown"]


def test_after_a_gap_it_is_unknown() -> None:
    bench = breach()
    ramp(bench, 0, 20, 4.0)
    ramp(bench, 60, 80, 6.0)

    assert bench.path == ["unknown@0", "ok@8", "unknown@60", "ok@68"]


def test_what_fires_stays_firing_without_data() -> None:
    bench = breach(window="20m").wait(0)
    ramp(bench, 0, 30, 3.0, per_minute=0.1)
    bench.wait(300)

    assert phases(bench)[-1] == "firing"
    assert bench.notes[-1] == "no data"


def test_a_restart_goes_unnoticed() -> None:
    bench = breach()
    value = ramp(bench, 0, 30, 3.0, per_minute=0.1)
    again = bench.restarted()
    for each in (bench, again):
        ramp(each, 30, 60, value, per_minute=0.1)

    assert again.path == bench.path[3:]


def test_a_backlog_with_a_trend_that_ended_is_told_as_of_then() -> None:
    bench = breach()
    ramp(bench, 0, 20, 4.0)
    bench.see((120, 4.0))
    ramp(bench, 50, 119, ramp(bench, 35, 50, ramp(bench, 20, 35, 4.0, per_minute=0.2), per_minute=-0.2))
    bench.wait(120.1).wait(120.2 + JOIN_MS / MINUTE)

    late = [f"{each.track.value} {each.after.value}" for each in bench.transitions if each.track.value == "backlog"]
    assert (late[0], late[-1]) == ("backlog firing", "backlog resolved")
    assert not any(each.after is Phase.FIRING for each in bench.transitions if each.track.value == "live")


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"above": None}, "above"),
        ({"below": 9.0}, "less than"),
        ({"release": "10m"}, "release"),
        ({"within": 1}, "within"),
    ],
)
def test_what_makes_no_sense_is_refused(keys: dict[str, object], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        breach(**keys)


steps = st.lists(
    st.tuples(st.sampled_from([0.1, 0.2, 0.5, 1, 3]), st.sampled_from([-1.0, 0.0, 0.1, 0.5, 0.5, None, "defrost"])),
    max_size=80,
)


@settings(max_examples=60)
@given(
    steps,
    st.booleans(),
    st.sampled_from(
        [
            {},
            {"for": "1m", "clear_for": "1m"},
            {"hard_limit": {"above": 7.0}},
            {"below": 3.0, "suppress_while": ["defrost_active"], "grace": "2m"},
        ]
    ),
)
def test_what_the_guard_passes_changes_nothing(
    script: list[tuple[float, float | str | None]], clock: bool, keys: dict[str, object]
) -> None:
    guarded, exact = guarded_and_exact(
        rule("breach", **{"above": 8.0, "within": "10m", "window": "4m", "max_gap": "2m", **keys}),
        moved(script),
        METRICS,
        clock=clock,
    )

    assert guarded.path == exact.path
