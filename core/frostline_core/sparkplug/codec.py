"""Whole Sparkplug payloads as values: bytes in, frozen dataclasses out, and back (specification, section 6.4).

For births, commands and everything that is not the hot path; ingest reads upb messages in place through
`sparkplug.values`. For any bytes at all `decode` gives a Payload or raises ProtocolError.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from frostline_core.errors import ProtocolError
from frostline_core.reading import DataType
from frostline_core.sparkplug.arrays import ARRAYS, pack, unpack
from frostline_core.sparkplug.messages import PayloadMessage, PropertySetMessage
from frostline_core.sparkplug.payload import (
    NO_PROPERTIES,
    DataSet,
    Metric,
    Parameter,
    Payload,
    Property,
    Template,
    WireValue,
)
from frostline_core.sparkplug.values import scalar_of, set_scalar, set_value, value_of

if TYPE_CHECKING:
    from frostline_core.sparkplug.messages import (
        DataSetMessage,
        MetricMessage,
        PropertyValueMessage,
        TemplateMessage,
    )

MAX_BYTES = 1 << 20
"""Largest payload that we send or accept: what brokers commonly allow, and far above a birth of 1,000 metrics."""
MAX_METRICS = 10_000
"""Most metrics in one payload, so that a hostile one cannot take all memory."""
_MOST_ALIKE, _MOST_REMEMBERED = 2_000, 512
"""Sets of properties that are remembered, and the bytes of the largest; others are read each time."""
LATEST_MS = 253_402_300_799_999
"""The end of the year 9999: a later time is no time, and would not fit what stores it."""


def parse(raw: bytes) -> PayloadMessage:
    """The upb message of a received payload, within the bounds.

    Raises:
        ProtocolError: Too large, too many metrics, no protobuf, or a time after the year 9999.
    """
    if len(raw) > MAX_BYTES:
        raise ProtocolError(f"payload of {len(raw)} bytes; at most {MAX_BYTES} are accepted")
    try:
        message = PayloadMessage.FromString(raw)
    except DecodeError as error:
        raise ProtocolError(f"payload is no Sparkplug B: {error}") from error
    if len(message.metrics) > MAX_METRICS:
        raise ProtocolError(f"payload with {len(message.metrics)} metrics; at most {MAX_METRICS} are accepted")
    if message.timestamp > LATEST_MS:
        raise ProtocolError(f"payload of the time {message.timestamp} ms, after the year 9999")
    return message


def decode(
    raw: bytes, types: Mapping[int, DataType] | None = None, names: Mapping[str, DataType] | None = None
) -> Payload:
    """A received payload.

    Args:
        raw: Its bytes.
        types: Types by alias, as births declared them, for metrics that do not carry their type.
        names: The same by name.

    Raises:
        ProtocolError: What is wrong with it, for any bytes whatever.
    """
    return read(parse(raw), types, names)


def read(
    message: PayloadMessage, types: Mapping[int, DataType] | None = None, names: Mapping[str, DataType] | None = None
) -> Payload:
    """The same for a message already parsed.

    Raises:
        ProtocolError: A metric has an unknown type or a value that does not fit it.
    """
    known = _Types(types or {}, names or {})
    return Payload(
        message.timestamp if message.HasField("timestamp") else None,
        message.seq if message.HasField("seq") else None,
        tuple(_read_metric(metric, known) for metric in message.metrics),
        message.uuid,
        message.body,
    )


def encode(payload: Payload) -> bytes:
    """The bytes of a payload.

    Raises:
        ValueError: A value does not fit its type, a metric has no type, or the bounds are exceeded.
    """
    if len(payload.metrics) > MAX_METRICS:
        raise ValueError(f"{len(payload.metrics)} metrics; at most {MAX_METRICS} fit a payload")
    message = PayloadMessage()
    if payload.timestamp_ms is not None:
        message.timestamp = payload.timestamp_ms
    if payload.seq is not None:
        message.seq = payload.seq
    if payload.uuid:
        message.uuid = payload.uuid
    if payload.body:
        message.body = payload.body
    for metric in payload.metrics:
        write_metric(message.metrics.add(), metric)
    raw = message.SerializeToString()
    if len(raw) > MAX_BYTES:
        raise ValueError(f"payload of {len(raw)} bytes; at most {MAX_BYTES} may be sent")
    return raw


_TYPES = {int(datatype): datatype for datatype in DataType}


@dataclass(frozen=True, slots=True)
class _Types:
    by_alias: Mapping[int, DataType]
    by_name: Mapping[str, DataType]

    def of(self, metric: MetricMessage) -> DataType:
        if metric.datatype:
            return type_of(metric.datatype)
        found = self.by_name.get(metric.name) if metric.name else self.by_alias.get(metric.alias)
        if found is None:
            what = f"'{metric.name:.80}'" if metric.name else f"alias {metric.alias}"
            raise ProtocolError(f"metric {what}: no type, and no birth declared it")
        return found


def type_of(code: int) -> DataType:
    """The data type with that number.

    Raises:
        ProtocolError: There is none.
    """
    found = _TYPES.get(code)
    if found is None:
        raise ProtocolError(f"unknown data type {code}")
    return found


def _read_metric(metric: MetricMessage, known: _Types) -> Metric:
    datatype = known.of(metric)
    if metric.timestamp > LATEST_MS:
        raise ProtocolError(f"metric '{metric.name:.80}' of the time {metric.timestamp} ms, after the year 9999")
    try:
        value = content_of(metric, datatype)
    except ProtocolError as error:
        raise ProtocolError(f"metric '{metric.name:.80}' alias {metric.alias}: {error}") from error
    return Metric(
        metric.name,
        metric.alias if metric.HasField("alias") else None,
        metric.timestamp if metric.HasField("timestamp") else None,
        datatype,
        value,
        metric.is_null,
        metric.is_historical,
        metric.is_transient,
        _properties_of(metric) if metric.HasField("properties") else NO_PROPERTIES,
    )


def content_of(metric: MetricMessage, datatype: DataType) -> WireValue:
    """What a metric of any type holds, arrays, DataSets and Templates too; None where it is null.

    Raises:
        ProtocolError: As `values.value_of`, and where an array or a table is malformed.
    """
    if metric.is_null:
        return None
    where = metric.WhichOneof("value")
    if datatype in ARRAYS and where == "bytes_value":
        return unpack(metric.bytes_value, datatype)
    if datatype == DataType.DATASET and where == "dataset_value":
        return _read_dataset(metric.dataset_value)
    if datatype == DataType.TEMPLATE and where == "template_value":
        return _read_template(metric.template_value)
    return value_of(metric, datatype)


def _properties_of(metric: MetricMessage) -> Mapping[str, Property]:
    raw = metric.properties.SerializeToString()
    return _alike(raw) if len(raw) <= _MOST_REMEMBERED else _read_properties(metric.properties)


@lru_cache(_MOST_ALIKE)
def _alike(raw: bytes) -> Mapping[str, Property]:
    """The same object for those that are alike: a fleet's units and limits hardly differ, and cost half of a birth."""
    return MappingProxyType(_read_properties(PropertySetMessage.FromString(raw)))


def _read_properties(message: PropertySetMessage) -> dict[str, Property]:
    if len(message.keys) != len(message.values):
        raise ProtocolError(f"property set with {len(message.keys)} keys and {len(message.values)} values")
    return {key: _read_property(value) for key, value in zip(message.keys, message.values, strict=True)}


def _read_property(message: PropertyValueMessage) -> Property:
    datatype = type_of(message.type)
    if message.is_null:
        return Property(datatype, None)
    where = message.WhichOneof("value")
    if datatype == DataType.PROPERTYSET and where == "propertyset_value":
        return Property(datatype, _read_properties(message.propertyset_value))
    if datatype == DataType.PROPERTYSETLIST and where == "propertysets_value":
        return Property(datatype, tuple(_read_properties(each) for each in message.propertysets_value.propertyset))
    return Property(datatype, scalar_of(message, datatype))


def _read_dataset(message: DataSetMessage) -> DataSet:
    types = tuple(type_of(code) for code in message.types)
    if message.num_of_columns != len(types):
        raise ProtocolError(f"DataSet announces {message.num_of_columns} columns and has {len(types)} types")
    rows = []
    for row in message.rows:
        if len(row.elements) != len(types):
            raise ProtocolError(f"DataSet row with {len(row.elements)} cells for {len(types)} columns")
        pairs = zip(row.elements, types, strict=True)
        rows.append(tuple(scalar_of(cell, kind) if cell.WhichOneof("value") else None for cell, kind in pairs))
    try:
        return DataSet(tuple(message.columns), types, tuple(rows))
    except ValueError as error:
        raise ProtocolError(str(error)) from error


def _read_template(message: TemplateMessage) -> Template:
    untyped = _Types({}, {})
    parameters = []
    for each in message.parameters:
        datatype = type_of(each.type)
        value = scalar_of(each, datatype) if each.WhichOneof("value") else None
        parameters.append(Parameter(each.name, datatype, value))
    metrics = tuple(_read_metric(metric, untyped) for metric in message.metrics)
    try:
        return Template(message.is_definition, message.template_ref, message.version, metrics, tuple(parameters))
    except ValueError as error:
        raise ProtocolError(str(error)) from error


def write_metric(message: MetricMessage, metric: Metric) -> None:
    """Writes a metric into an empty message.

    Raises:
        ValueError: The value does not fit the type, or there is a value and no type.
    """
    if metric.name:
        message.name = metric.name
    if metric.alias is not None:
        message.alias = metric.alias
    if metric.timestamp_ms is not None:
        message.timestamp = metric.timestamp_ms
    if metric.datatype is not None:
        message.datatype = metric.datatype
    if metric.is_historical:
        message.is_historical = True
    if metric.is_transient:
        message.is_transient = True
    if metric.properties:
        _write_properties(message.properties, metric.properties)
    if metric.is_null or metric.value is None:
        message.is_null = True
    elif metric.datatype is None:
        raise ValueError(f"metric '{metric.name}': a value needs a type")
    else:
        _write_value(message, metric.datatype, metric.value)


def _write_value(message: MetricMessage, datatype: DataType, value: WireValue) -> None:
    if datatype in ARRAYS and isinstance(value, tuple):
        message.bytes_value = pack(value, datatype)
    elif datatype == DataType.DATASET and isinstance(value, DataSet):
        _write_dataset(message.dataset_value, value)
    elif datatype == DataType.TEMPLATE and isinstance(value, Template):
        _write_template(message.template_value, value)
    elif isinstance(value, tuple | DataSet | Template):
        raise ValueError(f"{type(value).__name__} is no {datatype.name}")
    else:
        set_value(message, datatype, value)


def _write_properties(message: PropertySetMessage, properties: Mapping[str, Property]) -> None:
    message.SetInParent()
    for key, each in properties.items():
        message.keys.append(key)
        _write_property(message.values.add(), each)


def _write_property(message: PropertyValueMessage, each: Property) -> None:
    message.type = each.datatype
    if each.value is None:
        message.is_null = True
    elif isinstance(each.value, Mapping):
        _write_properties(message.propertyset_value, each.value)
    elif isinstance(each.value, tuple):
        message.propertysets_value.SetInParent()
        for properties in each.value:
            _write_properties(message.propertysets_value.propertyset.add(), properties)
    else:
        set_scalar(message, each.datatype, each.value)


def _write_dataset(message: DataSetMessage, table: DataSet) -> None:
    message.num_of_columns = len(table.columns)
    message.columns.extend(table.columns)
    message.types.extend(table.types)
    for row in table.rows:
        elements = message.rows.add().elements
        for value, datatype in zip(row, table.types, strict=True):
            cell = elements.add()
            if value is not None:
                set_scalar(cell, datatype, value)


def _write_template(message: TemplateMessage, template: Template) -> None:
    message.is_definition = template.is_definition
    if template.template_ref:
        message.template_ref = template.template_ref
    if template.version:
        message.version = template.version
    for metric in template.metrics:
        write_metric(message.metrics.add(), metric)
    for each in template.parameters:
        parameter = message.parameters.add()
        parameter.name, parameter.type = each.name, each.datatype
        if each.value is not None:
            set_scalar(parameter, each.datatype, each.value)
