"""The tag reads in an RO_ACCESS_REPORT. Pure, and the one place of this driver where speed counts."""

from __future__ import annotations

import struct
from typing import NamedTuple

from frostline_core.errors import ProtocolError
from frostline_edge.drivers.llrp.wire import TV_BYTES

_TAG_REPORT_DATA = 240
_EPC_DATA = 241
_HEAD = struct.Struct(">HH").unpack_from
_SIZES = tuple(TV_BYTES.get(kind, 0) for kind in range(128))
_ANTENNA, _RSSI, _SEEN, _EPC96 = 1, 6, 8, 13


class TagRead(NamedTuple):
    """One entry of a report.

    Attributes:
        epc: The tag's code.
        antenna: Port that read it, from 1; 0 where the reader does not say.
        rssi_dbm: Strongest signal; None where the reader does not say.
        reads: How often it was read since the last report.
    """

    epc: bytes
    antenna: int
    rssi_dbm: int | None
    reads: int


def walk(body: bytes) -> list[TagRead]:
    """Every tag read in the body of an RO_ACCESS_REPORT; what is no tag read is skipped.

    Raises:
        ProtocolError: A parameter that reaches beyond its end, or a tag read without an EPC.
    """
    found, start, end = [], 0, len(body)
    while start < end:
        if end - start < 4:
            raise ProtocolError("LLRP report cut short")
        kind, size = _HEAD(body, start)
        if size < 4 or start + size > end:
            raise ProtocolError(f"LLRP report: parameter {kind & 0x3FF} at byte {start} has no right length")
        if kind & 0x3FF == _TAG_REPORT_DATA:
            found.append(_tag(body, start + 4, start + size))
        start += size
    return found


def _tag(body: bytes, at: int, end: int) -> TagRead:
    """One TagReportData. An inlined loop: a generator per parameter would halve the speed."""
    epc, antenna, rssi, reads = b"", 0, None, 1
    while at < end:
        kind = body[at]
        if kind & 0x80:
            kind &= 0x7F
            size = _SIZES[kind]
            if not size or at + size > end:
                raise ProtocolError(f"LLRP report: unknown or cut parameter {kind} at byte {at}")
            if kind == _EPC96:
                epc = body[at + 1 : at + 13]
            elif kind == _ANTENNA:
                antenna = body[at + 1] << 8 | body[at + 2]
            elif kind == _RSSI:
                rssi = (body[at + 1] ^ 0x80) - 0x80
            elif kind == _SEEN:
                reads = body[at + 1] << 8 | body[at + 2]
        else:
            size = _size(body, at, end)
            if (kind << 8 | body[at + 1]) & 0x3FF == _EPC_DATA:
                epc = _epc_data(body, at, size)
        at += size
    if not epc:
        raise ProtocolError("LLRP report: a tag without an EPC")
    return TagRead(epc, antenna, rssi, reads)


def _size(body: bytes, at: int, end: int) -> int:
    size: int = _HEAD(body, at)[1] if end - at >= 4 else 0
    if size < 4 or at + size > end:
        raise ProtocolError(f"LLRP report: cut parameter at byte {at}")
    return size


def _epc_data(body: bytes, at: int, size: int) -> bytes:
    """EPCData: a bit count and the bits, filled to whole bytes."""
    length = -(-(body[at + 4] << 8 | body[at + 5]) // 8) if size >= 6 else 0
    if not length or length > size - 6:
        raise ProtocolError(f"LLRP report: an EPC without bits, or longer than its parameter, at byte {at}")
    return body[at + 6 : at + 6 + length]
