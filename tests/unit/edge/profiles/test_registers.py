"""Registers to values and back: hand-written bytes, pymodbus as the oracle, and round trips."""

from __future__ import annotations

import math
import struct
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.client.mixin import ModbusClientMixin

from frostline_core.reading import DataType, Value
from frostline_edge.profiles.model import Point
from frostline_edge.profiles.registers import datatype, decode, encode, width

ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")
RANGES = {
    "int16": (-(2**15), 2**15 - 1),
    "uint16": (0, 2**16 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}


def point(**keys: Any) -> Point:
    return Point.model_validate({"name": "m", "table": "holding", "address": 0, **keys})


def words(raw: bytes) -> list[int]:
    return list(struct.unpack(f">{len(raw) // 2}H", raw))


@pytest.mark.parametrize(
    ("order", "wire"),
    [("ABCD", "0A0B0C0D"), ("CDAB", "0C0D0A0B"), ("BADC", "0B0A0D0C"), ("DCBA", "0D0C0B0A")],
)
def test_32_bits_in_every_order(order: str, wire: str) -> None:
    p = point(type="uint32", order=order)
    assert decode(p, words(bytes.fromhex(wire))) == 0x0A0B0C0D
    assert encode(p, 0x0A0B0C0D) == words(bytes.fromhex(wire))


@pytest.mark.parametrize(
    ("order", "wire"),
    [
        ("ABCD", "0102030405060708"),
        ("CDAB", "0708050603040102"),
        ("BADC", "0201040306050807"),
        ("DCBA", "0807060504030201"),
    ],
)
def test_64_bits_in_every_order(order: str, wire: str) -> None:
    p = point(type="uint64", order=order)
    assert decode(p, words(bytes.fromhex(wire))) == 0x0102030405060708
    assert encode(p, 0x0102030405060708) == words(bytes.fromhex(wire))


@pytest.mark.parametrize(("order", "word"), [("ABCD", 0x0A0B), ("CDAB", 0x0A0B), ("BADC", 0x0B0A), ("DCBA", 0x0B0A)])
def test_16_bits_know_only_the_exchange_of_bytes(order: str, word: int) -> None:
    assert decode(point(type="uint16", order=order), [word]) == 0x0A0B


@pytest.mark.parametrize(
    ("keys", "wire", "value"),
    [
        ({"type": "int16"}, "FF4C", -180),
        ({"type": "int16", "scale": 0.1, "unit": "Cel"}, "FF4C", -18.0),
        ({"type": "int16", "scale": 0.1, "unit": "Cel"}, "00D5", 21.3),
        ({"type": "uint16", "scale": 0.01, "offset": -40.0}, "07D0", -20.0),
        ({"type": "int32"}, "FFFFFFFE", -2),
        ({"type": "int64"}, "FFFFFFFFFFFFFFFE", -2),
        ({"type": "float32"}, "C1920000", -18.25),
        ({"type": "float64"}, "C032400000000000", -18.25),
        ({"type": "float32", "order": "CDAB"}, "0000C192", -18.25),
        ({"type": "string", "length": 3}, "4142432D3100", "ABC-1"),
        ({"type": "string", "length": 2, "order": "BADC"}, "42414443", "ABCD"),
        ({"type": "bit", "bit": 3}, "0008", True),
        ({"type": "bit", "bit": 3}, "FFF7", False),
        ({"type": "bit", "table": "coil"}, "0001", True),
    ],
)
def test_golden_values(keys: dict[str, Any], wire: str, value: Value) -> None:
    assert decode(point(**keys), words(bytes.fromhex(wire))) == value


@pytest.mark.parametrize(
    ("keys", "wire"),
    [
        ({"type": "int16", "sentinels": [-32768]}, "8000"),
        ({"type": "int16", "sentinels": [32768]}, "8000"),
        ({"type": "uint16", "sentinels": [-1]}, "FFFF"),
        ({"type": "int16", "scale": 0.1, "sentinels": [32767]}, "7FFF"),
        ({"type": "float32", "sentinels": [-999]}, "C479C000"),
        ({"type": "float32"}, "7FC00000"),
        ({"type": "float32"}, "7F800000"),
        ({"type": "float32"}, "FF800000"),
        ({"type": "float64"}, "7FF8000000000000"),
        ({"type": "string", "length": 1}, "FFFF"),
    ],
)
def test_a_fault_is_never_a_number(keys: dict[str, Any], wire: str) -> None:
    assert decode(point(**keys), words(bytes.fromhex(wire))) is None


@pytest.mark.parametrize(
    ("keys", "wire"),
    [({"type": "int16", "sentinels": [32767]}, "7FFF"), ({"type": "uint16", "sentinels": [-1]}, "FFFF")],
)
def test_none_is_written_as_the_first_sentinel(keys: dict[str, Any], wire: str) -> None:
    assert encode(point(**keys), None) == words(bytes.fromhex(wire))


def test_none_in_a_float_is_nan() -> None:
    assert decode(point(type="float32"), encode(point(type="float32"), None)) is None


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        ({"type": "int16"}, 40000),
        ({"type": "uint16"}, -1),
        ({"type": "int16"}, None),
        ({"type": "int16"}, True),
        ({"type": "int16"}, "4"),
        ({"type": "int16"}, math.inf),
        ({"type": "int16", "sentinels": [5]}, 5),
        ({"type": "float32"}, 1e300),
        ({"type": "string", "length": 1}, "abc"),
        ({"type": "string", "length": 1}, 7),
        ({"type": "bit", "bit": 0}, 1),
    ],
)
def test_what_does_not_fit_is_refused(keys: dict[str, Any], value: Value) -> None:
    with pytest.raises(ValueError, match="m: "):
        encode(point(**keys), value)


@pytest.mark.parametrize("keys", [{"type": "int32"}, {"type": "string", "length": 2}, {"type": "bit", "bit": 0}])
def test_a_wrong_number_of_words_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"registers are needed|too many|unpack"):
        decode(point(**keys), [1, 2, 3])


@pytest.mark.parametrize("name", list(RANGES))
@pytest.mark.parametrize("order", ["ABCD", "CDAB"])
def test_integers_agree_with_pymodbus(name: str, order: str) -> None:
    p = point(type=name, order=order)
    oracle = getattr(ModbusClientMixin.DATATYPE, name.upper())
    for value in (*RANGES[name], 1, 258):
        regs = ModbusClientMixin.convert_to_registers(value, oracle, "little" if order == "CDAB" else "big")
        assert (encode(p, value), decode(p, regs)) == (regs, value)


@given(value=st.floats(width=32, allow_nan=False, allow_infinity=False), order=st.sampled_from(["ABCD", "CDAB"]))
def test_floats_agree_with_pymodbus(value: float, order: str) -> None:
    p = point(type="float32", order=order)
    regs = ModbusClientMixin.convert_to_registers(
        value, ModbusClientMixin.DATATYPE.FLOAT32, "little" if order == "CDAB" else "big"
    )
    assert encode(p, value) == regs
    if value:  # a minus before zero has no meaning
        assert encode(p, decode(p, regs)) == regs


def test_a_32_bit_float_reads_as_the_decimal_that_the_device_meant() -> None:
    p = point(type="float32")
    assert [decode(p, encode(p, value)) for value in (0.92, -18.3, 230.4, 1234.567)] == [0.92, -18.3, 230.4, 1234.567]


@given(data=st.data(), name=st.sampled_from(list(RANGES)), order=st.sampled_from(ORDERS))
def test_integers_survive_the_round_trip(data: st.DataObject, name: str, order: str) -> None:
    p = point(type=name, order=order)
    value = data.draw(st.integers(*RANGES[name]))
    assert decode(p, encode(p, value)) == value


@given(value=st.floats(allow_nan=False, allow_infinity=False), order=st.sampled_from(ORDERS))
def test_floats_survive_the_round_trip(value: float, order: str) -> None:
    p = point(type="float64", order=order)
    assert decode(p, encode(p, value)) == value


@given(text=st.text(alphabet=st.characters(codec="ascii", exclude_categories=["C"]), max_size=12))
def test_text_survives_the_round_trip_but_for_blanks_at_its_end(text: str) -> None:
    for order in ORDERS:
        p = point(type="string", length=6, order=order)
        assert decode(p, encode(p, text)) == text.rstrip()


@given(raw=st.integers(-32768, 32767), scale=st.sampled_from([0.1, 0.01, 0.5, 2.0, 0.3]), offset=st.integers(-50, 50))
def test_scaled_values_survive_the_round_trip(raw: int, scale: float, offset: int) -> None:
    p = point(type="int16", scale=scale, offset=float(offset))
    value = decode(p, [raw % 65536])
    assert isinstance(value, float)
    assert encode(p, value) == [raw % 65536]


@given(raw=st.integers(-32768, 32767))
def test_a_decimal_scale_gives_the_nearest_decimal(raw: int) -> None:
    value = decode(point(type="int16", scale=0.1), [raw % 65536])
    assert value == float(f"{raw / 10:.1f}")


@given(raw=st.binary(min_size=8, max_size=8), name=st.sampled_from([*RANGES, "float32", "float64"]))
def test_any_words_give_a_finite_number_or_none(raw: bytes, name: str) -> None:
    p = point(type=name, scale=1e300)
    value = decode(p, words(raw)[: width(p)])
    assert value is None or math.isfinite(cast("float", value))


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"type": "bit", "bit": 0}, DataType.BOOLEAN),
        ({"type": "string", "length": 1}, DataType.STRING),
        ({"type": "uint16"}, DataType.INT64),
        ({"type": "uint64"}, DataType.UINT64),
        ({"type": "int16", "unit": "Cel"}, DataType.DOUBLE),
        ({"type": "int16", "scale": 0.1}, DataType.DOUBLE),
        ({"type": "float32"}, DataType.DOUBLE),
    ],
)
def test_the_type_of_a_metric_does_not_depend_on_the_maker(keys: dict[str, Any], expected: DataType) -> None:
    assert datatype(point(**keys)) is expected


@pytest.mark.parametrize(("name", "registers"), [("bit", 1), ("int16", 1), ("float32", 2), ("float64", 4)])
def test_width_is_counted_in_registers(name: str, registers: int) -> None:
    assert width(point(type=name, bit=0)) == registers
