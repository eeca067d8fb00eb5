"""What a learned layout reads is what reading metric by metric gives, or nothing at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostline_core.commit import BatchMark, Regular, pack_batch, unpack_batch
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Quality, Stream
from frostline_core.sparkplug import (
    BoundMetric,
    DataCame,
    DeviceBirth,
    EdgeSession,
    HostSession,
    MessageType,
    PayloadMessage,
    Skimmed,
    Topic,
    set_quality,
    set_value,
    value_of,
)
from frostline_core.sparkplug.form import scan
from frostline_core.sparkplug.layout import Layout, Learned, Shapes

TOPIC = Topic(MessageType.DDATA, "g", "n", "d")
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


MARK = BatchMark(2**63 + 5, Stream.SAMPLES, 300, 300, 290)
BATCH_ALIAS = 77


def marked(made: PayloadMessage, mark: BatchMark = MARK, alias: int = BATCH_ALIAS) -> PayloadMessage:
    """With its batch metric, stamped with a time of its own."""
    made.metrics.add(alias=alias, timestamp=NOW_MS + 9, is_transient=True, bytes_value=pack_batch(mark))
    return made


def learned_from(made: PayloadMessage, batch: int | None = None) -> Layout | None:
    raw = made.SerializeToString()
    form = scan(raw, ALIASES, batch)
    return None if form is None else Layout(form, Shapes().of(form), form.bound)


def told(regular: Regular) -> list[tuple[int, str, int]]:
    _, _, _, bound, at_ms, values, _, _ = regular
    return [(each.alias, repr(value), at_ms) for each, value in zip(bound, values, strict=True)]


def numbers(mark: BatchMark | None) -> tuple[int, int, int]:
    """Run, number and base; as they stand for a message without."""
    return (-1, 0, 0) if mark is None else (mark.run, mark.n, mark.base)


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


class Heard:
    """Two hosts that know one node with five numbers and a flag: one that skims first, and one that never does.

    Args:
        proved: Whether it sends batches.
    """

    def __init__(self, proved: bool) -> None:
        self.proved, self.n, self.seq = proved, 0, 0
        self.short, self.long = HostSession("h"), HostSession("h")
        self.edge = EdgeSession("g", "n", 0, proved=proved)
        self.bear()

    def bear(self, order: int = 1) -> None:
        """Births; with `order` -1 aliases change places."""
        if order < 0:
            self.edge = EdgeSession("g", "n", 1, proved=self.proved)
        kinds = [DataType.DOUBLE] * 5 + [DataType.BOOLEAN, DataType.INT32]
        names = [MetricDescription(f"m{i}", kind) for i, kind in enumerate(kinds)][::order]
        devices = [DeviceDescription(name, "room", metrics=tuple(names)) for name in ("d", "e")]
        births = self.edge.birth(NOW_MS, (), [DeviceBirth(each, {}) for each in devices])
        for birth in births:
            for host in (self.short, self.long):
                host.receive(birth.topic, birth.payload, NOW_MS)
        self.seq = len(births) - 1
        view = self.short.node("g", "n")
        assert view is not None
        self.view = view
        self.topics = {name: str(Topic(MessageType.DDATA, "g", "n", name)) for name in ("d", "e")}

    def made(self, device: str, values: dict[str, float | bool], at_ms: int = NOW_MS) -> tuple[str, bytes]:
        """The next message of a device."""
        self.seq, self.n = (self.seq + 1) % 256, self.n + 1
        made = PayloadMessage(seq=self.seq, timestamp=NOW_MS + 5)
        for name, value in values.items():
            bound = self.view.by_name[device, name]
            metric = made.metrics.add(alias=bound.alias, timestamp=at_ms)
            set_value(metric, bound.description.datatype, value)
        if self.proved:
            mark = BatchMark(7, Stream.SAMPLES, self.n, self.n, max(1, self.n - 3))
            marked(made, mark, self.view.batch_aliases[device])
        return self.topics[device], made.SerializeToString()

    def skims(self, topic: str, raw: bytes) -> bool:
        """Whether the first host takes a message the short way."""
        return self.short.skim([(topic, raw)], 0, NOW_MS + 100_000, Skimmed()) == 1

    def both(self, topic: str, raw: bytes) -> bool:
        """Sends a message to both hosts, which must read the same; whether the first read it the short way."""
        skimmed, full = Skimmed(), self.long.receive(topic, raw, NOW_MS)
        if self.short.skim([(topic, raw)], 0, NOW_MS + 100_000, skimmed) == 0:
            assert list(map(_said, self.short.receive(topic, raw, NOW_MS))) == list(map(_said, full))
            return False
        (came,) = full
        assert isinstance(came, DataCame)
        (regular,) = skimmed.batches if self.proved else skimmed.plain
        metrics, at_ms, values = regular[3:6]
        assert (metrics.topic.device, regular[7], regular[6]) == (came.device, came.message.seq, raw)
        assert regular[:3] == numbers(None if came.batch is None else unpack_batch(came.batch))
        assert (skimmed.samples, skimmed.size) == (len(values), len(raw))
        batch = came.view.batch_aliases.get(came.device)
        sent = [each for each in came.message.metrics if each.alias != batch]
        assert [each.alias for each in metrics.bound] == [each.alias for each in sent]
        types = [came.view.aliases[each.alias].description.datatype for each in sent]
        wanted = [value_of(each, datatype) for each, datatype in zip(sent, types, strict=True)]
        assert repr(list(values)) == repr([None if value is None else float(value) for value in wanted])
        assert {at_ms} == {each.timestamp or came.message.timestamp for each in sent}
        return True


def _said(event: object) -> str:
    return f"{type(event).__name__} {getattr(event, 'reason', '')}"


SOME = st.dictionaries(st.sampled_from([f"m{i}" for i in range(7)]), st.integers(-5, 200), min_size=1, max_size=7).map(
    lambda found: {name: _typed(name, value) for name, value in sorted(found.items())}
)


def _typed(name: str, value: int) -> float | bool | int:
    return value > 0 if name == "m5" else value if name == "m6" else value / 3


@given(st.booleans(), st.data())
@settings(max_examples=150, deadline=None)
def test_the_short_way_says_what_the_long_way_says(proved: bool, data: st.DataObject) -> None:
    heard = Heard(proved)
    usual = data.draw(st.lists(SOME, min_size=1, max_size=3))
    for _ in range(data.draw(st.integers(1, 40))):
        what = data.draw(st.integers(0, 19))
        if what == 0:
            heard.bear(data.draw(st.sampled_from([1, -1])))
        elif what == 1:
            heard.made("d", usual[0])  # lost on the way
        else:
            values = data.draw(st.sampled_from(usual)) if what < 17 else data.draw(SOME)
            topic, raw = heard.made(
                data.draw(st.sampled_from("de")), values, NOW_MS + data.draw(st.integers(0, 50_000))
            )
            if what == 19:
                broken = bytearray(raw)
                broken[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
                raw = bytes(broken)
            heard.both(topic, raw)


@pytest.mark.parametrize("proved", [True, False])
@pytest.mark.parametrize("names", [("m0",), ("m5",), ("m6",), ("m0", "m1", "m2"), ("m0", "m5", "m6")])
def test_the_second_message_of_a_form_goes_the_short_way(proved: bool, names: tuple[str, ...]) -> None:
    heard = Heard(proved)
    values = {name: _typed(name, 7) for name in names}
    assert [heard.both(*heard.made("d", values)) for _ in range(4)] == [False, True, True, True]


def test_one_metric_of_one_device_teaches_how_to_read_any_other_of_its_type() -> None:
    heard = Heard(proved=True)
    heard.both(*heard.made("d", {"m0": 1.0}))
    assert all(heard.both(*heard.made(device, {name: 2.0})) for device in "de" for name in ("m1", "m4"))
    assert not heard.both(*heard.made("d", {"m6": 3}))


def test_what_was_learned_before_a_birth_means_nothing_after_it() -> None:
    heard = Heard(proved=True)
    for _ in range(3):
        heard.both(*heard.made("d", {"m0": 1.0, "m1": 2.0}))
        heard.both(*heard.made("d", {"m0": 1.0}))
    topic, raw = heard.made("d", {"m0": 1.0})
    heard.bear(-1)
    assert not heard.skims(topic, raw)


def test_a_message_out_of_order_goes_the_long_way() -> None:
    heard = Heard(proved=True)
    for _ in range(3):
        heard.both(*heard.made("d", {"m0": 1.0}))
    heard.made("d", {"m0": 1.0})
    assert not heard.skims(*heard.made("d", {"m0": 1.0}))


@pytest.mark.parametrize("proved", [True, False])
def test_a_node_that_is_not_online_goes_the_long_way(proved: bool) -> None:
    heard = Heard(proved)
    for _ in range(3):
        heard.both(*heard.made("d", {"m0": 1.0, "m1": 1.0}))
    heard.short.connection_lost(NOW_MS)
    assert not heard.skims(*heard.made("d", {"m0": 1.0, "m1": 1.0}))


def test_a_device_of_a_plain_node_that_is_dead_goes_the_long_way() -> None:
    heard = Heard(proved=False)
    for _ in range(3):
        heard.both(*heard.made("d", {"m0": 1.0, "m1": 1.0}))
    heard.seq = (heard.seq + 1) % 256
    raw = PayloadMessage(seq=heard.seq, timestamp=NOW_MS).SerializeToString()
    heard.both(str(Topic(MessageType.DDEATH, "g", "n", "d")), raw)
    assert not heard.skims(*heard.made("d", {"m0": 1.0, "m1": 1.0}))


def test_a_topic_that_is_none_or_no_data_goes_the_long_way() -> None:
    heard = Heard(proved=True)
    assert not heard.skims("a/b", b"")
    assert not heard.skims(str(Topic(MessageType.NBIRTH, "g", "n")), b"")
    assert not heard.skims(str(Topic(MessageType.DDATA, "g", "unknown", "d")), b"")


def test_messages_are_skimmed_up_to_the_first_that_is_another() -> None:
    heard = Heard(proved=True)
    for _ in range(2):
        heard.both(*heard.made("d", {"m0": 1.0}))
    usual = [heard.made("d", {"m0": float(number)}) for number in range(3)]
    odd = heard.made("d", {"m0": 1.0, "m1": 2.0})
    last = heard.made("d", {"m0": 4.0})
    items = [*usual, odd, last, None, last]
    skimmed = Skimmed()
    assert heard.short.skim(items, 0, NOW_MS, skimmed) == 3
    heard.short.receive(*odd, NOW_MS)
    assert heard.short.skim(items, 4, NOW_MS, skimmed) == 5
    assert [each[5] for each in skimmed.batches] == [(0.0,), (1.0,), (2.0,), (4.0,)]


def test_a_message_of_a_time_to_come_is_left_to_the_long_way() -> None:
    heard = Heard(proved=True)
    for _ in range(2):
        heard.both(*heard.made("d", {"m0": 1.0}))
    late = heard.made("d", {"m0": 9.0}, NOW_MS + 1)
    assert heard.short.skim([late], 0, NOW_MS, Skimmed()) == 0
    assert heard.short.skim([late], 0, NOW_MS + 1, Skimmed()) == 1
