"""The short way through a host's session says what the long way says, or leaves a message to it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostline_core.commit import BatchMark, unpack_batch
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Stream
from frostline_core.sparkplug import (
    DataCame,
    DeviceBirth,
    EdgeSession,
    HostSession,
    MessageType,
    PayloadMessage,
    Skimmed,
    Topic,
    set_value,
    value_of,
)
from tests.unit.core.sparkplug.marked_messages import NOW_MS, marked, numbers


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
        assert (skimmed.samples, skimmed.size) == (len(values), len(raw) if self.proved else 0)
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
