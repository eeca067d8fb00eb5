"""Modbus requests and answers as values, and their frames in Modbus TCP. Pure.

Source: Modbus Application Protocol V1.1b3, section 6; Modbus Messaging on TCP/IP V1.0b, section 3.1.3 (MBAP header).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT = 1, 2, 3, 4
WRITE_COIL, WRITE_REGISTER, WRITE_REGISTERS = 5, 6, 16

HEADER: Final = 6
"""Bytes before those that the length in the header counts."""
LEAST_BODY, MOST_BODY = 3, 254
"""Unit, function and at least one byte; unit and a PDU of 253 bytes."""
_BITS = (READ_COILS, READ_DISCRETE)
_REGISTERS = (READ_HOLDING, READ_INPUT)
_ERROR: Final = 0x80
_ON: Final = 0xFF00
_ASK = struct.Struct(">HHHBBHH")
_HEAD = struct.Struct(">HHH")
_ECHO = struct.Struct(">HH")


class NoAnswerError(Exception):
    """Nothing came in time, or bytes that are no answer."""


class LineLostError(Exception):
    """The connection is gone."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a unit is asked.

    Attributes:
        unit: Unit id.
        function: One of the function codes above.
        address: First register or bit, counted from 0.
        count: How many.
        words: What to write: registers, or one bit as 0 or 1; empty when reading.
    """

    unit: int
    function: int
    address: int
    count: int
    words: Sequence[int] = ()


@dataclass(slots=True)
class Answer:
    """What came.

    Attributes:
        unit: Who answered.
        function: The function code, without the error bit.
        words: Registers, or bits as 0 and 1 (whole bytes of them); of a write the value, or the count, confirmed.
        address: Of a write, where.
        code: Exception code; 0 when there is none.
        transaction: Modbus TCP's; 0 on a serial line.
    """

    unit: int
    function: int
    words: Sequence[int] = ()
    address: int = 0
    code: int = 0
    transaction: int = 0


def frame(request: Request, transaction: int) -> bytes:
    """The request in Modbus TCP."""
    value, tail = request.count, b""
    if request.function == WRITE_COIL:
        value = _ON if request.words[0] else 0
    elif request.function == WRITE_REGISTER:
        value = request.words[0]
    elif request.function == WRITE_REGISTERS:
        tail = struct.pack(f">B{request.count}H", 2 * request.count, *request.words)
    head = _ASK.pack(transaction, 0, 6 + len(tail), request.unit, request.function, request.address, value)
    return head + tail


def frame_size(data: bytes | bytearray) -> int:
    """Length of the frame that the bytes begin with; 0 while the header is not complete.

    Raises:
        ValueError: This is no Modbus TCP.
    """
    if len(data) < HEADER:
        return 0
    _, protocol, length = _HEAD.unpack_from(data)
    if protocol or not LEAST_BODY <= length <= MOST_BODY:
        raise ValueError("no Modbus TCP header")
    return HEADER + int(length)


def read(data: bytes) -> Answer:
    """The answer in a whole Modbus TCP frame.

    Raises:
        ValueError: Its parts do not fit together.
    """
    unit, function = data[HEADER], data[HEADER + 1]
    body = data[HEADER + 2 :]
    transaction = data[0] << 8 | data[1]
    if function & _ERROR:
        if len(body) != 1:
            raise ValueError("an exception has one byte")
        return Answer(unit, function & ~_ERROR, code=body[0], transaction=transaction)
    if function in _REGISTERS or function in _BITS:
        if body[0] != len(body) - 1 or (function in _REGISTERS and body[0] % 2):
            raise ValueError("the number of bytes is wrong")
        words = _words(body) if function in _REGISTERS else _bits(body[1:])
        return Answer(unit, function, words, transaction=transaction)
    if len(body) != _ECHO.size:
        raise ValueError("not as long as an echo")
    address, value = _ECHO.unpack(body)
    if function == WRITE_COIL:
        if value not in (0, _ON):
            raise ValueError("neither on nor off")
        value = int(value == _ON)
    return Answer(unit, function, (value,), address, transaction=transaction)


def _words(body: bytes) -> Sequence[int]:
    return struct.unpack_from(f">{len(body) // 2}H", body, 1)


def _bits(data: bytes) -> Sequence[int]:
    return [byte >> shift & 1 for byte in data for shift in range(8)]
