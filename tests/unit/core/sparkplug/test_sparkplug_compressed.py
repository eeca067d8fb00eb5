"""Compressed payloads: what goes in comes out, a bound holds, and what is not one is left alone."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.errors import ProtocolError
from frostline_core.reading import DataType, DeviceDescription, MetricDescription
from frostline_core.sparkplug import (
    MAX_BYTES,
    DeviceBirth,
    EdgeSession,
    Metric,
    Payload,
    PayloadMessage,
    decode,
    encode,
    inflated,
    parse,
)
from frostline_core.sparkplug.compressed import COMPRESSED, deflated

NAMES = tuple(f"m{n}" for n in range(40))
RACK = DeviceDescription("rack", "compressor_rack", "", tuple(MetricDescription(n, DataType.DOUBLE) for n in NAMES))


def wrapped(body: bytes, seq: int | None = 7, *metrics: Metric) -> bytes:
    return encode(Payload(1000, seq, metrics, COMPRESSED.decode(), body))


def edge() -> EdgeSession:
    session = EdgeSession("site", "gw", 0, "frostline")
    session.birth(1000, (), [DeviceBirth(RACK)])
    session.deflates = True
    return session


def samples(count: int) -> list[Metric]:
    return [Metric(name, value=float(n), timestamp_ms=1990) for n, name in enumerate(NAMES[:count])]


@given(
    st.integers(0, 255),
    st.lists(st.tuples(st.integers(1, 2000), st.floats(allow_nan=False), st.integers(0, 2**42)), max_size=60),
)
def test_what_was_compressed_is_inside(seq: int, metrics: list[tuple[int, float, int]]) -> None:
    message = PayloadMessage()
    message.timestamp, message.seq = 1_800_000_000_000, seq
    for alias, value, at_ms in metrics:
        metric = message.metrics.add()
        metric.alias, metric.double_value, metric.timestamp = alias, value, at_ms
    raw = message.SerializeToString()
    made = deflated(message)
    assert len(made) <= len(raw)
    assert inflated(made) == raw


def test_many_values_are_sent_compressed_with_seq_and_time_outside() -> None:
    session = edge()
    sent = session.data(2000, "rack", samples(40)).payload
    outside, inside = parse(sent), parse(inflated(sent))
    assert outside.uuid.encode() == COMPRESSED
    assert (outside.seq, outside.timestamp, len(outside.metrics)) == (inside.seq, inside.timestamp, 0)
    assert [metric.double_value for metric in inside.metrics] == [float(n) for n in range(40)]
    assert len(sent) < 40 * 12


def test_few_values_are_sent_as_they_are() -> None:
    sent = edge().data(2000, "rack", samples(1)).payload
    assert COMPRESSED not in sent
    assert inflated(sent) is sent


def test_births_are_never_compressed() -> None:
    session = edge()
    for each in session.birth(3000, (), [DeviceBirth(RACK)]):
        assert COMPRESSED not in each.payload


def test_gzip_is_read_too() -> None:
    inside = encode(Payload(5, 7, (Metric("a", None, 5, DataType.INT64, 3),)))
    named = Metric("algorithm", datatype=DataType.STRING, value="GZIP")
    assert inflated(wrapped(gzip.compress(inside), 7, named)) == inside


def test_a_payload_without_seq_takes_that_of_the_one_outside() -> None:
    inside = encode(Payload(5, None, (Metric("a", None, 5, DataType.INT64, 3),)))
    assert decode(inflated(wrapped(zlib.compress(inside), 9))).seq == 9
    assert decode(inflated(wrapped(zlib.compress(inside), None))).seq is None


def test_a_text_that_reads_like_the_uuid_is_no_compressed_payload() -> None:
    raw = encode(Payload(5, 7, (Metric("a", None, 5, DataType.STRING, COMPRESSED.decode()),)))
    assert inflated(raw) is raw


def test_no_more_is_inflated_than_a_payload_may_weigh() -> None:
    with pytest.raises(ProtocolError, match="more than"):
        inflated(wrapped(zlib.compress(bytes(300 * MAX_BYTES), 9)))


@pytest.mark.parametrize(
    "body", [b"", b"no zlib", zlib.compress(b"x" * 500)[:-3], zlib.compress(b"\xff\xfe no payload")]
)
def test_a_body_that_cannot_be_read_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        inflated(wrapped(body))


@given(st.binary(max_size=80))
def test_for_any_bytes_there_is_a_payload_or_a_refusal(body: bytes) -> None:
    for raw in (body, COMPRESSED + body, wrapped(body), b'"\x12' + COMPRESSED + body):
        try:
            assert isinstance(inflated(raw), bytes)
        except ProtocolError:
            continue
