"""Modbus TCP frames: pymodbus as the oracle, and nothing but ValueError for what is none."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest, WriteSingleCoilRequest
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from frostline_edge.drivers.modbus import pdu
from frostline_edge.drivers.modbus.pdu import Request

WORDS = st.lists(st.integers(0, 65_535), min_size=1, max_size=123)
THEIRS: dict[int, Callable[[Request], ModbusPDU]] = {
    pdu.READ_COILS: lambda r: ReadCoilsRequest(address=r.address, count=r.count),
    pdu.READ_DISCRETE: lambda r: ReadDiscreteInputsRequest(address=r.address, count=r.count),
    pdu.READ_HOLDING: lambda r: ReadHoldingRegistersRequest(address=r.address, count=r.count),
    pdu.READ_INPUT: lambda r: ReadInputRegistersRequest(address=r.address, count=r.count),
    pdu.WRITE_COIL: lambda r: WriteSingleCoilRequest(address=r.address, bits=[bool(r.words[0])]),
    pdu.WRITE_REGISTER: lambda r: WriteSingleRegisterRequest(address=r.address, registers=list(r.words)),
    pdu.WRITE_REGISTERS: lambda r: WriteMultipleRegistersRequest(address=r.address, registers=list(r.words)),
}


@given(
    function=st.sampled_from(sorted(THEIRS)),
    unit=st.integers(0, 255),
    address=st.integers(0, 65_535),
    words=WORDS,
    transaction=st.integers(1, 65_535),
)
def test_requests_are_the_bytes_that_pymodbus_sends(
    function: int, unit: int, address: int, words: list[int], transaction: int
) -> None:
    if function == pdu.WRITE_COIL:
        words = [words[0] & 1]
    elif function == pdu.WRITE_REGISTER:
        words = words[:1]
    request = Request(unit, function, address, len(words), words)
    theirs = THEIRS[function](request)
    theirs.dev_id, theirs.transaction_id = unit, transaction
    assert pdu.frame(request, transaction) == FramerSocket(DecodePDU(False)).buildFrame(theirs)


@given(words=st.lists(st.integers(0, 65_535), min_size=1, max_size=125), transaction=st.integers(0, 65_535))
def test_registers_come_back(words: list[int], transaction: int) -> None:
    body = struct.pack(f">BBB{len(words)}H", 7, 3, 2 * len(words), *words)
    answer = pdu.read(struct.pack(">HHH", transaction, 0, len(body)) + body)
    assert (answer.unit, answer.function, answer.transaction, answer.code) == (7, 3, transaction, 0)
    assert list(answer.words) == words


def test_the_first_bit_is_the_lowest() -> None:
    answer = pdu.read(struct.pack(">HHHBBBBB", 1, 0, 5, 7, 1, 2, 0b101, 0b10))
    assert answer.words == [1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]


def test_an_exception_is_a_code_of_the_function_that_was_asked() -> None:
    answer = pdu.read(struct.pack(">HHHBBB", 1, 0, 3, 7, 0x83, 2))
    assert (answer.function, answer.code) == (3, 2)


@pytest.mark.parametrize(("function", "value", "meant"), [(5, 0xFF00, 1), (5, 0, 0), (6, 513, 513), (16, 2, 2)])
def test_the_echo_of_a_write_says_where_and_what(function: int, value: int, meant: int) -> None:
    answer = pdu.read(struct.pack(">HHHBBHH", 1, 0, 6, 7, function, 40, value))
    assert (answer.address, list(answer.words)) == (40, [meant])


@pytest.mark.parametrize(
    "body", [b"\1\3\5\1\2", b"\1\3\3\1\2\3", b"\1\x83\2\2", b"\1\6\0", b"\1\5\0\0\1\1"], ids=lambda body: body.hex()
)
def test_parts_that_do_not_fit_together_are_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"bytes|byte|echo|neither"):
        pdu.read(struct.pack(">HHH", 1, 0, len(body)) + body)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_frame_or_too_few_or_a_value_error(data: bytes) -> None:
    try:
        size = pdu.frame_size(data)
        if 0 < size <= len(data):
            pdu.read(data[:size])
    except ValueError:
        pass
