"""MQTT packets as bytes, and bytes as packets."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core import mqtt_wire
from frostline_core.errors import ProtocolError
from frostline_core.mqtt_wire import Kind, Login, Packet, Parser, Received, Will

_TOPICS = st.text(st.characters(codec="utf-8"), max_size=20)
_MESSAGES = st.builds(Received, _TOPICS, st.binary(max_size=300)) | st.builds(
    Received, _TOPICS, st.binary(max_size=300), st.just(1), st.integers(1, 0xFFFF)
)


def _publish(message: Received) -> bytes:
    topic = message.topic.encode()
    return mqtt_wire.publish(topic, message.payload, qos=message.qos, packet_id=message.packet_id)


def test_connect_with_a_will_is_the_bytes_of_the_specification() -> None:
    raw = mqtt_wire.connect(Login("c", 10), Will("w", b"\x01\x02", 1, retain=False))
    assert raw == bytes.fromhex("10 14 0004 4d515454 04 0e 000a 0001 63 0001 77 0002 0102".replace(" ", ""))


def test_connect_with_a_login_carries_name_and_password() -> None:
    raw = mqtt_wire.connect(Login("c", 10, "user", "pass"))
    assert raw[9] == 0xC2
    assert raw.endswith(b"\0\1c\0\4user\0\4pass")


def test_subscribe_is_the_bytes_of_the_specification() -> None:
    # The example of MQTT 3.1.1, section 3.8: packet 10, a/b with QoS 1, c/d with QoS 2.
    assert mqtt_wire.subscribe(10, [("a/b", 1), ("c/d", 2)]) == bytes.fromhex("820e000a0003612f62010003632f6402")


def test_publish_at_qos_1_is_the_bytes_of_the_specification() -> None:
    # The example of MQTT 3.1.1, section 3.3.2: topic a/b, packet 10.
    assert mqtt_wire.publish(b"a/b", b"", qos=1, packet_id=10) == bytes.fromhex("32070003612f62000a")


@given(st.lists(_MESSAGES, max_size=8), st.lists(st.integers(1, 50), min_size=1, max_size=20))
def test_packets_come_out_whole_however_the_stream_is_cut(messages: list[Received], cuts: list[int]) -> None:
    stream = b"".join(_publish(message) + mqtt_wire.PINGREQ for message in messages)
    parser, found, at = Parser(), list[Received | Packet](), 0
    while at < len(stream):
        size = cuts[at % len(cuts)]
        found += parser.feed(stream[at : at + size])
        at += size
    assert found == [each for message in messages for each in (message, Packet(Kind.PINGREQ, 0, b""))]


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_no_bytes_make_the_parser_raise_anything_else(pieces: list[bytes]) -> None:
    parser = Parser()
    try:
        for piece in pieces:
            parser.feed(piece)
    except ProtocolError:
        return


def test_a_packet_of_the_largest_size_comes_out_whole_in_small_pieces() -> None:
    payload = bytes(1024 * 1024)
    stream, parser = mqtt_wire.publish(b"a", payload), Parser()
    found = [packet for at in range(0, len(stream), 16_384) for packet in parser.feed(stream[at : at + 16_384])]
    assert found == [Received("a", payload)]


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("30ffffff7f", id="longer than is taken"),
        pytest.param("30ffffffff01", id="a length of five bytes"),
        pytest.param("300100", id="a topic length of one byte"),
        pytest.param("3003000561", id="a topic that is cut short"),
        pytest.param("3204000161", id="no packet id"),
        pytest.param("36050001610001", id="quality of service 3"),
        pytest.param("30030001ff", id="a topic that is not UTF-8"),
    ],
)
def test_what_mqtt_does_not_allow_is_refused(raw: str) -> None:
    with pytest.raises(ProtocolError):
        Parser().feed(bytes.fromhex(raw) + bytes(4))


def test_long_topics_are_read_and_not_remembered() -> None:
    parser = Parser()
    tracemalloc.start()
    try:
        for number in range(100):
            topic = f"{number:05d}" * 12_000
            assert parser.feed(mqtt_wire.publish(topic.encode(), b"x")) == [Received(topic, b"x")]
        assert tracemalloc.get_traced_memory()[0] < 2_000_000
    finally:
        tracemalloc.stop()
