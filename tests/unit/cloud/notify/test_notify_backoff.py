"""Waits between attempts."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_cloud.notify.backoff import FIRST_S, MOST_S, wait_s

JITTER = Random(1)  # noqa: S311 - spreads calls, guards nothing


@given(st.integers(1, 10_000), st.randoms(use_true_random=False))
def test_a_wait_lies_between_four_seconds_and_a_quarter_of_an_hour(attempts: int, random: Random) -> None:
    assert 0.8 * FIRST_S <= wait_s(attempts, random) <= MOST_S


@pytest.mark.parametrize(("attempts", "middle"), [(1, 5), (2, 10), (3, 20), (4, 40), (7, 320)])
def test_waits_double(attempts: int, middle: float) -> None:
    waits = [wait_s(attempts, JITTER) for _ in range(500)]

    assert 0.8 * middle <= min(waits) < 0.9 * middle
    assert 1.1 * middle < max(waits) <= 1.2 * middle


def test_a_receiver_may_ask_for_more_time_but_not_for_ever() -> None:
    assert wait_s(1, JITTER, 60) == 60
    assert wait_s(1, JITTER, 10**9) == MOST_S


def test_a_receiver_cannot_ask_for_less_time() -> None:
    assert wait_s(5, JITTER, 0) >= 64
