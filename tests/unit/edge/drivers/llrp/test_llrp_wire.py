"""LLRP framing and report walk: any chunking, an independent codec as oracle, and no bytes that break it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llrpkit.protocol import BitStr, messages, params

from frostline_core.errors import ProtocolError
from frostline_edge.drivers.llrp.reports import TagRead, walk
from frostline_edge.drivers.llrp.wire import HEAD_BYTES, MAX_MESSAGE_BYTES, Framer, Message, message, parameters

_messages = st.builds(Message, st.integers(1, 1023), st.integers(0, 2**32 - 1), st.binary(max_size=64))


@given(st.lists(_messages, max_size=6), st.lists(st.integers(1, 40), min_size=1))
def test_messages_come_out_as_they_went_in_however_they_are_cut(sent: list[Message], cuts: list[int]) -> None:
    stream, framer, found, at = b"".join(message(m.type, m.id, m.body) for m in sent), Framer(), [], 0
    while at < len(stream):
        size = cuts[at % len(cuts)]
        found += framer.feed(stream[at : at + size])
        at += size
    assert found == sent


@pytest.mark.parametrize("length", [HEAD_BYTES - 1, MAX_MESSAGE_BYTES + 1])
def test_a_length_that_cannot_be_breaks_the_session(length: int) -> None:
    with pytest.raises(ProtocolError, match="length"):
        Framer().feed(b"\x04\x3d" + length.to_bytes(4, "big") + bytes(4))


def test_another_protocol_on_the_port_breaks_the_session() -> None:
    with pytest.raises(ProtocolError, match="no LLRP message"):
        Framer().feed(b"HTTP/1.1 400 Bad Request\r\n")


@given(st.binary(max_size=200))
def test_no_bytes_break_the_walk_over_parameters(body: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        for _, start, end in parameters(body):
            assert 0 < start <= end <= len(body)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_walk_over_a_report(body: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        walk(body)


_epcs = st.one_of(st.binary(min_size=12, max_size=12), st.binary(min_size=1, max_size=62))
_reads = st.builds(TagRead, _epcs, st.integers(0, 65535), st.integers(-128, 127), st.integers(0, 65535))


def _report_data(read: TagRead) -> params.TagReportData:
    epc = params.EPC_96(epc=read.epc) if len(read.epc) == 12 else params.EPCData(epc=BitStr.from_bytes(read.epc))
    return params.TagReportData(
        epc_parameter=epc,
        antenna_id=params.AntennaID(antenna_id=read.antenna),
        peak_rssi=params.PeakRSSI(peak_rssi=read.rssi_dbm or 0),
        channel_index=params.ChannelIndex(channel_index=3),
        first_seen_timestamp_utc=params.FirstSeenTimestampUTC(microseconds=1),
        last_seen_timestamp_utc=params.LastSeenTimestampUTC(microseconds=2),
        tag_seen_count=params.TagSeenCount(tag_count=read.reads),
        air_protocol_tag_datas=[params.C1G2_PC(pc_bits=0x3000)],
    )


@given(st.lists(_reads, max_size=20))
def test_a_report_of_an_independent_encoder_reads_the_same(reads: list[TagRead]) -> None:
    sent = messages.RO_ACCESS_REPORT(tag_report_datas=[_report_data(read) for read in reads]).to_bytes(message_id=1)
    assert walk(Framer().feed(sent)[0].body) == reads


def test_an_epc_without_antenna_signal_or_count_is_one_read_of_an_unknown_port() -> None:
    sent = messages.RO_ACCESS_REPORT(
        tag_report_datas=[params.TagReportData(epc_parameter=params.EPC_96(epc=bytes(12)))]
    )
    assert walk(sent.to_bytes(message_id=1)[HEAD_BYTES:]) == [TagRead(bytes(12), 0, None, 1)]
