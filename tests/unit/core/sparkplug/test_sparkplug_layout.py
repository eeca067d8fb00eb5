"""Columns read by a learned layout are what reading metric by metric gives, or nothing at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Quality, Reading
from frostline_core.sparkplug import (
    BoundMetric,
    DataCame,
    DeviceBirth,
    EdgeSession,
    HostSession,
    PayloadMessage,
    parse,
    set_quality,
    set_value,
    value_of,
)
from frostline_core.sparkplug.layout import LEAST_METRICS, Learned, learn

NOW_MS = 1_800_000_000_000
_TYPES = (DataType.DOUBLE, DataType.FLOAT, DataType.BOOLEAN, DataType.INT32)
ALIASES = {
    alias: BoundMetric("d", MetricDescription(f"m{alias}", _TYPES[alias % 4]), alias)
    for alias in (*range(8), 200, 9001)
}
_VALUES = {
    DataType.DOUBLE: st.floats(),
    DataType.FLOAT: st.floats(width=32),
    DataType.BOOLEAN: st.booleans(),
    DataType.INT32: st.integers(-100, 100),
}
_STAMPS = st.sampled_from([None, 0, NOW_MS, NOW_MS + 1, NOW_MS + 20_000, 2**42])


@dataclass(frozen=True)
class Sent:
    """One metric of a message."""

    alias: int
    value: float | bool | int | None
    at_ms: int | None
    datatype: bool
    historical: bool
    quality: bool


@st.composite
def metrics(draw: st.DrawFn) -> list[Sent]:
    """Mostly one form and one time, each metric once; now and then anything."""
    odd = st.integers(0, 19).map(lambda n: n == 0)
    at_ms, datatype, historical = draw(_STAMPS), draw(st.booleans()), draw(st.booleans())
    found = []
    for alias in draw(st.lists(st.sampled_from(sorted(ALIASES)), max_size=9, unique=not draw(odd))):
        value = None if draw(odd) else draw(_VALUES[ALIASES[alias].description.datatype])
        found.append(Sent(alias, value, draw(_STAMPS) if draw(odd) else at_ms, datatype, historical, draw(odd)))
    return found


def message(sent: Sequence[Sent], at_ms: int | None, seq: int) -> PayloadMessage:
    made = PayloadMessage(seq=seq)
    if at_ms is not None:
        made.timestamp = at_ms
    for each in sent:
        metric = made.metrics.add(alias=each.alias)
        datatype = ALIASES[each.alias].description.datatype
        set_value(metric, datatype, each.value)
        if each.at_ms is not None:
            metric.timestamp = each.at_ms
        if each.datatype:
            metric.datatype = datatype
        if each.historical:
            metric.is_historical = True
        if each.quality:
            set_quality(metric, Quality.UNCERTAIN)
    return made


def read(raw: bytes) -> list[tuple[int, str, int]]:
    """Alias, value and time of every metric, one by one; numbers as text, so that not-a-number is itself."""
    whole = PayloadMessage.FromString(raw)
    found = []
    for each in whole.metrics:
        value = value_of(each, ALIASES[each.alias].description.datatype)
        text = repr(None if value is None else float(value))
        found.append((each.alias, text, each.timestamp or whole.timestamp))
    return found


@given(metrics(), metrics(), _STAMPS, _STAMPS, st.booleans())
def test_whatever_a_layout_reads_is_what_the_message_says(
    first: list[Sent], second: list[Sent], at_ms: int | None, then_ms: int | None, alike: bool
) -> None:
    raw = message(first, at_ms, 3).SerializeToString()
    layout = learn(raw, ALIASES)
    if layout is None:
        return
    later = [replace(each, at_ms=then_ms if each.at_ms is not None else None) for each in first]
    for other in (raw, message(later if alike else second, then_ms, 200).SerializeToString()):
        columns = layout.read(other)
        if columns is not None:
            pairs = zip(columns.layout.bound, columns.values, strict=True)
            found = [(bound.alias, repr(value), columns.at_ms) for bound, value in pairs]
            assert found == read(other)[: len(found)]
            rest = [each[:2] for each in read(other[layout.size :])]
            assert rest == [each[:2] for each in read(other)[len(found) :]]


def regular(values: list[float], at_ms: int, flag: bool = True) -> bytes:
    """Two doubles, a float and a flag, as our own gateway sends them."""
    sent = [
        Sent(0, values[0], at_ms, False, False, False),
        Sent(4, values[1], at_ms, False, False, False),
        Sent(1, values[2], at_ms, False, False, False),
        Sent(2, flag, at_ms, False, False, False),
    ]
    return message(sent, at_ms + 7, 9).SerializeToString()


@given(st.lists(st.floats(width=32), min_size=3, max_size=3), st.integers(2**36, 2**42 - 8), st.booleans())
def test_messages_of_the_same_form_are_read_whatever_their_values(values: list[float], at_ms: int, flag: bool) -> None:
    layout = learn(regular([0.0, 0.0, 0.0], NOW_MS), ALIASES)
    assert layout is not None
    columns = layout.read(regular(values, at_ms, flag))
    assert columns is not None
    assert columns.at_ms == at_ms
    assert list(map(repr, columns.values)) == list(map(repr, [*values, float(flag)]))


@given(st.binary(max_size=200), st.integers(0, 60))
def test_any_other_bytes_are_not_read_or_read_as_they_are(garbage: bytes, keep: int) -> None:
    raw = regular([1.0, 2.0, 3.0], NOW_MS)
    layout = learn(raw, ALIASES)
    assert layout is not None
    columns = layout.read(raw[:keep] + garbage)
    assert columns is None or len(columns.values) == LEAST_METRICS


def test_a_layout_is_learned_after_two_messages_without_one() -> None:
    learned, raw = Learned(), regular([1.0, 2.0, 3.0], NOW_MS)
    learned.learn(raw, ALIASES)
    for _ in range(2):
        assert learned.read(raw) is None
        learned.learn(raw, ALIASES)
    assert learned.read(raw) is not None


def test_a_device_without_a_usual_form_is_looked_at_ever_more_rarely() -> None:
    looks = 0

    class Counting(dict[int, BoundMetric]):
        def get(self, key: int, default: object = None) -> None:  # type: ignore[override]
            nonlocal looks
            looks += 1

    learned, raw = Learned(), regular([1.0, 2.0, 3.0], NOW_MS)
    for _ in range(1000):
        learned.read(raw)
        learned.learn(raw, Counting())
    assert 5 < looks < 12


class Heard:
    """A host with columns that knows one plain node with four metrics."""

    def __init__(self) -> None:
        self.host = HostSession("h", columns=True)
        self.edge = EdgeSession("g", "n", 0, proved=False)
        names = [MetricDescription(f"m{i}", DataType.DOUBLE) for i in range(5)]
        values = {each.name: Reading("d", each.name, 1.0, NOW_MS) for each in names}
        device = DeviceBirth(DeviceDescription("d", "room", metrics=tuple(names)), values)
        births = self.edge.birth(NOW_MS, (), [device])
        for birth in births:
            self.host.receive(birth.topic, birth.payload, NOW_MS)
        self.aliases = [each.alias for each in parse(births[1].payload).metrics if each.name.startswith("m")]
        self.topic, self.seq = births[1].topic.replace("DBIRTH", "DDATA"), len(births) - 1

    def hear(self, values: Sequence[float], last: int | None = None, late: bool = False) -> DataCame:
        """Four metrics with their time; a fifth with the time `last`; the message's time at its end where `late`."""
        self.seq = (self.seq + 1) % 256
        made = PayloadMessage(seq=self.seq, timestamp=NOW_MS + 5)
        for alias, value in zip(self.aliases, values, strict=False):
            made.metrics.add(alias=alias, timestamp=NOW_MS, double_value=value)
        if len(values) > 4:
            made.metrics[4].ClearField("timestamp")
            if last is not None:
                made.metrics[4].timestamp = last
        raw = made.SerializeToString() + (PayloadMessage(timestamp=NOW_MS + 9).SerializeToString() if late else b"")
        (came,) = self.host.receive(self.topic, raw, NOW_MS)
        assert isinstance(came, DataCame)
        return came


@pytest.fixture
def heard() -> Heard:
    subject = Heard()
    for _ in range(3):
        subject.hear([1.0, 2.0, 3.0, 4.0])
    return subject


def test_a_session_brings_columns_and_only_the_rest_as_a_message(heard: Heard) -> None:
    came = heard.hear([5.0, 6.0, 7.0, 8.0, 9.0], last=NOW_MS + 1)
    assert came.columns is not None
    assert came.columns.values == (5.0, 6.0, 7.0, 8.0)
    assert [each.double_value for each in came.message.metrics] == [9.0]


def test_a_metric_that_has_the_messages_time_is_not_parted_from_it(heard: Heard) -> None:
    came = heard.hear([5.0, 6.0, 7.0, 8.0, 9.0])
    assert came.columns is None
    assert (came.message.timestamp, len(came.message.metrics)) == (NOW_MS + 5, 5)


def test_a_message_whose_time_comes_twice_is_read_in_full(heard: Heard) -> None:
    came = heard.hear([5.0, 6.0, 7.0, 8.0], late=True)
    assert came.columns is None
    assert came.message.timestamp == NOW_MS + 9
