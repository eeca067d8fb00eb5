"""The present, from what the store last wrote of each field."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from frostline_cloud.api.live import Freshness, LiveValue, live_values
from frostline_cloud.sql.registry import KnownDevice
from frostline_cloud.store import Latest
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Quality

NOW = 1_790_000_000_000
FRESH = Freshness(NOW, 600_000)
TEMPERATURE = MetricDescription("t", DataType.FLOAT, "Cel")

instants = st.integers(NOW - 900_000, NOW + 60_000)
values = st.builds(Latest, st.just("t"), st.floats(-50, 50), instants)
qualities = st.builds(Latest, st.just("t_quality"), st.sampled_from([0.0, 192.0, 500.0, 7.0]), instants)


def live(*latest: Latest, metric: MetricDescription = TEMPERATURE, freshness: Freshness = FRESH) -> LiveValue:
    device = KnownDevice("s", "n", DeviceDescription("d", "cold_room", metrics=(metric,)), True, True, NOW, None)
    (value,) = live_values(device, latest, freshness)
    return value


@given(st.one_of(st.none(), values), st.one_of(st.none(), qualities))
def test_a_value_is_shown_exactly_when_the_newest_reading_had_one(value: Latest | None, quality: Latest | None) -> None:
    shown = live(*(each for each in (value, quality) if each is not None))
    bad = quality is not None and quality.value in (0.0, 7.0) and (value is None or quality.at_ms >= value.at_ms)
    assert (shown.value is None) == (value is None or bad)
    assert (shown.quality is Quality.BAD) == bad
    assert (shown.at_ms is None) == (value is None and quality is None)


@given(st.one_of(st.none(), values), st.one_of(st.none(), qualities), st.sampled_from(["", "ingest: down"]))
def test_nothing_old_or_absent_is_fresh(value: Latest | None, quality: Latest | None, fault: str) -> None:
    given_ones = [each for each in (value, quality) if each is not None]
    shown = live(*given_ones, freshness=Freshness(NOW, 600_000, fault))
    newest = max((each.at_ms for each in given_ones), default=None)
    assert (shown.stale == "") == (not fault and newest is not None and NOW - newest <= 600_000)


def test_a_good_reading_ends_the_doubt_of_the_one_before() -> None:
    shown = live(Latest("t", 4.0, NOW), Latest("t_quality", 500.0, NOW - 1))
    assert (shown.value, shown.quality) == (4.0, Quality.GOOD)


def test_an_uncertain_reading_keeps_its_value() -> None:
    shown = live(Latest("t", 4.0, NOW), Latest("t_quality", 500.0, NOW))
    assert (shown.value, shown.quality) == (4.0, Quality.UNCERTAIN)


def test_an_instant_in_the_future_has_no_negative_age() -> None:
    assert live(Latest("t", 4.0, NOW + 5000)).age_ms(NOW) == 0


def test_what_only_describes_is_no_value() -> None:
    device = KnownDevice(
        "s", "n", DeviceDescription("d", "door", metrics=(MetricDescription("Properties/Kind", DataType.STRING),)),
        True, True, NOW, None,
    )  # fmt: skip
    assert live_values(device, [], FRESH) == []
