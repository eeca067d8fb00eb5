"""Thresholds: the way from ok to resolved in event time."""

from __future__ import annotations

import pytest

from frostline_core.rules import Evaluator, Phase, Rule
from tests.unit.core.rules.rule_bench import MINUTE, ROOM, DeviceBench, rule


def threshold(**keys: object) -> Rule:
    return rule("threshold", **keys)


class Bench(DeviceBench):
    """One series under one rule."""

    def __init__(self, tried: Rule) -> None:
        super().__init__([tried])


def test_a_value_on_the_limit_is_within_it() -> None:
    assert Bench(threshold(above=8.0, below=2.0)).see((0, 8.0), (1, 2.0)).path == []


@pytest.mark.parametrize(("value", "limit"), [(8.1, 8.0), (1.9, 2.0)])
def test_a_value_outside_the_band_fires_against_the_limit_it_passed(value: float, limit: float) -> None:
    fired = Bench(threshold(above=8.0, below=2.0)).see((0, 5.0), (1, value)).transitions[0]

    assert (fired.before, fired.after, fired.value, fired.limit) == (Phase.OK, Phase.FIRING, value, limit)


def test_it_resolves_only_past_the_hysteresis() -> None:
    bench = Bench(threshold(above=-15, hysteresis=1)).see((0, -14), (1, -15.5), (2, -15.999), (3, -16))

    assert bench.path == ["firing@0", "resolved@3"]


def test_a_short_excursion_only_pends() -> None:
    assert Bench(threshold(above=8, for_="10m")).see((0, 9), (9, 7), (30, 5)).path == ["pending@0", "ok@9"]


def test_it_fires_at_the_sample_that_completes_the_time() -> None:
    assert Bench(threshold(above=8, for_="10m")).see((0, 9), (5, 9), (10, 9)).path == ["pending@0", "firing@10"]


def test_it_fires_at_the_due_time_when_samples_come_late() -> None:
    assert Bench(threshold(above=8, for_="10m")).see((0, 9), (8, 9), (13, 9)).path == ["pending@0", "firing@10"]


def test_a_value_lasts_until_the_next_sample() -> None:
    bench = Bench(threshold(above=8, for_="10m")).see((0, 9), (8, 9), (13, 7))

    assert bench.path == ["pending@0", "firing@10", "resolved@13"]


def test_a_sample_at_the_due_time_decides() -> None:
    assert Bench(threshold(above=8, for_="10m")).see((0, 9), (8, 9), (10, 7)).path == ["pending@0", "ok@10"]


def test_after_a_long_silence_only_a_sample_fires_it() -> None:
    bench = Bench(threshold(above=8, for_="1h")).see((0, 9), (10, 9), (90, 9))

    assert bench.path == ["pending@0", "firing@90"]


def test_after_a_long_silence_a_good_sample_ends_it() -> None:
    assert Bench(threshold(above=8, for_="1h")).see((0, 9), (10, 9), (90, 7)).path == ["pending@0", "ok@90"]


def test_the_clock_fires_what_lasts_without_a_sample() -> None:
    bench = Bench(threshold(above=8, for_="5m")).wait(0).see((1, 9)).wait(6).wait(6.1)

    assert bench.path == ["pending@1", "firing@6"]


def test_the_clock_leaves_time_for_a_sample_under_way() -> None:
    bench = Bench(threshold(above=8, for_="5m")).wait(0).see((1, 9)).wait(6.02).see((6, 7)).wait(6.1)

    assert bench.path == ["pending@1", "ok@6"]


def test_the_clock_does_not_fire_a_series_that_fell_silent() -> None:
    bench = Bench(threshold(above=8, for_="30m")).wait(0).see((1, 9)).wait(120)

    assert bench.path == ["pending@1"]


def test_a_time_that_passed_during_a_restart_waits_for_the_backlog() -> None:
    before = Bench(threshold(above=8, for_="5m")).see((1, 9))
    state = before.evaluator.staged().states[0][2]
    assert state is not None
    after = Evaluator(before.evaluator.rules)
    slot = after.bind(ROOM, {"r": state}, 1 * MINUTE)

    after.advance(60 * MINUTE)
    after.observe(slot, 7, 5 * MINUTE)

    assert [t.after for t in after.staged().transitions] == [Phase.OK]


def test_silence_after_a_restart_still_fires_what_was_due() -> None:
    before = Bench(threshold(above=8, for_="5m")).see((1, 9))
    state = before.evaluator.staged().states[0][2]
    assert state is not None
    after = Evaluator(before.evaluator.rules)
    after.bind(ROOM, {"r": state}, 1 * MINUTE)

    after.advance(60 * MINUTE)
    after.advance(71 * MINUTE)

    assert next((t.after, t.at_ms) for t in after.staged().transitions) == (Phase.FIRING, 6 * MINUTE)


def test_it_resolves_after_a_good_time_in_samples() -> None:
    bench = Bench(threshold(above=8, clear_for="5m")).see((0, 9), (1, 7), (5, 7), (6, 7))

    assert bench.path == ["firing@0", "clearing@1", "resolved@6"]


def test_a_relapse_stays_the_same_incident() -> None:
    bench = Bench(threshold(above=8, for_="1m", clear_for="5m")).see((0, 9), (1, 9), (2, 7), (3, 9), (4, 7), (9, 7))

    assert bench.path == ["pending@0", "firing@1", "clearing@2", "firing@3", "clearing@4", "resolved@9"]


def test_silence_never_resolves() -> None:
    bench = Bench(threshold(above=8, clear_for="5m")).wait(0).see((1, 9), (2, 7)).wait(600)

    assert bench.path == ["firing@1", "clearing@2", "firing@12"]
    assert bench.notes[-1] == "no data"


def test_a_gap_in_the_samples_starts_the_good_time_anew() -> None:
    bench = Bench(threshold(above=8, clear_for="20m")).see((0, 9), (1, 7), (60, 7), (70, 7), (80, 7))

    assert bench.path == ["firing@0", "clearing@1", "firing@11", "clearing@60", "resolved@80"]


def test_a_firing_alert_without_data_stays_firing_and_says_so_once() -> None:
    bench = Bench(threshold(above=8)).see((0, 9), (1, None), (2, None), (3, 9))

    assert bench.path == ["firing@0", "firing@1", "firing@3"]
    assert bench.notes == ["", "no data", "data again"]


def test_a_firing_alert_whose_series_falls_silent_says_so_once() -> None:
    bench = Bench(threshold(above=8)).wait(0).see((1, 9)).wait(12).wait(60)

    assert bench.notes == ["", "no data"]


def test_no_value_makes_ok_unknown_and_a_value_ends_it() -> None:
    assert Bench(threshold(above=8)).see((0, 5), (1, None), (2, None), (3, 5)).path == ["unknown@1", "ok@3"]


def test_no_value_leaves_pending_as_it_is_and_stops_the_clock() -> None:
    bench = Bench(threshold(above=8, for_="5m")).wait(0).see((1, 9), (2, None)).wait(30)

    assert bench.path == ["pending@1"]


def test_a_bad_value_after_no_value_fires_when_the_time_is_over() -> None:
    assert Bench(threshold(above=8, for_="5m")).see((1, 9), (2, None), (8, 9)).path == ["pending@1", "firing@8"]


def test_no_value_during_clearing_does_not_count_as_good() -> None:
    bench = Bench(threshold(above=8, clear_for="5m")).see((0, 9), (1, 7), (2, None), (6, 7), (11, 7))

    assert bench.path == ["firing@0", "clearing@1", "firing@2", "clearing@6", "resolved@11"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_no_value(value: float) -> None:
    assert Bench(threshold(above=8)).see((0, 9), (1, value)).notes == ["", "no data"]


def test_it_tells_again_when_it_is_twice_as_far_out() -> None:
    bench = Bench(threshold(above=8)).see((0, 9), (1, 9.9), (2, 10), (3, 11.9), (4, 12), (5, 9))

    assert [(t.value, t.note) for t in bench.transitions] == [(9, ""), (10, "worse"), (12, "worse")]


def test_it_tells_again_when_it_falls_out_on_the_other_side() -> None:
    bench = Bench(threshold(above=8, below=2)).see((0, 9), (1, 1))

    assert [(t.value, t.limit, t.note) for t in bench.transitions] == [(9, 8.0, ""), (1, 2.0, "worse")]


def test_an_old_sample_is_counted_and_not_evaluated() -> None:
    bench = Bench(threshold(above=8)).see((5, 5), (5.2, 5), (5.1, 9), (5.2, 9))

    assert bench.path == []
    assert bench.evaluator.retroactive == 2


def test_a_series_with_slow_samples_resolves_when_the_rule_knows_of_them() -> None:
    slow = threshold(above=8, for_="90m", clear_for="90m", max_gap="61m")
    hourly = [(0, 9), (60, 9), (120, 9), (180, 7), (240, 7), (300, 7)]

    assert Bench(slow).see(*hourly).path == ["pending@0", "firing@90", "clearing@180", "resolved@300"]


def test_a_flag_is_a_number() -> None:
    bench = Bench(threshold(above=0.5)).see((0, False), (1, True))

    assert [t.value for t in bench.transitions] == [1.0]
