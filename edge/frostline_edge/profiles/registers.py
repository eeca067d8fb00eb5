"""Registers to values and back: pure, compiled once per point.

A value wider than a register can be laid out in four ways. With the bytes of the value named A (highest) to D:

    ABCD  big endian                 the order of the Modbus specification
    CDAB  words swapped              low word first
    BADC  bytes swapped              each register's bytes exchanged
    DCBA  both                       little endian

For 64 bits the same two swaps hold: CDAB reverses the order of the four words, BADC exchanges the bytes of each, DCBA
does both. For 16 bits only the exchange of bytes is left, so that CDAB reads as ABCD and DCBA as BADC. Text has no word
order: its registers are read in turn, and BADC and DCBA exchange the two characters of each.

Source: Modbus Application Protocol V1.1b3, section 4.2 (big endian); the other orders are what makers do in the field.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from frostline_core.reading import DataType, Value
from frostline_edge.profiles.model import Point, Table

_FORMATS = {
    "int16": ("h", 1),
    "uint16": ("H", 1),
    "int32": ("i", 2),
    "uint32": ("I", 2),
    "int64": ("q", 4),
    "uint64": ("Q", 4),
    "float32": ("f", 2),
    "float64": ("d", 4),
}
# How the words become bytes, and how the bytes become the value: two byte orders make all four layouts.
_BYTES = {"ABCD": (">", ">"), "CDAB": ("<", "<"), "BADC": ("<", ">"), "DCBA": (">", "<")}
_SINGLE = struct.Struct("f")
# Above this, rounding to seven digits could leave the range of 32-bit floats.
_NEARLY_LARGEST = 1e38
_UNITLESS = ("", "1", "{count}")


@dataclass(frozen=True, slots=True)
class Codec:
    """A compiled point.

    Attributes:
        width: Registers (or bits, in the bit tables) that the point takes.
        datatype: The Sparkplug type of its values.
        decode: Words to a value; None where the device says that there is none. ValueError for a wrong number of words.
        encode: A value to words; ValueError where it does not fit.
    """

    width: int
    datatype: DataType
    decode: Callable[[Sequence[int]], Value]
    encode: Callable[[Value], list[int]]


def decode(point: Point, words: Sequence[int]) -> Value:
    """The value in the point's unit, or None for a sentinel, NaN, infinity or undecodable text.

    Args:
        point: What to read.
        words: Exactly `width(point)` registers of 0..65535 (0 or 1 in the bit tables).

    Raises:
        ValueError: Not as many words as the point has.
    """
    return codec(point).decode(words)


def encode(point: Point, value: Value) -> list[int]:
    """The registers that read as the value; a bit in a register comes as a word with only that bit, to be OR-ed.

    Args:
        point: What to write.
        value: In the point's unit. None means "sensor fault": the first sentinel, or NaN for floats.

    Raises:
        ValueError: The value is of the wrong type, out of the type's range, would read as a sensor fault, or is None
            where the point has no way to say so.
    """
    return codec(point).encode(value)


def width(point: Point) -> int:
    """How many registers (bits, in the bit tables) the point takes."""
    if point.type == "bit":
        return 1
    return point.length if point.type == "string" else _FORMATS[point.type][1]


def datatype(point: Point) -> DataType:
    """The type of the point's values.

    A number with a unit, a scale or an offset is a Double whatever its registers are: stores fix the type of a field,
    and the same metric is an integer in one maker's registers and a float in another's.
    """
    if point.type == "bit":
        return DataType.BOOLEAN
    if point.type == "string":
        return DataType.STRING
    if point.type.startswith("float") or point.unit not in _UNITLESS or (point.scale, point.offset) != (1.0, 0.0):
        return DataType.DOUBLE
    return DataType.UINT64 if point.type == "uint64" else DataType.INT64


@lru_cache(maxsize=4096)
def codec(point: Point) -> Codec:
    """The compiled point; keep it where the same point is read often."""
    if point.type == "bit":
        return _bit(point)
    if point.type == "string":
        return _text(point)
    return _number(point)


def _bit(point: Point) -> Codec:
    shift = 0 if point.table in (Table.COIL, Table.DISCRETE) else point.bit or 0

    def decode_bit(words: Sequence[int]) -> Value:
        (word,) = words
        return bool(word >> shift & 1)

    def encode_bit(value: Value) -> list[int]:
        if not isinstance(value, bool):
            raise ValueError(f"{point.name}: a bit is true or false, not {value!r}")
        return [int(value) << shift]

    return Codec(1, DataType.BOOLEAN, decode_bit, encode_bit)


def _text(point: Point) -> Codec:
    packed = struct.Struct(f"{'<' if point.order in ('BADC', 'DCBA') else '>'}{point.length}H")

    def decode_text(words: Sequence[int]) -> Value:
        _check(point, words, point.length)
        try:
            return packed.pack(*words).split(b"\0", 1)[0].decode("utf-8").rstrip()
        except UnicodeDecodeError:
            return None

    def encode_text(value: Value) -> list[int]:
        if not isinstance(value, str):
            raise ValueError(f"{point.name}: text is needed, not {value!r}")
        raw = value.encode("utf-8")
        if len(raw) > packed.size or b"\0" in raw:
            raise ValueError(f"{point.name}: at most {packed.size} bytes of text without NUL fit")
        return list(packed.unpack(raw.ljust(packed.size, b"\0")))

    return Codec(point.length, DataType.STRING, decode_text, encode_text)


def _number(point: Point) -> Codec:
    letter, words_wide = _FORMATS[point.type]
    words_order, value_order = _BYTES[point.order]
    registers = struct.Struct(f"{words_order}{words_wide}H")
    number = struct.Struct(f"{value_order}{letter}")
    kind = datatype(point)
    to_value, to_raw = _scaling(point)
    faults = _faults(point)
    is_float = letter in "fd"
    is_single = letter == "f"

    def decode_number(words: Sequence[int]) -> Value:
        _check(point, words, words_wide)
        (raw,) = number.unpack(registers.pack(*words))
        if raw in faults or (is_float and not math.isfinite(raw)):
            return None
        if kind is DataType.DOUBLE:
            value = to_value(_shortest(raw) if is_single else raw)
            return value if math.isfinite(value) else None
        return int(raw)

    def encode_number(value: Value) -> list[int]:
        raw = _raw(point, value, to_raw, is_float=is_float)
        if value is not None and raw in faults:
            raise ValueError(f"{point.name}: {value!r} would read as a sensor fault")
        try:
            return list(registers.unpack(number.pack(raw)))
        except (struct.error, OverflowError) as error:
            raise ValueError(f"{point.name}: {value!r} does not fit into {point.type}") from error

    return Codec(words_wide, kind, decode_number, encode_number)


def _shortest(raw: float) -> float:
    """The shortest decimal that is the same 32-bit float: 0.92 and not 0.9200000166893005, which nobody measured."""
    if abs(raw) > _NEARLY_LARGEST:
        return raw
    short = float(f"{raw:.7g}")
    return short if _SINGLE.pack(short) == _SINGLE.pack(raw) else raw


def _raw(point: Point, value: Value, to_raw: Callable[[float], float], *, is_float: bool) -> float:
    """The raw number for a value, before it is packed."""
    if value is None:
        if point.sentinels:
            return point.sentinels[0] if is_float else _signed(point, point.sentinels[0])
        if is_float:
            return math.nan
        raise ValueError(f"{point.name}: this point has no way to say 'sensor fault'")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{point.name}: a number is needed, not {value!r}")
    if (point.scale, point.offset) == (1.0, 0.0):
        raw: float = value
    else:
        raw = to_raw(value)
    return raw if is_float else round(raw)


def _scaling(point: Point) -> tuple[Callable[[float], float], Callable[[float], float]]:
    """Raw to value and back; a scale such as 0.1 divides by 10, so that 213 becomes 21.3 and not 21.300000000000001."""
    scale, offset = point.scale, point.offset
    inverse = round(1 / scale) if abs(scale) < 1 else 0
    if inverse and 1 / inverse == scale:
        return (lambda raw: raw / inverse + offset), (lambda value: (value - offset) * inverse)
    return (lambda raw: raw * scale + offset), (lambda value: (value - offset) / scale)


def _faults(point: Point) -> frozenset[float]:
    """The raw numbers that mean 'sensor fault', as the point's type reads them (0x8000 and -32768 are the same)."""
    if point.type.startswith("float"):
        return frozenset(float(fault) for fault in point.sentinels)
    return frozenset(_signed(point, fault) for fault in point.sentinels)


def _signed(point: Point, fault: int) -> int:
    """A sentinel as the point's type reads its bits."""
    bits = _FORMATS[point.type][1] * 16
    unsigned = fault % (1 << bits)
    return unsigned - (1 << bits) if point.type.startswith("int") and unsigned >> (bits - 1) else unsigned


def _check(point: Point, words: Sequence[int], wanted: int) -> None:
    if len(words) != wanted:
        raise ValueError(f"{point.name}: {wanted} registers are needed, not {len(words)}")
