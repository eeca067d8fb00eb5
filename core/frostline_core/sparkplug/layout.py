"""The byte layout of a device's DATA messages, learned from one, so that those of the same form need no walk.

A device that sends all its metrics each time sends the same bytes, but for the time and the values. What is constant is
compared with one operation on the message as one large integer, and the values are taken out with one `struct`; that
costs a fifth of reading metric by metric. A layout covers the metrics at the head of a message; what follows (seq, the
batch metric) is a payload of its own, because protobuf fields may come in pieces. A message of any other form does not
match, and is read in full: the layout is never a guess.

Learned are messages whose first metrics are numbers of fixed width (Double, Float, Boolean), not null, without
properties, and of one instant. Wire format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from frostline_core.reading import DataType
from frostline_core.sparkplug.views import BoundMetric

LEAST_METRICS: Final = 4
"""Below so many metrics, reading them one by one is as cheap."""
_FIRST_TRY, _RARELY = 1, 4096
_STAMP_BYTES: Final = 6
"""Length of a time in milliseconds as varint, from 2004 to 2109."""
_MORE: Final = int.from_bytes(b"\x80\x80\x80\x80\x80\x80", "little")
_LAST: Final = int.from_bytes(b"\x80\x80\x80\x80\x80\x00", "little")

_TIMESTAMP, _METRICS = 0x08, 0x12
_ALIAS, _METRIC_TIME, _DATATYPE, _HISTORICAL = 0x10, 0x18, 0x20, 0x28
_VALUES: Final = {0x65: (DataType.FLOAT, "f", 4), 0x69: (DataType.DOUBLE, "d", 8), 0x70: (DataType.BOOLEAN, "B", 1)}
"""Tag of a value's field: its type, struct code and width."""


@dataclass(slots=True)
class Columns:
    """The metrics of one message that a layout has read: one instant, one number each, all of good quality.

    Attributes:
        layout: Says which metrics.
        at_ms: UTC milliseconds.
        values: In the order of `layout.bound`; may hold not-a-number and infinities.
    """

    layout: Layout
    at_ms: int
    values: tuple[float, ...]


class Layout:
    """Reads messages of one form.

    Attributes:
        bound: The metrics, in order.
        size: Bytes of a message that it covers.
        plan: Free for ingest: what it derived from `bound`; None at first.
    """

    __slots__ = (
        "_at",
        "_constant",
        "_flags",
        "_head",
        "_head_ms",
        "_mask",
        "_stamps",
        "_unpack",
        "bound",
        "plan",
        "size",
    )

    def __init__(self, form: _Form) -> None:
        """Keeps what a scan has found."""
        self.bound = tuple(form.bound)
        self.size = form.size
        self.plan: object = None
        self._at = form.stamps[0]
        self._stamps = sum(1 << 8 * at for at in form.stamps)
        mask = form.mask[: form.size]
        self._mask = int.from_bytes(mask, "little")
        constant = int.from_bytes(form.raw[: form.size], "little") & self._mask
        self._constant = constant - self._stamps * _stamp_at(form.raw, self._at)
        self._flags = any(code == "B" for _, code, _ in form.values)
        text, end = "<", 0
        for at, code, width in form.values:
            text += f"{at - end}x{code}"
            end = at + width
        self._unpack = struct.Struct(text).unpack_from
        self._head, self._head_ms = -1, 0

    def read(self, raw: bytes) -> Columns | None:
        """The values of a message, None when it has another form."""
        if len(raw) < self.size:
            return None
        at = self._at
        stamp = int.from_bytes(raw[at : at + _STAMP_BYTES], "little")
        if int.from_bytes(raw[: self.size], "little") & self._mask != self._constant + self._stamps * stamp:
            return None
        head = stamp >> 16
        if head != self._head:  # each 16 seconds
            if stamp & _MORE != _LAST:
                return None
            self._head, self._head_ms = head, _milliseconds(head << 16)
        elif stamp & 0x8080 != 0x8080:
            return None
        values = self._unpack(raw)
        if self._flags:
            values = tuple(map(float, values))
        return Columns(self, self._head_ms | stamp & 0x7F | stamp >> 1 & 0x3F80, values)


@dataclass(slots=True)
class Learned:
    """The layout of one topic; learns it when messages keep coming that it does not match, ever more rarely.

    Attributes:
        layout: The present one.
    """

    layout: Layout | None = None
    _missed: int = 0
    _patience: int = _FIRST_TRY

    def read(self, raw: bytes) -> Columns | None:
        """The values of a message, None when there is no layout or the message has another form."""
        columns = self.layout.read(raw) if self.layout is not None else None
        if columns is None:
            self._missed += 1
        return columns

    def learn(self, raw: bytes, aliases: Mapping[int, BoundMetric]) -> None:
        """Looks at a message that was read in full. Each further try waits for twice as many that did not match."""
        if self._missed <= self._patience:
            return
        self._missed, self._patience = 0, min(self._patience * 2, _RARELY)
        self.layout = learn(raw, aliases) or self.layout


@dataclass(slots=True)
class _Form:
    """What a scan finds; `mask` has a bit for each bit that must be as in `raw`, or at `stamps` as in each other."""

    raw: bytes
    aliases: Mapping[int, BoundMetric]
    mask: bytearray
    size: int = 0
    bound: list[BoundMetric] = field(default_factory=list)
    values: list[tuple[int, str, int]] = field(default_factory=list)
    stamps: list[int] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Fields:
    """One metric's fields."""

    alias: int = -1
    stamp: int = -1
    value: tuple[int, int] | None = None


def learn(raw: bytes, aliases: Mapping[int, BoundMetric]) -> Layout | None:
    """The layout of a message that is known to be well-formed; None where its head has no regular form.

    Args:
        raw: The payload.
        aliases: What births declared.
    """
    form = _Form(raw, aliases, bytearray(b"\xff" * len(raw)))
    sent, at = -1, 0
    while at < len(raw):
        if raw[at] == _TIMESTAMP and sent < 0 and not form.bound and _is_stamp(raw, at + 1):
            sent, at = at + 1, at + 1 + _STAMP_BYTES
        elif raw[at] == _METRICS and (end := _metric(form, at + 1)):
            at = end
        else:
            break
        form.size = at
    if len(form.bound) < LEAST_METRICS or not _timed(form, sent):
        return None
    return Layout(form)


def _metric(form: _Form, at: int) -> int:
    """Adds the metric whose length stands there; returns where it ends, 0 if it is not regular."""
    raw = form.raw
    length, at = _varint(raw, at)
    end, found = at + length, _Fields()
    while at < end:
        tag, at = raw[at], at + 1
        if tag in _VALUES and found.value is None:
            found.value = (tag, at)
            at += _VALUES[tag][2]
        elif tag == _METRIC_TIME and found.stamp < 0 and _is_stamp(raw, at):
            found.stamp = at
            at += _STAMP_BYTES
        elif tag == _ALIAS and found.alias < 0:
            found.alias, at = _varint(raw, at)
        elif tag in (_DATATYPE, _HISTORICAL):
            _, at = _varint(raw, at)
        else:
            return 0
    return end if at == end and _enter(form, found) else 0


def _enter(form: _Form, found: _Fields) -> bool:
    """Adds a metric, if it is of the type declared, comes once, and tells its time as the others do."""
    bound = form.aliases.get(found.alias)
    timed = found.stamp >= 0
    if bound is None or found.value is None or found.alias in form.seen or (form.bound and timed != bool(form.stamps)):
        return False
    tag, at = found.value
    datatype, code, width = _VALUES[tag]
    if bound.description.datatype != datatype or (code == "B" and form.raw[at] > 1):
        return False
    if form.stamps and _stamp_at(form.raw, found.stamp) != _stamp_at(form.raw, form.stamps[0]):
        return False
    form.bound.append(bound)
    form.seen.add(found.alias)
    form.values.append((at, code, width))
    form.mask[at : at + width] = b"\xfe" if code == "B" else bytes(width)
    if timed:
        form.stamps.append(found.stamp)
    return True


def _timed(form: _Form, sent: int) -> bool:
    """Whether there is one time for all: the metrics' own, else the message's, at `sent` (-1: it has none)."""
    if not form.stamps:
        form.stamps.append(sent)
        return sent >= 0
    if sent >= 0:  # when it was sent: any other such number will do
        form.mask[sent : sent + _STAMP_BYTES] = _MORE.to_bytes(_STAMP_BYTES, "little")
    return True


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _is_stamp(raw: bytes, at: int) -> bool:
    """Whether a varint of six bytes begins there."""
    return _stamp_at(raw, at) & _MORE == _LAST


def _stamp_at(raw: bytes, at: int) -> int:
    return int.from_bytes(raw[at : at + _STAMP_BYTES], "little")


def _milliseconds(stamp: int) -> int:
    """A varint of six bytes, as a little-endian number, without its continuation bits."""
    return (
        stamp & 0x7F
        | stamp >> 1 & 0x3F80
        | stamp >> 2 & 0x1FC000
        | stamp >> 3 & 0xFE00000
        | stamp >> 4 & 0x7F0000000
        | stamp >> 5 & 0x3F800000000
    )
