"""The form of a DATA message: where its metrics, times, batch mark and seq stand, and which bytes never change.

Found by walking the wire format (https://protobuf.dev/programming-guides/encoding/) of a message that the protobuf
parser has accepted. What makes a message regular is said in `layout`, which uses forms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from frostline_core.reading import DataType
from frostline_core.sparkplug.views import BoundMetric

STAMP_BYTES: Final = 6
"""Length of a time in milliseconds as varint, from 2004 to 2109."""
MORE: Final = int.from_bytes(b"\x80\x80\x80\x80\x80\x80", "little")
LAST: Final = int.from_bytes(b"\x80\x80\x80\x80\x80\x00", "little")
_MORE_MASK: Final = MORE.to_bytes(STAMP_BYTES, "little")

_TIMESTAMP, _METRICS, _SEQ = 0x08, 0x12, 0x18
_ALIAS, _METRIC_TIME, _DATATYPE, _HISTORICAL, _TRANSIENT = 0x10, 0x18, 0x20, 0x28, 0x30
_INT, _LONG, _BYTES = 0x50, 0x58, 0x82
_FIXED: Final = {0x65: (DataType.FLOAT, "f", 4), 0x69: (DataType.DOUBLE, "d", 8), 0x70: (DataType.BOOLEAN, "?", 1)}
"""Tag of a value's field: its type, struct code and width."""
_WHOLE: Final = {
    DataType.INT8: 7,
    DataType.UINT8: 8,
    DataType.INT16: 15,
    DataType.UINT16: 16,
    **dict.fromkeys((DataType.INT32, DataType.UINT32, DataType.INT64, DataType.UINT64), 31),
}
"""Bits that every number of an integer type may use; a wider or negative one is read in full."""
_WIDEST: Final = 3
"""Bytes of the longest such number."""
_MARK_HEAD: Final = 0x11
"""First byte of a batch mark of version 1, of samples, that is no gap (`commit.wire`)."""
_MARK_FIXED, _MARK_BYTES = 9, range(11, 15)
WIDTHS: Final = {1: "B", 2: "H", 3: "BH", 4: "I"}


@dataclass(slots=True)
class Form:
    """What a scan finds.

    Attributes:
        raw: The message.
        mask: A bit for each bit that must be as in `raw`, or at `stamps` as in each other.
        bound: The metrics.
        values: Place, struct code and width of what varies: values, the batch mark's run, number and distance, seq.
        stamps: Places of the metrics' common time.
        seen: Their aliases.
        head: Place of the first metric's alias.
        marked: Place of the batch metric's.
        sent: Place of the message's time; -1 without.
        width: Bytes of the batch's number; 0 without a batch metric.
    """

    raw: bytes
    mask: bytearray
    bound: list[BoundMetric] = field(default_factory=list)
    values: list[tuple[int, str, int]] = field(default_factory=list)
    stamps: list[int] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    head: slice = field(default_factory=lambda: slice(0, 0))
    marked: slice = field(default_factory=lambda: slice(0, 0))
    sent: int = -1
    width: int = 0

    def free(self, at: int, code: str, width: int) -> None:
        """A value there: any bits; of a number in varint form, as many bytes."""
        self.values.append((at, code, width))
        self.mask[at : at + width] = bytes(width) if code in "fdQ" else b"\xfe" if code == "?" else b"\x80" * width


def by_alias(form: Form) -> Form | None:
    """The form of a message of one metric, where aliases vary too: alias, value, the batch's alias and mark, seq.

    None where there are more metrics, or in another order.
    """
    value, *rest = form.values
    named, marked = form.head, form.marked
    if len(form.bound) != 1 or not form.width or named.start > value[0] or marked.start > rest[0][0]:
        return None
    freed = Form(form.raw, bytearray(form.mask), form.bound, [], form.stamps, marked=form.marked, width=form.width)
    for place, following in ((named, [value]), (marked, rest)):
        width = place.stop - place.start
        freed.free(place.start, f"{width}s", width)
        freed.values += following
    return freed


@dataclass(slots=True)
class _Fields:
    """One metric's fields: places, and a value's tag, place and width."""

    alias: int = -1
    named: slice = field(default_factory=lambda: slice(0, 0))
    stamp: int = -1
    value: tuple[int, int, int] | None = None
    transient: bool = False


def scan(raw: bytes, aliases: Mapping[int, BoundMetric], batch: int | None) -> Form | None:
    """The form of a message that is known to be well-formed; None where it is no regular one.

    Args:
        raw: The payload.
        aliases: What births declared.
        batch: Alias of the batch metric; None where the node has none.
    """
    form = Form(raw, bytearray(b"\xff" * len(raw)))
    at = 0
    while at < len(raw):
        tag, at = raw[at], at + 1
        if tag == _TIMESTAMP and form.sent < 0 and _is_stamp(raw, at):
            form.sent, at = at, at + STAMP_BYTES
        elif tag == _METRICS and not form.width:
            at = _metric(form, at, aliases, batch)
        elif tag == _SEQ and form.bound and (form.width or batch is None):
            return form if _end(form, at) else None
        else:
            return None
        if not at:
            return None
    return None


def _end(form: Form, at: int) -> bool:
    """Whether seq ends the message, and there is one time for all metrics: their own, else the message's."""
    width = len(form.raw) - at
    if not 1 <= width <= 2 or varint(form.raw, at)[1] != len(form.raw):
        return False
    form.free(at, WIDTHS[width], width)
    if form.stamps:
        if form.sent >= 0:  # when it was sent: any other such number will do
            form.mask[form.sent : form.sent + STAMP_BYTES] = _MORE_MASK
        return True
    form.stamps.append(form.sent)
    return form.sent >= 0


def _metric(form: Form, at: int, aliases: Mapping[int, BoundMetric], batch: int | None) -> int:
    """Adds the metric whose length stands there; returns where it ends, 0 if it is not regular."""
    raw = form.raw
    length, at = varint(raw, at)
    end, found = at + length, _Fields()
    while at < end:
        at = _field(raw, at, found)
        if not at:
            return 0
    known = _enter_mark(form, found) if found.alias == batch else _enter(form, found, aliases)
    return end if at == end and known else 0


def _field(raw: bytes, at: int, found: _Fields) -> int:
    """Takes in the field whose tag stands there; returns where it ends, 0 if it is none of a regular metric."""
    tag, at = raw[at], at + 1
    if tag == _ALIAS and found.alias < 0:
        start = at
        found.alias, at = varint(raw, at)
        found.named = slice(start, at)
    elif tag == _METRIC_TIME and found.stamp < 0 and _is_stamp(raw, at):
        found.stamp, at = at, at + STAMP_BYTES
    elif tag == _TRANSIENT and not found.transient and raw[at] == 1:
        found.transient, at = True, at + 1
    elif tag in (_DATATYPE, _HISTORICAL):
        _, at = varint(raw, at)
    elif found.value is None and (width := _width(raw, tag, at)):
        if tag == _BYTES:
            at += 2  # the tag's second byte, and the length
        found.value = (tag, at, width)
        at += width
    else:
        return 0
    return at


def _width(raw: bytes, tag: int, at: int) -> int:
    """Bytes of a value; 0 for what is no number, nor a batch mark."""
    if tag in _FIXED:
        return _FIXED[tag][2]
    if tag in (_INT, _LONG):
        return varint(raw, at)[1] - at
    if tag == _BYTES and raw[at] == 1 and raw[at + 1] in _MARK_BYTES:
        return raw[at + 1]
    return 0


def _enter(form: Form, found: _Fields, aliases: Mapping[int, BoundMetric]) -> bool:
    """Adds a metric, if it is of the type declared, comes once, and tells its time as the others do."""
    bound = aliases.get(found.alias)
    timed = found.stamp >= 0
    if bound is None or found.value is None or found.transient or found.alias in form.seen:
        return False
    if form.bound and timed != bool(form.stamps):
        return False
    if form.stamps and stamp_at(form.raw, found.stamp) != stamp_at(form.raw, form.stamps[0]):
        return False
    tag, at, width = found.value
    code = _code(tag, width, bound.description.datatype)
    if not code or (code == "?" and form.raw[at] > 1):
        return False
    if not form.bound:
        form.head = found.named
    form.bound.append(bound)
    form.seen.add(found.alias)
    form.free(at, code, width)
    if timed:
        form.stamps.append(found.stamp)
    return True


def _code(tag: int, width: int, datatype: DataType) -> str:
    """How `struct` takes the value; "" for one that is not always of the declared type."""
    if tag in _FIXED:
        declared, code, _ = _FIXED[tag]
        return code if datatype == declared else ""
    if tag == _BYTES or width > _WIDEST or 7 * width > _WHOLE.get(datatype, 0):
        return ""
    return "B" if width == 1 else f"{width}s"


def _enter_mark(form: Form, found: _Fields) -> bool:
    """Adds the batch mark of ordinary samples; it is the last metric."""
    raw = form.raw
    if found.value is None or not found.transient or found.value[0] != _BYTES:
        return False
    _, at, size = found.value
    number, behind = at + _MARK_FIXED, at + size - 1
    if raw[at] != _MARK_HEAD or raw[behind] > 0x7F or varint(raw, number)[1] != behind:
        return False
    form.width, form.marked = behind - number, found.named
    form.free(at + 1, "Q", 8)
    form.free(number, WIDTHS[form.width], form.width)
    form.free(behind, "B", 1)
    if found.stamp >= 0:  # when it was sent
        form.mask[found.stamp : found.stamp + STAMP_BYTES] = _MORE_MASK
    return True


def varint(raw: bytes, at: int) -> tuple[int, int]:
    """The number that begins there, and where it ends."""
    value = shift = 0
    while True:
        byte = raw[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _is_stamp(raw: bytes, at: int) -> bool:
    """Whether a varint of six bytes begins there."""
    return stamp_at(raw, at) & MORE == LAST


def stamp_at(raw: bytes, at: int) -> int:
    """The bytes of a time, as a little-endian number with its continuation bits."""
    return int.from_bytes(raw[at : at + STAMP_BYTES], "little")
