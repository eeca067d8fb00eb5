"""The protobuf messages of Sparkplug B, built at import from a definition of our own: no compiler, no generated code.

Field names and numbers are those of the Sparkplug 3.0 specification, section 6.4 (they are the wire format). The
definition is proto3 with explicit presence instead of proto2, which reads and writes the same bytes but makes the
parser refuse text that is not UTF-8. Extensions are not declared; they stay unknown fields and are kept.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.internal import api_implementation
from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

_PACKAGE = "frostline.sparkplug"
_TYPES = {
    "uint32": FieldDescriptorProto.TYPE_UINT32,
    "uint64": FieldDescriptorProto.TYPE_UINT64,
    "float": FieldDescriptorProto.TYPE_FLOAT,
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "string": FieldDescriptorProto.TYPE_STRING,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
}


def backend() -> str:
    """Which protobuf implementation runs: `upb` (C, as it should be) or `python` (twenty times slower)."""
    return str(api_implementation.Type())


def _values(first: int) -> str:
    """The six scalar alternatives that every `value` begins with, numbered from `first`."""
    kinds = ("uint32 int", "uint64 long", "float float", "double double", "bool boolean", "string string")
    return "; ".join(f"oneof {kind}_value {first + i}" for i, kind in enumerate(kinds))


_MESSAGES = {
    "Payload": "uint64 timestamp 1; repeated Metric metrics 2; uint64 seq 3; string uuid 4; bytes body 5",
    "Metric": (
        "string name 1; uint64 alias 2; uint64 timestamp 3; uint32 datatype 4; bool is_historical 5; "
        "bool is_transient 6; bool is_null 7; MetaData metadata 8; PropertySet properties 9; "
        f"{_values(10)}; oneof bytes bytes_value 16; oneof DataSet dataset_value 17; oneof Template template_value 18"
    ),
    "MetaData": (
        "bool is_multi_part 1; string content_type 2; uint64 size 3; uint64 seq 4; string file_name 5; "
        "string file_type 6; string md5 7; string description 8"
    ),
    "PropertySet": "repeated string keys 1; repeated PropertyValue values 2",
    "PropertySetList": "repeated PropertySet propertyset 1",
    "PropertyValue": (
        f"uint32 type 1; bool is_null 2; {_values(3)}; "
        "oneof PropertySet propertyset_value 9; oneof PropertySetList propertysets_value 10"
    ),
    "DataSet": "uint64 num_of_columns 1; repeated string columns 2; repeated uint32 types 3; repeated Row rows 4",
    "Row": "repeated DataSetValue elements 1",
    "DataSetValue": _values(1),
    "Template": (
        "string version 1; repeated Metric metrics 2; repeated Parameter parameters 3; "
        "string template_ref 4; bool is_definition 5"
    ),
    "Parameter": f"string name 1; uint32 type 2; {_values(3)}",
}


def _define(name: str, fields: str) -> DescriptorProto:
    """One message from its fields, each `[repeated|oneof] type name number`."""
    message = DescriptorProto(name=name)
    parts = [field.split() for field in fields.split("; ")]
    if any(part[0] == "oneof" for part in parts):
        message.oneof_decl.add(name="value")
    for part in parts:
        _add_field(message, part)
    for field in message.field:
        if field.label == FieldDescriptorProto.LABEL_OPTIONAL and not field.HasField("oneof_index"):
            field.proto3_optional = True
            field.oneof_index = len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{field.name}")
    return message


def _add_field(message: DescriptorProto, part: list[str]) -> None:
    kind, name, number = part[-3:]
    field = message.field.add(name=name, number=int(number), label=FieldDescriptorProto.LABEL_OPTIONAL)
    if kind in _TYPES:
        field.type = _TYPES[kind]
    else:
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{kind}"
    if part[0] == "repeated":
        field.label = FieldDescriptorProto.LABEL_REPEATED
        field.options.packed = False
        if kind not in ("uint32", "uint64"):
            field.ClearField("options")
    elif part[0] == "oneof":
        field.oneof_index = 0


def _file() -> FileDescriptorProto:
    file = FileDescriptorProto(name="frostline/sparkplug_b.proto", package=_PACKAGE, syntax="proto3")
    file.message_type.extend(_define(name, fields) for name, fields in _MESSAGES.items())
    return file


if TYPE_CHECKING:

    class _Scalars(Message):
        """The alternatives of a `value`; read only the one that the type says."""

        int_value: int
        long_value: int
        float_value: float
        double_value: float
        boolean_value: bool
        string_value: str

    class PropertyValueMessage(_Scalars):
        """One property: a scalar, a set or a list of sets."""

        type: int
        is_null: bool
        propertyset_value: PropertySetMessage
        propertysets_value: PropertySetListMessage

    class PropertySetMessage(Message):
        """Parallel lists of keys and values."""

        keys: MutableSequence[str]
        values: RepeatedCompositeFieldContainer[PropertyValueMessage]

    class PropertySetListMessage(Message):
        """Several property sets."""

        propertyset: RepeatedCompositeFieldContainer[PropertySetMessage]

    class DataSetValueMessage(_Scalars):
        """One cell."""

    class RowMessage(Message):
        """One row."""

        elements: RepeatedCompositeFieldContainer[DataSetValueMessage]

    class DataSetMessage(Message):
        """A table."""

        num_of_columns: int
        columns: MutableSequence[str]
        types: MutableSequence[int]
        rows: RepeatedCompositeFieldContainer[RowMessage]

    class ParameterMessage(_Scalars):
        """One parameter of a template."""

        name: str
        type: int

    class TemplateMessage(Message):
        """A definition or an instance of a structured type."""

        version: str
        metrics: RepeatedCompositeFieldContainer[MetricMessage]
        parameters: RepeatedCompositeFieldContainer[ParameterMessage]
        template_ref: str
        is_definition: bool

    class MetricMessage(_Scalars):
        """One metric."""

        name: str
        alias: int
        timestamp: int
        datatype: int
        is_historical: bool
        is_transient: bool
        is_null: bool
        properties: PropertySetMessage
        bytes_value: bytes
        dataset_value: DataSetMessage
        template_value: TemplateMessage

    class PayloadMessage(Message):
        """One Sparkplug payload."""

        timestamp: int
        metrics: RepeatedCompositeFieldContainer[MetricMessage]
        seq: int
        uuid: str
        body: bytes

else:
    _POOL = DescriptorPool()
    _POOL.AddSerializedFile(_file().SerializeToString())
    PayloadMessage = GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.Payload"))
    MetricMessage = GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.Metric"))
    PropertySetMessage = GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.PropertySet"))
