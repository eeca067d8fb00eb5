"""Every data type there and back, at its extremes; and any bytes at all."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.errors import ProtocolError
from frostline_core.reading import DataType, Quality
from frostline_core.sparkplug import (
    MAX_BYTES,
    MAX_METRICS,
    DataSet,
    Metric,
    Parameter,
    Payload,
    PayloadMessage,
    Property,
    Template,
    WireValue,
    decode,
    encode,
    parse,
    quality_of,
    set_quality,
    set_value,
    value_of,
)
from frostline_core.sparkplug.codec import LATEST_MS

RANGES = {
    DataType.INT8: (-(2**7), 2**7 - 1),
    DataType.INT16: (-(2**15), 2**15 - 1),
    DataType.INT32: (-(2**31), 2**31 - 1),
    DataType.INT64: (-(2**63), 2**63 - 1),
    DataType.UINT8: (0, 2**8 - 1),
    DataType.UINT16: (0, 2**16 - 1),
    DataType.UINT32: (0, 2**32 - 1),
    DataType.UINT64: (0, 2**64 - 1),
    DataType.DATETIME: (0, 2**64 - 1),
}
ARRAY_OF = {
    DataType.INT8_ARRAY: DataType.INT8,
    DataType.INT16_ARRAY: DataType.INT16,
    DataType.INT32_ARRAY: DataType.INT32,
    DataType.INT64_ARRAY: DataType.INT64,
    DataType.UINT8_ARRAY: DataType.UINT8,
    DataType.UINT16_ARRAY: DataType.UINT16,
    DataType.UINT32_ARRAY: DataType.UINT32,
    DataType.UINT64_ARRAY: DataType.UINT64,
    DataType.FLOAT_ARRAY: DataType.FLOAT,
    DataType.DOUBLE_ARRAY: DataType.DOUBLE,
    DataType.BOOLEAN_ARRAY: DataType.BOOLEAN,
    DataType.STRING_ARRAY: DataType.STRING,
    DataType.DATETIME_ARRAY: DataType.DATETIME,
}
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
SCALAR: dict[DataType, st.SearchStrategy[WireValue]] = {
    **{kind: st.integers(*limits) for kind, limits in RANGES.items()},
    DataType.FLOAT: st.floats(width=32, allow_nan=False),
    DataType.DOUBLE: st.floats(allow_nan=False),
    DataType.BOOLEAN: st.booleans(),
    DataType.STRING: TEXT,
    DataType.TEXT: TEXT,
    DataType.UUID: st.uuids().map(str),
}


def _datasets() -> st.SearchStrategy[DataSet]:
    columns = st.lists(st.tuples(TEXT, st.sampled_from(sorted(SCALAR))), max_size=4)

    def rows(chosen: list[tuple[str, DataType]]) -> st.SearchStrategy[DataSet]:
        names, types = tuple(name for name, _ in chosen), tuple(kind for _, kind in chosen)
        cell = [st.none() | SCALAR[kind] for kind in types]
        return st.lists(st.tuples(*cell), max_size=3).map(lambda found: DataSet(names, types, tuple(found)))

    return columns.flatmap(rows)


def _arrays(kind: DataType) -> st.SearchStrategy[WireValue]:
    return st.lists(SCALAR[ARRAY_OF[kind]], max_size=12).map(tuple)  # type: ignore[arg-type]  # elements are scalars here


def _values(kind: DataType) -> st.SearchStrategy[WireValue]:
    if kind in SCALAR:
        return SCALAR[kind]
    if kind in ARRAY_OF:
        return _arrays(kind)
    return _datasets() if kind is DataType.DATASET else st.binary(max_size=20)


def _properties() -> st.SearchStrategy[Mapping[str, Property]]:
    scalar = st.sampled_from(sorted(SCALAR)).flatmap(lambda kind: st.builds(Property, st.just(kind), SCALAR[kind]))
    null = st.just(Property(DataType.STRING, None))

    def deeper(inner: st.SearchStrategy[Property]) -> st.SearchStrategy[Property]:
        sets = st.dictionaries(TEXT, inner, max_size=3)
        many = st.lists(sets, max_size=2).map(tuple)
        return st.builds(Property, st.just(DataType.PROPERTYSET), sets) | st.builds(
            Property, st.just(DataType.PROPERTYSETLIST), many
        )

    return st.dictionaries(TEXT, st.recursive(scalar | null, deeper, max_leaves=4), max_size=3)


SIMPLE = sorted({*SCALAR, *ARRAY_OF, DataType.BYTES, DataType.FILE, DataType.DATASET})


@st.composite
def _metrics(draw: st.DrawFn, kinds: list[DataType] = SIMPLE) -> Metric:
    kind = draw(st.sampled_from(kinds))
    value = draw(st.none() | _values(kind))
    return Metric(
        draw(TEXT),
        draw(st.none() | st.integers(0, 2**64 - 1)),
        draw(st.none() | st.integers(0, LATEST_MS)),
        kind,
        value,
        value is None,
        draw(st.booleans()),
        draw(st.booleans()),
        draw(_properties()),
    )


PARAMETERS = st.builds(Parameter, TEXT, st.just(DataType.INT32), st.none() | SCALAR[DataType.INT32])
TEMPLATES = st.builds(
    Template,
    st.just(False),
    TEXT.filter(bool),
    TEXT,
    st.lists(_metrics(), max_size=2).map(tuple),
    st.lists(PARAMETERS, max_size=2).map(tuple),
)
PAYLOADS = st.builds(
    Payload,
    st.none() | st.integers(0, LATEST_MS),
    st.none() | st.integers(0, 255),
    st.lists(_metrics() | TEMPLATES.map(lambda each: Metric("t", None, 1, DataType.TEMPLATE, each)), max_size=4).map(
        tuple
    ),
    TEXT,
    st.binary(max_size=10),
)


@given(PAYLOADS)
def test_a_payload_comes_back_as_it_was(payload: Payload) -> None:
    assert decode(encode(payload)) == payload


@given(st.binary(max_size=300))
def test_any_bytes_give_a_payload_or_a_protocol_error(raw: bytes) -> None:
    try:
        decode(raw)
    except ProtocolError as error:
        assert str(error)


@given(PAYLOADS, st.data())
def test_a_damaged_payload_gives_a_payload_or_a_protocol_error(payload: Payload, data: st.DataObject) -> None:
    raw = bytearray(encode(payload))
    if raw:
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        decode(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    except ProtocolError as error:
        assert str(error)


@pytest.mark.parametrize(("kind", "limits"), RANGES.items(), ids=lambda each: getattr(each, "name", ""))
def test_integers_hold_their_extremes__payloads_metric_datatype_value(kind: DataType, limits: tuple[int, int]) -> None:
    for value in limits:
        (metric,) = decode(encode(Payload(1, 0, (Metric("m", datatype=kind, value=value),)))).metrics
        assert metric.value == value


@pytest.mark.parametrize(("kind", "limits"), RANGES.items(), ids=lambda each: getattr(each, "name", ""))
def test_an_integer_beyond_its_type_is_not_sent(kind: DataType, limits: tuple[int, int]) -> None:
    for value in (limits[0] - 1, limits[1] + 1):
        with pytest.raises(ValueError, match=kind.name):
            encode(Payload(1, 0, (Metric("m", datatype=kind, value=value),)))


@pytest.mark.parametrize("sent", [0xFB, 0xFFFFFFFB])
def test_int8_is_read_with_its_sign_extended_or_not(sent: int) -> None:
    message = PayloadMessage()
    metric = message.metrics.add(int_value=sent)
    assert value_of(metric, DataType.INT8) == -5


def test_a_negative_number_sign_extended_to_64_bits_in_long_value_is_read() -> None:
    metric = PayloadMessage().metrics.add(long_value=2**64 - 40000)
    assert value_of(metric, DataType.INT32) == -40000


@pytest.mark.parametrize("field", ["int_value", "long_value"])
def test_uint32_is_read_from_either_integer_field(field: str) -> None:
    metric = PayloadMessage().metrics.add(**{field: 2**32 - 1})
    assert value_of(metric, DataType.UINT32) == 2**32 - 1


def test_int64_and_bdseq_travel_in_long_value() -> None:
    metric = PayloadMessage().metrics.add()
    set_value(metric, DataType.INT64, -1)
    assert metric.WhichOneof("value") == "long_value"


def test_a_number_too_wide_for_its_type_is_refused_and_not_cut() -> None:
    with pytest.raises(ProtocolError, match="300 does not fit UINT8"):
        value_of(PayloadMessage().metrics.add(int_value=300), DataType.UINT8)


@pytest.mark.parametrize("kind", sorted({*SCALAR, DataType.BYTES}), ids=lambda kind: kind.name)
def test_a_metric_without_value_never_reads_as_zero(kind: DataType) -> None:
    with pytest.raises(ProtocolError, match="no value"):
        value_of(PayloadMessage().metrics.add(alias=1), kind)


@pytest.mark.parametrize("kind", sorted({*SCALAR, DataType.BYTES}), ids=lambda kind: kind.name)
def test_a_null_metric_reads_as_none_even_with_a_value(kind: DataType) -> None:
    assert value_of(PayloadMessage().metrics.add(is_null=True, double_value=1.0), kind) is None


@pytest.mark.parametrize(
    ("kind", "zero"), [(DataType.DOUBLE, 0.0), (DataType.FLOAT, 0.0), (DataType.INT32, 0), (DataType.BOOLEAN, False)]
)
def test_zero_is_a_value(kind: DataType, zero: float) -> None:
    metric = PayloadMessage().metrics.add()
    set_value(metric, kind, zero)
    assert value_of(metric, kind) == zero


def test_a_value_in_a_field_of_another_kind_is_refused() -> None:
    with pytest.raises(ProtocolError, match="a DOUBLE cannot come as string_value"):
        value_of(PayloadMessage().metrics.add(string_value="7"), DataType.DOUBLE)


def test_a_table_is_no_single_value() -> None:
    metric = PayloadMessage().metrics.add()
    metric.dataset_value.num_of_columns = 0
    with pytest.raises(ProtocolError, match="a DATASET cannot come as dataset_value"):
        value_of(metric, DataType.DATASET)


def test_infinity_and_nan_stay_what_they_are() -> None:
    metric = PayloadMessage().metrics.add()
    set_value(metric, DataType.DOUBLE, math.nan)
    assert math.isnan(float(value_of(metric, DataType.DOUBLE) or 0.0))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (DataType.BOOLEAN, 1),
        (DataType.INT32, True),
        (DataType.INT32, 1.0),
        (DataType.DOUBLE, "1"),
        (DataType.STRING, 1),
        (DataType.BYTES, "x"),
        (DataType.FLOAT, 1e39),
        (DataType.DATETIME, -1),
        (DataType.DATASET, 1),
    ],
)
def test_a_value_of_another_type_is_not_sent(kind: DataType, value: float | str) -> None:
    with pytest.raises(ValueError, match=r"is no|does not fit"):
        set_value(PayloadMessage().metrics.add(), kind, value)


# Bytes worked out by hand from the rules of specification section 6.4.16.
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
