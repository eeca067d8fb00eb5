"""A contact that bounces is not a door that opens and closes."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from frostline_edge.drivers.sensors.debounce import Change, Debounce


def fed(samples: list[tuple[int, bool]], hold_s: float = 0.2) -> list[Change]:
    debounce = Debounce(hold_s)
    return [change for at, level in samples if (change := debounce.feed(level, at)) is not None]


def test_the_first_level_is_believed_once_it_has_held() -> None:
    assert fed([(0, False), (100, False), (200, False)]) == [Change(False, 0)]


def test_bounces_are_one_change_that_carries_the_time_of_the_last_of_them() -> None:
    samples = [(0, False), (200, False), (300, True), (320, False), (340, True), (540, True)]
    assert fed(samples) == [Change(False, 0), Change(True, 340)]


def test_a_pulse_shorter_than_the_hold_is_nothing() -> None:
    assert fed([(0, False), (200, False), (300, True), (400, False), (700, False)]) == [Change(False, 0)]


def test_a_clock_that_was_set_back_starts_the_wait_again() -> None:
    assert fed([(10_000, True), (100, True), (200, True), (300, True)]) == [Change(True, 100)]


@given(st.lists(st.tuples(st.integers(1, 100), st.booleans()), max_size=80))
def test_changes_alternate(steps: list[tuple[int, bool]]) -> None:
    now, samples = 0, []
    for step, level in steps:
        now += step
        samples.append((now, level))
    levels = [change.level for change in fed(samples)]
    assert all(a != b for a, b in pairwise(levels))
