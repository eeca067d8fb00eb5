"""Durations in rule files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.rules import duration


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        ("250ms", 250),
        ("90s", 90_000),
        ("5m", 300_000),
        ("10h", 36_000_000),
        ("1d", 86_400_000),
        (90, 90_000),
        (0.5, 500),
    ],
)
def test_a_duration_is_read_from_text_or_seconds(written: object, ms: int) -> None:
    assert duration.parse(written) == ms


@pytest.mark.parametrize(
    "wrong", ["", "5", "m", "5 minutes", "-5m", True, None, -1, float("nan"), "401d", float("inf")]
)
def test_anything_else_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        duration.parse(wrong)


@given(st.integers(0, duration.MAX_MS))
def test_what_is_written_reads_back_the_same(ms: int) -> None:
    assert duration.parse(duration.text(ms)) == ms
