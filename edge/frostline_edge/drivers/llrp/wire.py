"""LLRP framing: messages and parameters as bytes, both ways. Pure.

Source: EPCglobal Low Level Reader Protocol 1.0.1, section 16 (binary encoding). A message is a 10-byte head (3 reserved
bits, 3-bit version, 10-bit type; length; id) and parameters. A TLV parameter has a 4-byte head with its length; a TV
parameter is one byte, highest bit set, and fields whose length only the type tells.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from frostline_core.errors import ProtocolError

MAX_MESSAGE_BYTES = 1024 * 1024
"""A longer message breaks the session: no reader needs it, and the length may be garbage."""

HEAD_BYTES = 10
VERSION = 1
"""LLRP 1.0.1. A 1.1 reader starts there too, until a client asks for more."""

_KNOWN_VERSIONS = (1, 2)
_HEAD = struct.Struct(">HII")
_TLV_HEAD = struct.Struct(">HH")

TV_BYTES = {
    1: 3,  # AntennaID
    2: 9,  # FirstSeenTimestampUTC
    3: 9,  # FirstSeenTimestampUptime
    4: 9,  # LastSeenTimestampUTC
    5: 9,  # LastSeenTimestampUptime
    6: 2,  # PeakRSSI
    7: 3,  # ChannelIndex
    8: 3,  # TagSeenCount
    9: 5,  # ROSpecID
    10: 3,  # InventoryParameterSpecID
    11: 3,  # C1G2-CRC
    12: 3,  # C1G2-PC
    13: 13,  # EPC-96
    14: 3,  # SpecIndex
    15: 3,  # ClientRequestOpSpecResult
    16: 5,  # AccessSpecID
    17: 3,  # OpSpecID
    18: 5,  # C1G2SingulationDetails
    19: 3,  # C1G2-XPCW1
    20: 3,  # C1G2-XPCW2
}
"""Whole length of each TV parameter, its type byte included (section 16.2; 19 and 20 came with LLRP 1.1)."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message: type, id (an answer carries the id of its question) and what follows the head."""

    type: int
    id: int
    body: bytes


def message(kind: int, number: int, body: bytes = b"") -> bytes:
    """A message as bytes."""
    return _HEAD.pack(VERSION << 10 | kind, HEAD_BYTES + len(body), number) + body


def tlv(kind: int, *parts: bytes) -> bytes:
    """A TLV parameter as bytes."""
    body = b"".join(parts)
    return _TLV_HEAD.pack(kind, 4 + len(body)) + body


class Framer:
    """Cuts a byte stream into messages; holds at most one message that is not whole yet."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, received: bytes) -> list[Message]:
        """The messages that are whole now.

        Raises:
            ProtocolError: A head that cannot be one: version, or a length under 10 bytes or over the bound.
        """
        held, found, start = self._held, [], 0
        held += received
        while len(held) - start >= HEAD_BYTES:
            head, length, number = _HEAD.unpack_from(held, start)
            if head >> 10 & 7 not in _KNOWN_VERSIONS or not HEAD_BYTES <= length <= MAX_MESSAGE_BYTES:
                raise ProtocolError(f"no LLRP message: head {head:#06x}, length {length}")
            if len(held) - start < length:
                break
            found.append(Message(head & 0x3FF, number, bytes(held[start + HEAD_BYTES : start + length])))
            start += length
        del held[:start]
        return found


def parameters(body: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int]]:
    """Walks the parameters of a stretch of bytes.

    Yields:
        Type, where its fields start, where it ends.

    Raises:
        ProtocolError: A parameter reaches beyond the end, or is a TV parameter of unknown type.
    """
    stop = len(body) if end is None else end
    while start < stop:
        if body[start] & 0x80:
            kind, head = body[start] & 0x7F, 1
            size = TV_BYTES.get(kind, 0)
        else:
            if stop - start < 4:
                raise ProtocolError(f"LLRP parameter cut short at byte {start}")
            kind, size = _TLV_HEAD.unpack_from(body, start)
            kind, head = kind & 0x3FF, 4
        if size < head or start + size > stop:
            raise ProtocolError(f"LLRP parameter {kind} at byte {start} has no right length")
        yield kind, start + head, start + size
        start += size
