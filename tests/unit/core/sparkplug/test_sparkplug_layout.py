"""What a learned layout reads is what reading metric by metric gives, or nothing at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.commit import BatchMark, Regular, pack_batch
from frostline_core.reading import DataType, MetricDescription, Quality, Stream
from frostline_core.sparkplug import (
    BoundMetric,
    MessageType,
    PayloadMessage,
    Topic,
    set_quality,
    set_value,
    value_of,
)
from frostline_core.sparkplug.form import scan
from frostline_core.sparkplug.layout import Layout, Learned, Shapes
from tests.unit.core.sparkplug.marked_messages import BATCH_ALIAS, MARK, NOW_MS, marked, numbers

TOPIC = Topic(MessageType.DDATA, "g", "n", "d")
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


def learned_from(made: PayloadMessage, batch: int | None = None) -> Layout | None:
    raw = made.SerializeToString()
    form = scan(raw, ALIASES, batch)
    return None if form is None else Layout(form, Shapes().of(form), form.bound)


def told(regular: Regular) -> list[tuple[int, str, int]]:
    _, _, _, bound, at_ms, values, _, _ = regular
    return [(each.alias, repr(value), at_ms) for each, value in zip(bound, values, strict=True)]


@given(metrics(), metrics(), _STAMPS, _STAMPS, st.booleans(), st.booleans())
def test_whatever_a_layout_reads_is_what_the_message_says(
    first: list[Sent], second: list[Sent], at_ms: int | None, then_ms: int | None, alike: bool, proved: bool
) -> None:
    made = message(first, at_ms, 3)
    layout = learned_from(marked(made) if proved else made, BATCH_ALIAS if proved else None)
    if layout is None:
        return
    later = [replace(each, at_ms=then_ms if each.at_ms is not None else None) for each in first]
    other = message(later if alike else second, then_ms, 200)
    for again, mark in ((message(first, at_ms, 3), MARK), (other, replace(MARK, n=7_000, first=7_000, base=6_990))):
        plain = again.SerializeToString()
        raw = marked(again, mark).SerializeToString() if proved else plain
        regular = layout.read(raw)
        if regular is not None:
            assert told(regular) == read(plain)
            assert (regular[:3], regular[6:]) == (numbers(mark if proved else None), (raw, again.seq))
            assert all(isfinite(value) for value in regular[5])


def usual(values: list[float], at_ms: int, flag: bool = True, count: int = 5) -> PayloadMessage:
    """Two doubles, a float, a flag and a count, as our own gateway sends them."""
    sent = [
        Sent(0, values[0], at_ms, False, False, False),
        Sent(4, values[1], at_ms, False, False, False),
        Sent(1, values[2], at_ms, False, False, False),
        Sent(2, flag, at_ms, False, False, False),
        Sent(3, count, at_ms, False, False, False),
    ]
    return message(sent, at_ms + 7, 9)


@given(
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=3, max_size=3),
    st.integers(2**36, 2**42 - 8),
    st.booleans(),
    st.integers(128, 16_383),
)
def test_messages_of_the_same_form_are_read_whatever_their_values(
    values: list[float], at_ms: int, flag: bool, count: int
) -> None:
    layout = learned_from(usual([0.0, 0.0, 0.0], NOW_MS, count=200))
    assert layout is not None
    regular = layout.read(usual(values, at_ms, flag, count).SerializeToString())
    assert regular is not None
    assert regular[4] == at_ms
    assert list(map(repr, regular[5])) == list(map(repr, [*values, float(flag), float(count)]))


@pytest.mark.parametrize("odd", [nan, inf, -inf])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_number_that_is_none_is_left_to_the_long_way(odd: float, place: int) -> None:
    layout = learned_from(usual([1.0, 2.0, 3.0], NOW_MS))
    assert layout is not None
    values = [1.0, 2.0, 3.0]
    values[place] = odd
    assert layout.read(usual(values, NOW_MS).SerializeToString()) is None


NUMBERS = st.integers(1, 200_000_000)


@given(NUMBERS, st.integers(0, 127), st.integers(0, 2**64 - 1), NUMBERS)
def test_a_batch_mark_is_read_as_it_is(n: int, behind: int, run: int, first: int) -> None:
    taught = replace(MARK, n=first, first=first, base=first)
    layout = learned_from(marked(usual([1.0, 2.0, 3.0], NOW_MS), taught), BATCH_ALIAS)
    assert layout is not None
    mark = BatchMark(run, Stream.SAMPLES, n, n, max(1, n - behind))
    raw = marked(usual([1.0, 2.0, 3.0], NOW_MS), mark).SerializeToString()
    regular = layout.read(raw) if len(pack_batch(mark)) == len(pack_batch(taught)) else None
    assert regular is None or regular[:3] == numbers(mark)
    assert regular is not None or len(pack_batch(mark)) != len(pack_batch(taught))


@pytest.mark.parametrize("number", [b"\x80\x00", b"\x85\x00"])
def test_a_batch_number_in_a_spelling_that_the_protocol_forbids_is_not_read(number: bytes) -> None:
    layout = learned_from(marked(usual([1.0, 2.0, 3.0], NOW_MS)), BATCH_ALIAS)
    assert layout is not None
    good = marked(usual([1.0, 2.0, 3.0], NOW_MS)).SerializeToString()
    mark = pack_batch(MARK)
    assert layout.read(good) is not None
    assert layout.read(good.replace(mark, mark[:9] + number + mark[11:])) is None


@given(st.binary(max_size=200), st.integers(0, 120))
def test_any_other_bytes_are_not_read_or_read_as_they_are(garbage: bytes, keep: int) -> None:
    raw = usual([1.0, 2.0, 3.0], NOW_MS).SerializeToString()
    layout = learned_from(usual([1.0, 2.0, 3.0], NOW_MS))
    assert layout is not None
    broken = (raw[:keep] + garbage + raw[keep + len(garbage) :])[: len(raw)]
    found = layout.read(broken) if len(broken) == len(raw) else None
    assert found is None or told(found) == read(broken)


def test_a_device_without_a_usual_form_is_looked_at_ever_more_rarely() -> None:
    learned, looks = Learned(Shapes()), 0
    for number in range(10_000):
        assert learned.read(bytes([number & 255]) * 40) is None
        if learned.may_learn():
            looks += 1
            learned.learn(b"", None, TOPIC)
    assert 64 < looks < 120
