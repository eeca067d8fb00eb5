"""Samples of rule tests in few letters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_cloud.rules.notation import points
from frostline_core.errors import ConfigError


def test_values_gaps_and_blanks_follow_each_other() -> None:
    assert points("4x2 _x3 ?x1 -9.5", "t") == ([(0, 4.0), (1, 4.0), (5, None), (6, -9.5)], 7)


def test_a_ramp_has_both_ends() -> None:
    assert points("-18..-9x4", "t") == ([(0, -18.0), (1, -15.0), (2, -12.0), (3, -9.0)], 4)


@pytest.mark.parametrize("word", ["x3", "4y3", "1..2", "1..2x1", "4x", "--4", "1e999", "9x99999999999"])
def test_what_is_no_word_is_an_error_that_names_it(word: str) -> None:
    with pytest.raises(ConfigError, match="t: "):
        points(f"1x2 {word}", "t")


def test_a_series_has_a_bound() -> None:
    with pytest.raises(ConfigError, match="more than"):
        points("1x600000 1x600000", "t")


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(1, 20)), max_size=20))
def test_what_is_written_is_read_back(runs: list[tuple[float, int]]) -> None:
    text = " ".join(f"{value!r}x{times}" for value, times in runs)
    wanted = [value for value, times in runs for _ in range(times)]
    assert points(text, "t") == (list(enumerate(wanted)), len(wanted))
