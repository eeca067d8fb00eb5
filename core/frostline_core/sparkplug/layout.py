"""The byte layout of a DATA message, learned from one, so that those of the same form need no walk.

A device sends messages that differ only in time, values, batch number and seq. What is constant is compared with one
operation on the message as one large integer, and what varies is taken out with one `struct`: a fifth of the cost of
reading metric by metric, and less still for a message of one metric. A layout stands for whole messages of one length,
with metrics in one order; a message of any other form does not match and is read in full: a layout is never a guess.

Learned are messages whose metrics are numbers (Double, Float, Boolean, integers up to three bytes), not null, without
properties, each once, of one instant; at their end the batch metric, unless the node has none, and seq. Wire format:
https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

from frostline_core.commit.wire import Regular
from frostline_core.sparkplug.form import LAST, MORE, STAMP_BYTES, Form, stamp_at
from frostline_core.sparkplug.topics import Topic
from frostline_core.sparkplug.views import BoundMetric

_FREE, _HITS, _MISSES = 64, 8, 256
_MOST_KEPT: Final = 256
_STAMP: Final = (1 << 8 * STAMP_BYTES) - 1
_number = int.from_bytes
_MOST_SHAPES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Metrics:
    """Some metrics of one device, in the order of a message's values.

    Attributes:
        topic: Of the device's DATA.
        bound: The metrics.
    """

    topic: Topic
    bound: tuple[BoundMetric, ...]


Prepare = Callable[[Metrics], Any]
"""What a host makes of the metrics of a form, once: the plan of its messages. None: they are to be read in full."""


class Shape:
    """What forms that differ only in constants have in common; one object for all of them.

    Attributes:
        mask: A bit for each bit of a message that must be as in the first, or at `stamps` as in each other.
        stamps: A bit for each place of the metrics' common time.
        unstamped: The mask without the bits of that time.
        at: The first of them.
        unpack: Takes out what varies: `lead` values, then the batch mark's numbers, then seq.
        lead: So many.
        whole: Whether there are values among them that are no floats.
        width: Bytes of the batch's number; 0 without a batch mark.
        least: The least number that needs so many bytes.
    """

    __slots__ = ("at", "lead", "least", "mask", "stamps", "unpack", "unstamped", "whole", "width")

    def __init__(self, form: Form) -> None:
        self.at = form.stamps[0]
        self.stamps = sum(1 << 8 * at for at in form.stamps)
        self.mask = int.from_bytes(form.mask, "little")
        self.unstamped = self.mask & ~(self.stamps * _STAMP)
        self.width = form.width
        self.lead = len(form.values) - (4 if form.width else 1)
        self.whole = any(code not in "fd" for _, code, _ in form.values[: self.lead])
        self.least = 1 << 7 * (form.width - 1) if form.width else 0
        text, end = "<", 0
        for at, code, width in form.values:
            text += f"{at - end}x{code}"
            end = at + width
        self.unpack = struct.Struct(text).unpack_from

    def number(self, found: tuple[int, ...]) -> int:
        """The batch's number, of what was unpacked; 0 for one that no gateway could mean."""
        width, n = self.width, found[self.lead + 1]
        if width > 1:
            if width == 3:
                n |= found[self.lead + 2] << 8
            n = n & 0x7F | n >> 1 & 0x3F80 | n >> 2 & 0x1FC000 | n >> 3 & 0xFE00000
        return n if n >= self.least else 0


class Pattern:
    """The bytes that a message of one form has in common with the one that the form was found in."""

    __slots__ = ("_at", "_constant", "_end", "_head", "_head_ms", "_mask", "_stamps")

    def __init__(self, form: Form, shape: Shape) -> None:
        self._at, self._end = shape.at, shape.at + STAMP_BYTES
        self._mask, self._stamps = shape.mask, shape.stamps
        stamp = stamp_at(form.raw, shape.at)
        if len(form.stamps) == 1:  # nothing to compare it with
            self._mask, self._stamps = shape.unstamped, 0
        self._constant = (int.from_bytes(form.raw, "little") & self._mask) - self._stamps * stamp
        self._head, self._head_ms = -1, 0

    def time_of(self, raw: bytes) -> int:
        """UTC milliseconds of a message of the form's length, 0 when it has another form."""
        stamp, same = _number(raw[self._at : self._end], "little"), self._constant
        if self._stamps:
            same += self._stamps * stamp
        if _number(raw, "little") & self._mask != same:
            return 0
        head = stamp >> 16
        if head != self._head:  # each 16 seconds
            if stamp & MORE != LAST or not _milliseconds(head << 16):
                return 0
            self._head, self._head_ms = head, _milliseconds(head << 16)
        elif stamp & 0x8080 != 0x8080:
            return 0
        return self._head_ms | stamp & 0x7F | stamp >> 1 & 0x3F80


class Layout:
    """Reads messages of one form, of one device."""

    __slots__ = ("_lead", "_plan", "_shape", "_time_of", "_unpack")

    def __init__(self, form: Form, shape: Shape, plan: Any) -> None:
        """Keeps what a scan has found, and what is to become of the values."""
        self._time_of = Pattern(form, shape).time_of
        self._shape, self._unpack, self._lead = shape, shape.unpack, shape.lead
        self._plan = plan

    def read(self, raw: bytes) -> Regular | None:
        """What a message of the layout's length says; None when it has another form, or a number that is none."""
        at_ms = self._time_of(raw)
        if not at_ms:
            return None
        shape, found, lead = self._shape, self._unpack(raw), self._lead
        values = found[:lead]
        if shape.whole:
            values = tuple([number(value) for value in values])
        if not isfinite(sum(values)):
            return None
        seq = found[-1]
        if seq > 0x7F:
            seq = short(seq)
        if not shape.width:
            return (-1, 0, 0, self._plan, at_ms, values, raw, seq)
        n = shape.number(found)
        base = n - found[-2]
        return (found[lead], n, base, self._plan, at_ms, values, raw, seq) if base > 0 else None


class Shapes:
    """Every shape that was learned, once; at the bound it starts anew, and shapes in use live on."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], Shape] = {}

    def of(self, form: Form) -> Shape:
        """The shape of a form."""
        key = (bytes(form.mask), tuple(form.stamps), tuple(form.values), form.width)
        shape = self._known.get(key)
        if shape is None:
            if len(self._known) >= _MOST_SHAPES:
                self._known.clear()
            shape = self._known[key] = Shape(form)
        return shape


class Learned:
    """The layouts of one topic.

    Learning costs as much as reading a few messages in full, so that each must be paid by messages that were read with
    those before it: `_FREE` are free, and one more for every `_HITS` messages read, or `_MISSES` not. It keeps at most
    `_MOST_KEPT`; beyond, it starts anew.
    """

    __slots__ = ("_by_length", "_hits", "_kept", "_misses", "_shapes", "_spent")

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self.forget()

    def forget(self) -> None:
        """A birth: what was learned holds no longer."""
        self._by_length: dict[int, tuple[slice, dict[bytes, Layout]]] = {}
        self._kept = self._spent = self._hits = self._misses = 0

    def read(self, raw: bytes) -> Regular | None:
        """What a message says, None when no layout fits it."""
        found = self._by_length.get(len(raw))
        layout = found[1].get(raw[found[0]]) if found is not None else None
        regular = layout.read(raw) if layout is not None else None
        if regular is None:
            self._misses += 1
        else:
            self._hits += 1
        return regular

    def may_learn(self) -> bool:
        """Whether a message that was read in full is worth a look."""
        return self._spent < _FREE + self._hits // _HITS + self._misses // _MISSES

    def learn(self, raw: bytes, form: Form | None, plan: Any) -> None:
        """Remembers a message's form, if it is a regular one.

        Args:
            raw: Its payload.
            form: As `scan` says.
            plan: What is to become of its values; None if it is to be read in full all the same.
        """
        self._spent += 1
        if form is None or plan is None:
            return
        if self._kept >= _MOST_KEPT:
            self._by_length.clear()
            self._kept = 0
        place, layouts = self._by_length.get(len(raw), (None, {}))
        if place != form.head:
            self._kept -= len(layouts)
            layouts = {}
            self._by_length[len(raw)] = (form.head, layouts)
        head = raw[form.head]
        self._kept += head not in layouts
        layouts[head] = Layout(form, self._shapes.of(form), plan)


def number(value: float | bytes) -> float:
    """A value as unpacked: a float, a flag, or the bytes of a varint."""
    if isinstance(value, bytes):
        whole = int.from_bytes(value, "little")
        return float(whole & 0x7F | whole >> 1 & 0x3F80 | whole >> 2 & 0x1FC000)
    return float(value)


def short(value: int) -> int:
    """A varint of one or two bytes, as a little-endian number, without its continuation bits."""
    return value & 0x7F | value >> 1 & 0x3F80


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
