"""The wire format, against bytes written by hand from the specification's field numbers."""

from __future__ import annotations

import pytest

from frostline_core.errors import ProtocolError
from frostline_core.sparkplug import PayloadMessage, backend, parse


def test_the_c_implementation_of_protobuf_is_used() -> None:
    assert backend() == "upb"


def test_field_numbers_are_those_of_the_specification() -> None:
    message = PayloadMessage(timestamp=1, seq=2, uuid="u", body=b"b")
    metric = message.metrics.add(name="n", alias=3, timestamp=4, datatype=5, is_historical=True, is_null=False)
    metric.int_value = 7
    metric.properties.keys.append("k")
    metric.properties.values.add(type=3).int_value = 9
    expected = (
        b"\x08\x01"  # timestamp = 1
        b"\x12\x1a"  # metrics = 2
        b"\x0a\x01n\x10\x03\x18\x04\x20\x05\x28\x01\x38\x00"
        b"\x4a\x09\x0a\x01k\x12\x04\x08\x03\x18\x09"  # properties = 9
        b"\x50\x07"  # int_value = 10
        b"\x18\x02\x22\x01u\x2a\x01b"  # seq = 3, uuid = 4, body = 5
    )
    assert message.SerializeToString(deterministic=True) == expected


def test_types_of_a_dataset_are_written_unpacked_as_in_proto2() -> None:
    message = PayloadMessage()
    message.metrics.add().dataset_value.types.extend([1, 2])
    assert message.SerializeToString() == b"\x12\x07\x8a\x01\x04\x18\x01\x18\x02"


def test_packed_types_of_a_dataset_are_read_too() -> None:
    message = parse(b"\x12\x07\x8a\x01\x04\x1a\x02\x01\x02")
    assert list(message.metrics[0].dataset_value.types) == [1, 2]


def test_a_name_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(ProtocolError, match="UTF-8"):
        parse(b"\x12\x03\x0a\x01\xff")


def test_unknown_fields_such_as_extensions_are_kept() -> None:
    raw = b"\x08\x01\xa2\x06\x01x"
    assert parse(raw).SerializeToString() == raw
