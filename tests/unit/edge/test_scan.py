"""Columns are a faster way of saying readings: the sampler keeps, filters and rejects exactly the same."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Quality, Reading, Value
from frostline_edge.sampler import Sampler
from frostline_edge.sampling import Sampling
from frostline_edge.scan import Scan

NAMES = ("a", "b")

numbers = st.one_of(
    st.sampled_from([0.0, -0.0, 0.1, 0.2, 0.3, 2.0, 2.5, 1e9, 1e9 + 1, math.nan, math.inf]),
    st.integers(-4, 4),
    st.sampled_from([2**53, 2**53 + 1, 2**63 - 1]),
    st.floats(-3, 3, allow_nan=False),
)
values = st.one_of(numbers, st.none(), st.booleans(), st.sampled_from(["on", "off"]))
samplings = st.builds(
    Sampling,
    deadband=st.sampled_from([0.0, 0.1, 0.5, 1.0, 1.6]),
    deadband_percent=st.sampled_from([0.0, 10.0]),
    min_interval_s=st.sampled_from([0.0, 2.0]),
    max_interval_s=st.sampled_from([0.29, 5.0, 300.0]),
    calibration_offset=st.sampled_from([0.0, 0.5]),
    source_unit=st.sampled_from(["", "[degF]"]),
    every=st.booleans(),
)
metrics = st.builds(
    lambda name, datatype, low, high: MetricDescription(name, datatype, "Cel", low, high),
    st.just("a"),
    st.sampled_from(
        [DataType.DOUBLE, DataType.INT16, DataType.INT64, DataType.FLOAT, DataType.BOOLEAN, DataType.STRING]
    ),
    st.sampled_from([None, -2.0, 0.1]),
    st.sampled_from([None, 2.0]),
)
steps = st.lists(
    st.tuples(st.sampled_from([0, 1, 290, 1000, 4999, -3000, 300_000]), values, values, st.booleans()), max_size=25
)


def _sampler(metric: MetricDescription, sampling: Sampling) -> Sampler:
    one = Sampler()
    one.configure("d", {"a": sampling}, DeviceDescription("d", "kind", metrics=(metric,)))
    return one


def _what(readings: Sequence[Reading]) -> list[tuple[str, str, int, Quality]]:
    return [(each.metric, repr(each.value), each.at_ms, each.quality) for each in readings]


@given(metrics, samplings, steps)
def test_columns_become_the_same_samples_as_readings(
    metric: MetricDescription, sampling: Sampling, taken: list[tuple[int, Value, Value, bool]]
) -> None:
    columns, plain = _sampler(metric, sampling), _sampler(metric, sampling)
    at_ms = 1_000_000
    for step_ms, first, second, event in taken:
        at_ms += step_ms
        scan = Scan("d", NAMES, [first, second], at_ms)
        assert _what(columns.take(scan, event=event)) == _what(plain.take(list(scan), event=event))
        assert (columns.account, columns.rejections) == (plain.account, plain.rejections)


def test_an_event_between_two_polls_is_what_the_next_poll_is_compared_with() -> None:
    one = _sampler(MetricDescription("a", DataType.BOOLEAN), Sampling())
    names = ("a",)
    assert len(one.take(Scan("d", names, [False], 0))) == 1
    one.take([Reading("d", "a", True, 500)], event=True)
    assert [each.value for each in one.take(Scan("d", names, [False], 1000))] == [False]


def test_another_birth_makes_the_next_poll_news_again() -> None:
    metric = MetricDescription("a", DataType.DOUBLE)
    one = _sampler(metric, Sampling())
    names = ("a",)
    one.take(Scan("d", names, [1.0], 0))
    one.configure("d", {"a": Sampling()}, DeviceDescription("d", "kind", metrics=(metric,)))
    assert len(one.take(Scan("d", names, [1.0], 1000))) == 1


def test_a_scan_of_a_device_that_nobody_declared_is_rejected() -> None:
    one = Sampler()
    assert one.take(Scan("d", NAMES, [1.0, 2.0], 0)) == []
    assert (one.account.read, one.account.rejected) == (2, 2)


def test_a_scan_is_a_sequence_of_readings() -> None:
    scan = Scan("d", NAMES, [1.5, None], 7)
    assert list(scan) == [Reading("d", "a", 1.5, 7), Reading("d", "b", None, 7, Quality.BAD)]
    assert list(scan[1:]) == list(scan)[1:]
    with pytest.raises(IndexError):
        scan[2]
