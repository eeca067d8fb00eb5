"""A wrong Modbus config is refused with the key and the remedy."""

from __future__ import annotations

from typing import Any

import pytest

from frostline_core.config import parse
from frostline_core.errors import ConfigError
from frostline_edge.drivers.modbus.config import Config

UNIT = {"name": "room-1", "unit": 1, "profile": "danfoss_ekc202b"}
BUS: dict[str, Any] = {"type": "modbus", "name": "bus", "host": "192.0.2.10", "unit": [UNIT]}
LINE: dict[str, Any] = {"type": "modbus", "name": "bus", "transport": "rtu", "device": "/dev/ttyUSB0", "unit": [UNIT]}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (BUS | {"host": ""}, 'transport "tcp" needs host'),
        (BUS | {"transport": "rtu"}, 'transport "rtu" needs device'),
        (LINE | {"host": "x"}, "a serial line has device"),
        (BUS | {"device": "/dev/ttyUSB0"}, "a TCP connection has host and port"),
        (BUS | {"transport": "udp"}, "transport"),
        (BUS | {"timeout_s": 2.0, "quiet_s": 1.0}, "quiet_s must be 0 or at least timeout_s"),
        (BUS | {"unit": [UNIT, UNIT]}, "unit names must be unique; twice: room-1"),
        (BUS | {"unit": []}, "unit"),
        (BUS | {"unit": [UNIT | {"profile": "danfoss_ekc202"}]}, r"unit\.0\.profile.*did you mean 'danfoss_ekc202b'"),
        (BUS | {"unit": [UNIT | {"profile": "/nowhere.toml"}]}, "No such file"),
        (BUS | {"unit": [UNIT | {"name": "room/1"}]}, r"unit\.0\.name"),
        (BUS | {"unit": [UNIT | {"perod_s": 1}]}, "did you mean 'period_s'"),
        (BUS | {"hots": "x"}, "did you mean 'host'"),
        (LINE | {"unit": [UNIT | {"unit": 0}]}, "unit 0 of 'room-1': on a serial line units are 1 to 247"),
    ],
)
def test_what_is_wrong_is_named(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(table, Config, "gateway.toml")


def test_a_serial_line_has_modbus_defaults() -> None:
    config = parse(LINE, Config, "gateway.toml")
    assert (config.baud, config.parity, config.stop_bits) == (9600, "E", 1)
