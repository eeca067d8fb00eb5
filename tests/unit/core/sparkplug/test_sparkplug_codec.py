"""Payloads and single values, there and back; names carry the ids of the specification."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.errors import ProtocolError
from frostline_core.reading import DataType
from frostline_core.sparkplug import (
    Metric,
    Payload,
    PayloadMessage,
    Property,
    decode,
    encode,
    set_value,
    value_of,
)
from tests.unit.core.sparkplug.codec_values import PAYLOADS, RANGES, SCALAR


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


def test_properties_that_are_alike_are_read_once_and_nobody_can_change_them() -> None:
    limits = {"engUnit": Property(DataType.STRING, "Cel"), "engLow": Property(DataType.DOUBLE, -30.0)}
    raw = encode(Payload(1, 0, tuple(Metric(name, 1, 1, DataType.DOUBLE, 4.0, properties=limits) for name in "ab")))
    first, second = decode(raw).metrics
    assert first.properties == limits
    assert first.properties is second.properties
    with pytest.raises(TypeError):
        first.properties["engUnit"] = Property(DataType.STRING, "bar")  # type: ignore[index]  # that is the point


def test_properties_of_any_size_are_read_and_only_small_ones_remembered() -> None:
    note = {"note": Property(DataType.STRING, "x" * 1000)}
    raw = encode(Payload(1, 0, tuple(Metric(name, 1, 1, DataType.DOUBLE, 4.0, properties=note) for name in "ab")))
    first, second = decode(raw).metrics
    assert first.properties == second.properties == note
    assert first.properties is not second.properties
