"""Instants on the reader's wall, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_cloud.console.wall import Wall
from frostline_cloud.console.words import span, unknown

BERLIN = Wall.of("Europe/Berlin")
DAY_MS = 24 * 3_600_000


def test_an_instant_is_shown_in_the_readers_zone() -> None:
    assert BERLIN.text(1_790_000_000_000) == "2026-09-21 16:13:20"


def test_only_another_day_has_its_date() -> None:
    at_ms = 1_790_000_000_000
    assert BERLIN.short(at_ms, at_ms + 60_000) == "16:13"
    assert BERLIN.short(at_ms, at_ms + DAY_MS) == "2026-09-21 16:13"


@pytest.mark.parametrize("name", ["Nowhere/Land", "", None, "../etc/passwd", "x" * 300])
def test_a_zone_that_nobody_knows_is_utc(name: object) -> None:
    assert Wall.of(name) == Wall()


@given(st.integers(0, 4_000_000_000).map(lambda minute: minute % 60_000_000 * 60_000))
def test_a_field_reads_back_except_in_the_hour_that_comes_twice(at_ms: int) -> None:
    read = BERLIN.read(BERLIN.field(at_ms))
    assert read in (at_ms, at_ms - 3_600_000)
    assert BERLIN.field(read) == BERLIN.field(at_ms)


def test_an_hour_that_the_clocks_skip_is_refused() -> None:
    with pytest.raises(ValueError, match="skip that time"):
        BERLIN.read("2026-03-29T02:30")


@pytest.mark.parametrize("text", ["tomorrow", "2026-13-01T00:00", "2026-01-31T12:00+01:00"])
def test_what_is_no_local_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        BERLIN.read(text)


@pytest.mark.parametrize(
    ("length_ms", "said"),
    [
        (0, "0 s"),
        (-5, "0 s"),
        (59_999, "59 s"),
        (60_000, "1 min"),
        (3_725_000, "1 h 2 min"),
        (2 * DAY_MS + 3_600_000, "2 d 1 h"),
    ],
)
def test_spans_are_told_by_their_two_greatest_parts(length_ms: int, said: str) -> None:
    assert span(length_ms) == said


def test_nothing_is_unknown_while_samples_come() -> None:
    assert unknown(None, 5) == ""
    assert unknown(0, 720_000) == "unknown: no data for 12 min"
