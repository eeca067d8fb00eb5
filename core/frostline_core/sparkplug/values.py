"""Scalar values on upb messages, read and written in place: the hot path of ingest and spool.

Every reader is liberal where nothing can be misunderstood (a sign extended to 8, 32 or 64 bits, an unsigned number in
either integer field, a float for a double) and refuses the rest: a metric that carries no value must not read as 0.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from frostline_core.errors import ProtocolError
from frostline_core.reading import DataType, Quality, Value

if TYPE_CHECKING:
    from frostline_core.sparkplug.messages import MetricMessage, _Scalars

QUALITY = "Quality"
"""Key of the property that says how far a value can be trusted (payloads-propertyset-quality-value-type)."""

_FLOAT, _DOUBLE, _BOOLEAN, _UINT64 = (
    int(kind) for kind in (DataType.FLOAT, DataType.DOUBLE, DataType.BOOLEAN, DataType.UINT64)
)
_TEXTS = frozenset({DataType.STRING, DataType.TEXT, DataType.UUID})
_BYTES = frozenset({DataType.BYTES, DataType.FILE})
_BITS = (0, 8, 16, 32, 64, 8, 16, 32, 64)
"""Width of the integer types 1 to 8, by type."""
_HIGHEST = tuple((1 << bits) - 1 if kind > 4 else (1 << bits - 1) - 1 if bits else 0 for kind, bits in enumerate(_BITS))
_FLOAT32_MAX = 3.4028234663852886e38


def value_of(metric: MetricMessage, datatype: DataType) -> Value:
    """The value of a metric with one value; None where it is null.

    Not-a-number and the infinities come as they are: whether they mean anything is for the caller to say.

    Args:
        metric: As parsed.
        datatype: As its birth declared it.

    Raises:
        ProtocolError: There is no value and it is not null, it does not fit the type, or the type has no single value
            (arrays, DataSet, Template: `codec.content_of` reads those).
    """
    if metric.is_null:
        return None
    if datatype == _DOUBLE:
        value = metric.double_value
        if value or metric.HasField("double_value"):
            return value
    elif datatype in _BYTES and metric.WhichOneof("value") == "bytes_value":
        return metric.bytes_value
    return scalar_of(metric, datatype)


def scalar_of(message: _Scalars, datatype: DataType) -> Value:
    """The value of anything that has the six scalar fields: metric, property, cell, parameter.

    Raises:
        ProtocolError: As `value_of`.
    """
    if datatype <= _UINT64:
        number = message.int_value or message.long_value
        if number:
            return number if number <= _HIGHEST[datatype] else _signed(number, datatype)
    elif datatype == _FLOAT:
        value = message.float_value
        if value or message.HasField("float_value"):
            return value
    elif datatype == _BOOLEAN and message.boolean_value:
        return True
    return _rare(message, datatype)


def _signed(number: int, datatype: DataType) -> int:
    """A negative number in two's complement of its own width, of 32 or of 64 bits: senders differ."""
    bits = _BITS[datatype]
    if datatype <= DataType.INT64:
        half = 1 << bits - 1
        for width in (bits, 32, 64):
            if (1 << width) - half <= number < 1 << width:
                return number - (1 << width)
    raise ProtocolError(f"{number} does not fit {datatype.name}")


_CARRIERS = {
    "int_value": frozenset(range(DataType.INT8, DataType.UINT64 + 1)) | {DataType.DATETIME},
    "long_value": frozenset(range(DataType.INT8, DataType.UINT64 + 1)) | {DataType.DATETIME},
    "float_value": frozenset({DataType.FLOAT, DataType.DOUBLE}),
    "double_value": frozenset({DataType.FLOAT, DataType.DOUBLE}),
    "boolean_value": frozenset({DataType.BOOLEAN}),
    "string_value": _TEXTS,
}


def _rare(message: _Scalars, datatype: DataType) -> Value:
    """Zeros, texts, times, and values in another field than expected."""
    field = message.WhichOneof("value")
    if field is None:
        raise ProtocolError(f"no value for {DataType(datatype).name}, and not marked as null")
    if datatype == DataType.BOOLEAN and field == "int_value" and message.int_value <= 1:
        return message.int_value == 1
    if datatype not in _CARRIERS.get(field, ()):
        raise ProtocolError(f"a {DataType(datatype).name} cannot come as {field}")
    value: Value = getattr(message, field)
    return value


def set_value(metric: MetricMessage, datatype: DataType, value: Value) -> None:
    """Writes one value into a metric; None makes it null.

    Raises:
        ValueError: The value does not fit the type.
    """
    if value is None:
        metric.is_null = True
    elif datatype in _BYTES:
        if not isinstance(value, bytes):
            raise ValueError(f"{value!r:.80} is no {DataType(datatype).name}")
        metric.bytes_value = value
    else:
        set_scalar(metric, datatype, value)


def set_scalar(message: _Scalars, datatype: DataType, value: Value) -> None:
    """Writes a value into anything that has the six scalar fields.

    Raises:
        ValueError: The value does not fit the type.
    """
    if datatype <= _DOUBLE:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{value!r:.80} is no {DataType(datatype).name}")
        _set_number(message, datatype, value)
    elif datatype == _BOOLEAN and isinstance(value, bool):
        message.boolean_value = value
    elif datatype == DataType.DATETIME and type(value) is int and 0 <= value < 1 << 64:
        message.long_value = value
    elif datatype in _TEXTS and isinstance(value, str):
        message.string_value = value
    else:
        raise ValueError(f"{value!r:.80} is no {DataType(datatype).name}")


def _set_number(message: _Scalars, datatype: DataType, value: int | float) -> None:
    if datatype == _DOUBLE:
        message.double_value = value
    elif datatype == _FLOAT:
        if _FLOAT32_MAX < abs(value) < math.inf:
            raise ValueError(f"{value} does not fit FLOAT")
        message.float_value = value
    else:
        _set_integer(message, datatype, value)


def _set_integer(message: _Scalars, datatype: DataType, value: int | float) -> None:
    bits = _BITS[datatype]
    lowest = -(1 << bits - 1) if datatype <= DataType.INT64 else 0
    if not isinstance(value, int) or not lowest <= value <= _HIGHEST[datatype]:
        raise ValueError(f"{value} does not fit {DataType(datatype).name}")
    if bits == 64:
        message.long_value = value & (1 << 64) - 1
    else:
        message.int_value = value & (1 << 32) - 1


def quality_of(metric: MetricMessage) -> Quality:
    """How far a metric can be trusted: its `Quality` property, else bad when null, else good.

    A number that is none of Sparkplug's three reads as uncertain.
    """
    if metric.HasField("properties"):
        for key, value in zip(metric.properties.keys, metric.properties.values, strict=False):
            if key == QUALITY:
                code = value.int_value or value.long_value
                return Quality(code) if code in (0, 192, 500) else Quality.UNCERTAIN
    return Quality.BAD if metric.is_null else Quality.GOOD


def set_quality(metric: MetricMessage, quality: Quality) -> None:
    """Adds the `Quality` property to a metric that has no properties yet."""
    metric.properties.keys.append(QUALITY)
    property_value = metric.properties.values.add()
    property_value.type = DataType.INT32
    property_value.int_value = quality
