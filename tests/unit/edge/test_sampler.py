"""The sampler keeps what is news, says no to what does not fit, and loses count of nothing."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.errors import ConfigError
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Quality, Reading, Value
from frostline_edge.sampled_metric import Rejection
from frostline_edge.sampler import Sampler, SamplerAccount
from frostline_edge.sampling import Sampling

T = "air_temperature"


def sampler(sampling: Sampling | None = None, **metric: Any) -> Sampler:
    one = Sampler()
    keys: dict[str, Any] = {"name": T, "datatype": DataType.DOUBLE, "unit": "Cel"} | metric
    description = DeviceDescription("room-1", "cold_room", metrics=(MetricDescription(**keys),))
    one.configure("room-1", {} if sampling is None else {T: sampling}, description)
    return one


def at(second: float, value: Value, quality: Quality = Quality.GOOD) -> Reading:
    return Reading("room-1", T, value, int(second * 1000), quality)


def bad(second: float) -> Reading:
    return at(second, None, Quality.BAD)


def values(kept: list[Reading]) -> list[Value]:
    return [reading.value for reading in kept]


def test_the_first_reading_is_kept() -> None:
    assert values(sampler(Sampling()).take([at(0, 2.0), at(1, 2.0)])) == [2.0]


def test_the_first_reading_after_another_birth_is_kept() -> None:
    one = sampler(Sampling())
    one.take([at(0, 2.0)])
    one.configure("room-1", {T: Sampling()}, DeviceDescription("room-1", "cold_room", metrics=_double()))
    assert values(one.take([at(1, 2.0)])) == [2.0]


def _double() -> tuple[MetricDescription, ...]:
    return (MetricDescription(T, DataType.DOUBLE, "Cel"),)


def test_without_a_rule_every_reading_is_kept() -> None:
    assert values(sampler().take([at(0, 2.0), at(1, 2.0)])) == [2.0, 2.0]


def test_every_keeps_what_did_not_change() -> None:
    assert len(sampler(Sampling(every=True)).take([at(0, 2.0), at(1, 2.0), at(2, 2.0)])) == 3


def test_no_deadband_keeps_every_change() -> None:
    assert values(sampler(Sampling()).take([at(0, 2.0), at(1, 2.0001), at(2, 2.0001)])) == [2.0, 2.0001]


def test_a_deadband_is_measured_from_the_last_sample_so_that_a_slow_drift_is_seen() -> None:
    drift = [at(i, 2.0 + i * 0.04) for i in range(6)]
    assert values(sampler(Sampling(deadband=0.1)).take(drift)) == [2.0, 2.12]


def test_a_step_of_exactly_the_deadband_is_a_change() -> None:
    assert values(sampler(Sampling(deadband=0.1)).take([at(0, 0.2), at(1, 0.3)])) == [0.2, 0.3]


def test_the_larger_of_the_two_deadbands_counts() -> None:
    one = sampler(Sampling(deadband=0.1, deadband_percent=10))
    assert values(one.take([at(0, 100.0), at(1, 105.0), at(2, 111.0)])) == [100.0, 111.0]


def test_silence_never_lasts_longer_than_the_longest_interval() -> None:
    readings = [at(i * 10, 2.0) for i in range(13)]
    assert [r.at_ms for r in sampler(Sampling(max_interval_s=60)).take(readings)] == [0, 60_000, 120_000]


def test_changes_inside_the_shortest_interval_wait_for_its_end() -> None:
    readings = [at(i, float(i)) for i in range(6)]
    assert values(sampler(Sampling(min_interval_s=3)).take(readings)) == [0.0, 3.0]


def test_a_change_of_quality_is_kept_inside_the_shortest_interval_too() -> None:
    one = sampler(Sampling(min_interval_s=60, deadband=5))
    assert values(one.take([at(0, 2.0), bad(1), bad(2), at(3, 2.0)])) == [2.0, None, 2.0]


def test_a_clock_that_was_set_back_stops_nothing() -> None:
    assert values(sampler(Sampling(min_interval_s=60)).take([at(1000, 2.0), at(10, 2.0)])) == [2.0, 2.0]


def test_flags_are_kept_on_change() -> None:
    one = sampler(Sampling(), datatype=DataType.BOOLEAN, unit="")
    assert values(one.take([at(0, False), at(1, False), at(2, True), at(3, True)])) == [False, True]


def test_text_is_kept_on_change() -> None:
    one = sampler(Sampling(), datatype=DataType.STRING, unit="")
    assert values(one.take([at(0, "a"), at(1, "a"), at(2, "b")])) == ["a", "b"]


def test_an_event_is_never_filtered() -> None:
    one = sampler(Sampling(min_interval_s=60), datatype=DataType.BOOLEAN, unit="")
    assert values(one.take([at(0, True), at(0, True), at(0, False)], event=True)) == [True, True, False]


def test_units_are_converted_and_then_calibrated() -> None:
    one = sampler(Sampling(source_unit="[degF]", calibration_offset=-0.5))
    (kept,) = one.take([at(0, 41.0)])
    assert kept.value == pytest.approx(4.5)


def test_an_integer_metric_stays_an_integer_when_calibrated() -> None:
    (kept,) = sampler(Sampling(calibration_offset=0.6), datatype=DataType.INT64, unit="").take([at(0, 4)])
    assert kept.value == 5
    assert isinstance(kept.value, int)


def test_a_whole_number_for_a_double_metric_becomes_a_double() -> None:
    (kept,) = sampler(Sampling()).take([at(0, 4)])
    assert isinstance(kept.value, float)


@pytest.mark.parametrize("value", [-61.0, 61.0, math.nan, math.inf, 10**400])
def test_an_implausible_number_becomes_bad_and_carries_no_value(value: float) -> None:
    (kept,) = sampler(Sampling(), low=-60.0, high=60.0).take([at(0, value)])
    assert (kept.value, kept.quality) == (None, Quality.BAD)


def test_the_range_holds_for_the_converted_value() -> None:
    (kept,) = sampler(Sampling(source_unit="[degF]"), low=-30.0, high=30.0).take([at(0, 59.0)])
    assert kept.quality is Quality.GOOD


def test_quality_travels_with_a_converted_value() -> None:
    (kept,) = sampler(Sampling(source_unit="[degF]")).take([at(0, 59.0, Quality.UNCERTAIN)])
    assert kept.quality is Quality.UNCERTAIN


@pytest.mark.parametrize(
    ("reading", "datatype", "reason"),
    [
        (Reading("room-9", T, 1.0, 0), DataType.DOUBLE, Rejection.DEVICE),
        (Reading("room-1", "other", 1.0, 0), DataType.DOUBLE, Rejection.METRIC),
        (at(0, "warm"), DataType.DOUBLE, Rejection.TYPE),
        (at(0, True), DataType.DOUBLE, Rejection.TYPE),
        (at(0, 1.5), DataType.INT64, Rejection.TYPE),
        (at(0, 1), DataType.BOOLEAN, Rejection.TYPE),
        (at(0, b"x"), DataType.STRING, Rejection.TYPE),
        (at(0, 200), DataType.INT8, Rejection.SIZE),
        (at(0, -1), DataType.UINT32, Rejection.SIZE),
        (at(0, 2**63), DataType.INT64, Rejection.SIZE),
        (at(0, 1e39), DataType.FLOAT, Rejection.SIZE),
    ],
)
def test_what_fits_no_metric_is_rejected_with_its_reason(reading: Reading, datatype: DataType, reason: str) -> None:
    one = sampler(datatype=datatype, unit="")
    assert one.take([reading]) == []
    assert one.rejections == {reason: 1}


def test_a_source_unit_of_another_dimension_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="room-1/air_temperature: cannot convert kPa"):
        sampler(Sampling(source_unit="kPa"))


def test_a_forgotten_device_is_rejected() -> None:
    one = sampler()
    one.forget("room-1")
    one.take([at(0, 1.0)])
    assert one.account == SamplerAccount(read=1, rejected=1)


_values = st.one_of(
    st.none(), st.booleans(), st.text(max_size=3), st.integers(-(2**1100), 2**1100), st.floats(), st.binary(max_size=2)
)
_rules = st.builds(
    Sampling,
    deadband=st.floats(0, 10),
    deadband_percent=st.floats(0, 50),
    min_interval_s=st.floats(0, 5),
    max_interval_s=st.floats(0.1, 20),
    calibration_offset=st.floats(-5, 5),
    every=st.booleans(),
)


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    value = draw(_values)
    quality = Quality.BAD if value is None else draw(st.sampled_from([Quality.GOOD, Quality.UNCERTAIN]))
    device = draw(st.sampled_from(["room-1", "room-1", "room-1", "room-9"]))
    return Reading(device, draw(st.sampled_from([T, T, "x"])), value, draw(st.integers(0, 60_000)), quality)


@given(
    stream=st.lists(readings(), max_size=40),
    rule=_rules,
    datatype=st.sampled_from([DataType.DOUBLE, DataType.FLOAT, DataType.INT16, DataType.BOOLEAN, DataType.STRING]),
    event=st.booleans(),
)
def test_read_is_always_kept_and_filtered_and_rejected(
    stream: list[Reading], rule: Sampling, datatype: DataType, event: bool
) -> None:
    one = sampler(rule, datatype=datatype, unit="", low=-100.0, high=100.0)
    kept = one.take(stream, event=event)
    account = one.account
    assert account.read == len(stream) == account.kept + account.filtered + account.rejected
    assert account.kept == len(kept)
    assert all(r.quality is Quality.BAD for r in kept if r.value is None)


@given(stream=st.lists(st.floats(-50, 50), min_size=1, max_size=60), band=st.floats(0, 5))
def test_the_samples_never_stray_from_the_readings_by_the_deadband(stream: list[float], band: float) -> None:
    one = sampler(Sampling(deadband=band, max_interval_s=1e9))
    shown = 0.0
    for i, value in enumerate(stream):
        for kept in one.take([at(i, value)]):
            assert isinstance(kept.value, float)
            shown = kept.value
        assert abs(shown - value) <= band


def test_samples_of_one_burst_get_an_instant_each_so_that_a_store_keeps_them_all() -> None:
    kept = sampler().take([at(1, 2.0), at(1, 2.5), at(1, 3.0)])
    assert [(reading.value, reading.at_ms) for reading in kept] == [(2.0, 1000), (2.5, 1001), (3.0, 1002)]


def test_a_birth_between_two_readings_of_one_instant_does_not_make_them_one() -> None:
    one = sampler()
    first = one.take([at(1, 2.0)])
    one.configure("room-1", {}, DeviceDescription("room-1", "cold_room", metrics=_double()))
    assert [reading.at_ms for reading in [*first, *one.take([at(1, 2.5)])]] == [1000, 1001]


def test_a_clock_that_was_set_back_is_not_hidden() -> None:
    kept = sampler().take([at(3600, 2.0), at(60, 2.5)])
    assert [reading.at_ms for reading in kept] == [3_600_000, 60_000]


@given(st.lists(st.integers(0, 3), max_size=60))
def test_instants_of_a_series_always_rise_while_the_clock_does_not_go_back(steps: list[int]) -> None:
    one, now = sampler(), 0
    kept: list[Reading] = []
    for step in steps:
        now += step
        kept += one.take([Reading("room-1", T, 2.0, now)])
    instants = [reading.at_ms for reading in kept]
    assert instants == sorted(set(instants))
