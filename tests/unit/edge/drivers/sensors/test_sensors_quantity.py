"""The kernel's numbers become values, and those that mean "no sensor" become none."""

from __future__ import annotations

import pytest

from frostline_core.errors import ProtocolError
from frostline_core.units import UNITS
from frostline_edge.drivers.sensors.quantity import (
    QUANTITIES,
    channel_kind,
    number,
    raw_value,
    w1_slave,
    w1_value,
)

GOOD = "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n"
BELOW = "90 fe 4b 46 7f ff 0c 10 44 : crc=44 YES\n90 fe 4b 46 7f ff 0c 10 44 t=-23000\n"


@pytest.mark.parametrize(("text", "milli"), [(GOOD, 23125), (BELOW, -23000)])
def test_a_w1_slave_file_gives_millidegrees(text: str, milli: float) -> None:
    assert w1_slave(text, "w1_slave") == milli


def test_a_wrong_check_sum_is_no_reading() -> None:
    with pytest.raises(ProtocolError, match="check sum"):
        w1_slave(GOOD.replace("YES", "NO"), "w1_slave")


@pytest.mark.parametrize("text", ["", "garbage", "crc=57 YES\n t=", "t=23125"])
def test_what_is_no_answer_is_no_reading(text: str) -> None:
    with pytest.raises(ProtocolError, match="no answer of a 1-Wire"):
        w1_slave(text, "w1_slave")


@pytest.mark.parametrize(
    ("milli", "last", "value"),
    [
        (85_000, None, None),
        (85_000, -18.0, None),
        (85_000, 84.0, 85.0),
        (84_937, -18.0, 84.937),
        (-127_000, -18.0, None),
        (127_937, -18.0, None),
        (-18_062, None, -18.062),
        (0, None, 0.0),
    ],
)
def test_eighty_five_degrees_is_believed_only_when_it_was_nearly_as_hot_before(
    milli: float, last: float | None, value: float | None
) -> None:
    assert w1_value(milli, last) == value


@pytest.mark.parametrize("raw", [-32768, 32767, 32768, 65535])
def test_raw_counts_that_mean_invalid_are_no_value(raw: float) -> None:
    assert raw_value(raw, 0.0, 1.0, QUANTITIES["temp"]) is None


def test_a_raw_count_is_offset_and_scaled() -> None:
    assert raw_value(2131, -31, 10.0, QUANTITIES["temp"]) == 21.0


@pytest.mark.parametrize(
    ("channel", "kind"), [("temp1", "temp"), ("humidityrelative", "humidityrelative"), ("voltage10", "voltage")]
)
def test_a_channels_kind_is_its_name_without_the_number(channel: str, kind: str) -> None:
    assert channel_kind(channel) == kind


def test_text_that_is_no_number_is_named() -> None:
    with pytest.raises(ProtocolError, match="temp1_input holds 'abc'"):
        number("abc\n", "temp1_input")


def test_every_quantity_has_a_known_unit_and_a_range() -> None:
    for quantity in QUANTITIES.values():
        assert quantity.unit in UNITS
        assert quantity.low < quantity.high
