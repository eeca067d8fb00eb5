"""Array metrics: little-endian packed bytes, booleans as bits after a count, texts ended by NUL (section 6.4.16)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from frostline_core.errors import ProtocolError
from frostline_core.reading import DataType

Array = tuple[int, ...] | tuple[float, ...] | tuple[bool, ...] | tuple[str, ...]

_CODES = {
    DataType.INT8_ARRAY: "b",
    DataType.INT16_ARRAY: "h",
    DataType.INT32_ARRAY: "i",
    DataType.INT64_ARRAY: "q",
    DataType.UINT8_ARRAY: "B",
    DataType.UINT16_ARRAY: "H",
    DataType.UINT32_ARRAY: "I",
    DataType.UINT64_ARRAY: "Q",
    DataType.FLOAT_ARRAY: "f",
    DataType.DOUBLE_ARRAY: "d",
    DataType.DATETIME_ARRAY: "Q",
}
ARRAYS = frozenset(_CODES) | {DataType.BOOLEAN_ARRAY, DataType.STRING_ARRAY}


def unpack(raw: bytes, datatype: DataType) -> Array:
    """The values in the bytes of an array metric.

    Raises:
        ProtocolError: The bytes do not divide into whole values, or a text is no UTF-8 or has no end.
    """
    if datatype == DataType.BOOLEAN_ARRAY:
        return _unpack_booleans(raw)
    if datatype == DataType.STRING_ARRAY:
        return _unpack_texts(raw)
    code = _CODES[datatype]
    count, rest = divmod(len(raw), struct.calcsize(f"<{code}"))
    if rest:
        raise ProtocolError(f"{datatype.name} of {len(raw)} bytes: {rest} bytes too many")
    return struct.unpack(f"<{count}{code}", raw)


def pack(values: Sequence[int | float | bool | str], datatype: DataType) -> bytes:
    """The bytes of an array metric.

    Raises:
        ValueError: A value does not fit the type, or a text has a NUL in it.
    """
    if datatype == DataType.BOOLEAN_ARRAY:
        return _pack_booleans(values)
    if datatype == DataType.STRING_ARRAY:
        return _pack_texts(values)
    try:
        return struct.pack(f"<{len(values)}{_CODES[datatype]}", *values)
    except (struct.error, OverflowError) as error:
        raise ValueError(f"{datatype.name}: {error}") from error


def _unpack_booleans(raw: bytes) -> tuple[bool, ...]:
    """The first bit is the highest of the first byte; before it all their count, 4 bytes."""
    count = int.from_bytes(raw[:4], "little")
    if len(raw) < 4 or len(raw) != 4 + (count + 7) // 8:
        raise ProtocolError(f"BOOLEAN_ARRAY of {len(raw)} bytes does not fit its count {count}")
    return tuple(bool(raw[4 + i // 8] & 0x80 >> i % 8) for i in range(count))


def _pack_booleans(values: Sequence[int | float | bool | str]) -> bytes:
    packed = bytearray((len(values) + 7) // 8)
    for i, value in enumerate(values):
        if not isinstance(value, bool):
            raise ValueError(f"BOOLEAN_ARRAY: {value!r} is neither True nor False")
        packed[i // 8] |= 0x80 >> i % 8 if value else 0
    return len(values).to_bytes(4, "little") + bytes(packed)


def _unpack_texts(raw: bytes) -> tuple[str, ...]:
    if not raw:
        return ()
    if raw[-1]:
        raise ProtocolError("STRING_ARRAY: the last text is not ended by NUL")
    try:
        return tuple(raw[:-1].decode().split("\0"))
    except UnicodeDecodeError as error:
        raise ProtocolError("STRING_ARRAY: not UTF-8") from error


def _pack_texts(values: Sequence[int | float | bool | str]) -> bytes:
    for value in values:
        if not isinstance(value, str) or "\0" in value:
            raise ValueError(f"STRING_ARRAY: {value!r:.80} is no text without NUL")
    return "".join(f"{value}\0" for value in values).encode()
