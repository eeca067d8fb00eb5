"""Robust lines through the samples of a window."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.rules.trend import fit

MINUTE = 60_000


def line(slope: float, level: float, count: int = 20) -> list[tuple[float, float]]:
    """Points a minute apart; slope per minute, level at the newest."""
    return [(index * MINUTE, level + slope * (index - count + 1)) for index in range(count)]


def noisy(slope: float, level: float, seed: int, count: int = 20, sigma: float = 0.1) -> list[tuple[float, float]]:
    random = Random(seed)  # noqa: S311 - noise, not a secret
    return [(at, value + random.gauss(0, sigma)) for at, value in line(slope, level, count)]


@given(st.floats(-5, 5), st.floats(-50, 50), st.integers(3, 22))
def test_points_on_a_line_give_that_line(slope: float, level: float, count: int) -> None:
    found = fit(line(slope, level, count))

    assert math.isclose(found.slope * MINUTE, slope, abs_tol=1e-9)
    assert math.isclose(found.level, level, abs_tol=1e-9)
    assert found.slope_doubt * MINUTE < 1e-9


@given(st.lists(st.integers(0, 19), min_size=1, max_size=5, unique=True), st.sampled_from([85.0, -127.0, 1e6]))
def test_a_quarter_of_wrong_samples_does_not_move_it_far(wrong: list[int], value: float) -> None:
    points = [(at, value if index in wrong else good) for index, (at, good) in enumerate(noisy(0.1, 5, 1))]

    assert fit(points).slope * MINUTE == pytest.approx(0.1, abs=0.07)  # the worst choice of five moves it by 0.065


def test_the_certainty_is_what_it_says() -> None:
    """19 of 20 noisy lines must not be steeper than said, and 19 of 20 not less steep."""
    lines = [fit(noisy(0.1, 5, seed)) for seed in range(1000)]

    too_steep = sum(each.slope - each.slope_doubt > 0.1 / MINUTE for each in lines)
    too_flat = sum(each.slope + each.slope_doubt < 0.1 / MINUTE for each in lines)

    assert 20 <= too_steep <= 100
    assert 20 <= too_flat <= 100


@pytest.mark.parametrize("count", [5, 6, 10])
def test_few_points_are_not_made_out_to_be_surer_than_they_are(count: int) -> None:
    lines = [fit(noisy(0.0, 5, seed, count)) for seed in range(1000)]

    assert sum(each.slope - each.slope_doubt > 0 for each in lines) <= 120


def test_it_says_when_a_limit_is_reached() -> None:
    found = fit(line(0.1, 5))

    assert found.reaches_ms(8, upward=True) == pytest.approx(30 * MINUTE)
    assert found.reaches_ms(2, upward=False) is None
    assert found.reaches_ms(4.9, upward=True) == 0


def test_a_limit_below_is_reached_by_what_falls() -> None:
    assert fit(line(-0.1, 5)).reaches_ms(2, upward=False) == pytest.approx(30 * MINUTE)


def test_the_likely_times_lie_around_the_expected_one() -> None:
    found = fit(noisy(0.1, 5, 3))
    expected = found.reaches_ms(8, upward=True)
    earliest = found.reaches_ms(8, upward=True, surely=1)
    latest = found.reaches_ms(8, upward=True, surely=-1)

    assert earliest is not None and expected is not None and latest is not None
    assert 0 < earliest < expected < latest


def test_the_real_time_lies_between_the_likely_ones_nine_times_in_ten() -> None:
    inside = 0
    for seed in range(1000):
        found = fit(noisy(0.1, 5, seed))
        earliest = found.reaches_ms(8, upward=True, surely=1) or 0
        latest = found.reaches_ms(8, upward=True, surely=-1)
        inside += earliest <= 30 * MINUTE <= (math.inf if latest is None else latest)

    assert inside >= 880


def test_a_rise_that_is_not_sure_may_never_be_there() -> None:
    found = fit(noisy(0.001, 5, 6))

    assert found.reaches_ms(8, upward=True, surely=-1) is None
