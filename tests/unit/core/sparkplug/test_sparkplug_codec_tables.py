"""Arrays, DataSets, templates, properties and bounds of payloads; names carry the ids of the specification."""

from __future__ import annotations

import struct

import pytest

from frostline_core.errors import ProtocolError
from frostline_core.reading import DataType, Quality
from frostline_core.sparkplug import (
    MAX_BYTES,
    MAX_METRICS,
    Metric,
    Payload,
    PayloadMessage,
    Property,
    Template,
    decode,
    encode,
    parse,
    quality_of,
    set_quality,
)
from frostline_core.sparkplug.codec import LATEST_MS

ARRAYS = [
    (DataType.INT8_ARRAY, (-23, 123), "e97b"),
    (DataType.INT16_ARRAY, (-30000, 30000), "d08a3075"),
    (DataType.INT32_ARRAY, (-1, 315338746), "fffffffffaafcb12"),
    (DataType.UINT8_ARRAY, (23, 250), "17fa"),
    (DataType.UINT16_ARRAY, (30, 52360), "1e0088cc"),
    (DataType.UINT32_ARRAY, (52, 3293969225), "3400000049fb55c4"),
    (DataType.INT64_ARRAY, (-2,), "feffffffffffffff"),
    (DataType.UINT64_ARRAY, (52,), "3400000000000000"),
    (DataType.FLOAT_ARRAY, (1.5,), "0000c03f"),
    (DataType.DOUBLE_ARRAY, (1.5,), "000000000000f83f"),
    (DataType.DATETIME_ARRAY, (1656107875000,), struct.pack("<Q", 1656107875000).hex()),
    (
        DataType.BOOLEAN_ARRAY,
        (False, False, True, True, False, True, False, False, True, True, False, True),
        "0c00000034d0",
    ),
    (DataType.STRING_ARRAY, ("ABC", "hello"), "4142430068656c6c6f00"),
]


@pytest.mark.parametrize(("kind", "values", "raw"), ARRAYS, ids=lambda each: getattr(each, "name", ""))
def test_arrays_are_packed_little_endian__spec_6_4_16(kind: DataType, values: tuple[int, ...], raw: str) -> None:
    sent = parse(encode(Payload(1, 0, (Metric("a", datatype=kind, value=values),))))
    assert sent.metrics[0].bytes_value.hex() == raw


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (DataType.INT16_ARRAY, b"\1\2\3"),
        (DataType.BOOLEAN_ARRAY, b"\1"),
        (DataType.BOOLEAN_ARRAY, b"\xff\xff\xff\xff\0"),
        (DataType.STRING_ARRAY, b"abc"),
        (DataType.STRING_ARRAY, b"\xff\0"),
    ],
)
def test_a_broken_array_is_refused(kind: DataType, raw: bytes) -> None:
    message = PayloadMessage()
    message.metrics.add(name="a", datatype=kind, bytes_value=raw)
    with pytest.raises(ProtocolError, match="ARRAY"):
        decode(message.SerializeToString())


def test_property_keys_and_values_must_pair__payloads_propertyset_keys_array_size() -> None:
    message = PayloadMessage()
    metric = message.metrics.add(name="m", datatype=DataType.INT32, int_value=1)
    metric.properties.keys.append("k")
    with pytest.raises(ProtocolError, match="1 keys and 0 values"):
        decode(message.SerializeToString())


@pytest.mark.parametrize("columns", [1, 3])
def test_a_dataset_with_a_wrong_column_count_is_refused__payloads_dataset_column_size(columns: int) -> None:
    message = PayloadMessage()
    table = message.metrics.add(name="m", datatype=DataType.DATASET).dataset_value
    table.num_of_columns = columns
    table.columns.extend(["a", "b"])
    table.types.extend([3, 3])
    with pytest.raises(ProtocolError, match="columns"):
        decode(message.SerializeToString())


def test_a_dataset_row_of_another_width_is_refused__payloads_dataset_types_num() -> None:
    message = PayloadMessage()
    table = message.metrics.add(name="m", datatype=DataType.DATASET).dataset_value
    table.num_of_columns = 1
    table.columns.append("a")
    table.types.append(3)
    table.rows.add()
    with pytest.raises(ProtocolError, match="0 cells for 1 columns"):
        decode(message.SerializeToString())


def test_a_template_definition_names_no_other__payloads_template_ref_definition() -> None:
    with pytest.raises(ValueError, match="definition has none"):
        Template(is_definition=True, template_ref="pump")


def test_a_template_instance_names_its_definition__payloads_template_ref_instance() -> None:
    with pytest.raises(ValueError, match="names its definition"):
        Template(is_definition=False)


def test_an_unknown_type_is_refused() -> None:
    message = PayloadMessage()
    message.metrics.add(name="m", datatype=99, int_value=1)
    with pytest.raises(ProtocolError, match="unknown data type 99"):
        decode(message.SerializeToString())


def test_an_alias_without_birth_is_refused() -> None:
    message = PayloadMessage()
    message.metrics.add(alias=7, int_value=1)
    with pytest.raises(ProtocolError, match="alias 7: no type, and no birth declared it"):
        decode(message.SerializeToString())


def test_types_come_from_births__payloads_metric_datatype_not_req() -> None:
    message = PayloadMessage()
    message.metrics.add(alias=7, int_value=2**32 - 1)
    message.metrics.add(name="n", double_value=1.5)
    found = decode(message.SerializeToString(), {7: DataType.INT32}, {"n": DataType.DOUBLE})
    assert [metric.value for metric in found.metrics] == [-1, 1.5]


def test_a_payload_above_the_bound_is_refused_unread() -> None:
    with pytest.raises(ProtocolError, match="at most"):
        parse(bytes(MAX_BYTES + 1))


def test_a_payload_with_too_many_metrics_is_refused() -> None:
    with pytest.raises(ProtocolError, match="10001 metrics"):
        parse(b"\x12\x00" * (MAX_METRICS + 1))


@pytest.mark.parametrize("payload_ms", [LATEST_MS + 1, 2**64 - 1])
def test_a_time_after_the_year_9999_is_refused(payload_ms: int) -> None:
    with pytest.raises(ProtocolError, match="after the year 9999"):
        parse(encode(Payload(payload_ms, 0)))
    with pytest.raises(ProtocolError, match="metric 'm' of the time"):
        decode(encode(Payload(1, 0, (Metric("m", None, payload_ms, DataType.INT32, 1),))))


def test_what_exceeds_the_bounds_is_not_sent() -> None:
    with pytest.raises(ValueError, match="at most"):
        encode(Payload(1, 0, (Metric("b", datatype=DataType.BYTES, value=bytes(MAX_BYTES)),)))


def test_a_value_without_a_type_is_not_sent__payloads_metric_datatype_req() -> None:
    with pytest.raises(ValueError, match="needs a type"):
        encode(Payload(1, 0, (Metric("m", value=1),)))


def test_nesting_deeper_than_the_parser_allows_is_refused() -> None:
    inner = PayloadMessage()
    metric = inner.metrics.add(name="m", datatype=DataType.TEMPLATE)
    for _ in range(60):
        template = metric.template_value
        template.template_ref = "x"
        metric = template.metrics.add(name="m", datatype=DataType.TEMPLATE)
    with pytest.raises(ProtocolError):
        decode(inner.SerializeToString())


@pytest.mark.parametrize("quality", list(Quality))
def test_quality_is_a_property_of_type_int32__payloads_propertyset_quality_value_type(quality: Quality) -> None:
    message = PayloadMessage()
    metric = message.metrics.add(name="m", datatype=DataType.INT32, int_value=1)
    set_quality(metric, quality)
    assert quality_of(metric) is quality
    (read,) = decode(message.SerializeToString()).metrics
    assert read.properties == {"Quality": Property(DataType.INT32, int(quality))}


def test_quality_without_the_property_is_good_or_for_null_bad() -> None:
    assert quality_of(PayloadMessage().metrics.add(int_value=1)) is Quality.GOOD
    assert quality_of(PayloadMessage().metrics.add(is_null=True)) is Quality.BAD


def test_a_quality_that_sparkplug_does_not_know_is_uncertain__payloads_propertyset_quality_value_value() -> None:
    metric = PayloadMessage().metrics.add(int_value=1)
    metric.properties.keys.append("Quality")
    metric.properties.values.add(type=3).int_value = 17
    assert quality_of(metric) is Quality.UNCERTAIN
