"""A wrong sensors config is refused with the key and the remedy."""

from __future__ import annotations

from typing import Any

import pytest

from frostline_core.config import parse
from frostline_core.errors import ConfigError
from frostline_edge.drivers.sensors.config import Config

PROBE = {"name": "probe", "id": "28-0316a2795bff"}
DOOR = {"name": "door", "path": "/tmp/door"}  # noqa: S108 - never opened
CHIP = {"name": "chip", "chip": "sht3x", "inputs": {"temperature": "temp1"}}


@pytest.mark.parametrize(
    ("sensors", "message"),
    [
        ({}, r"no sensor: add \[\[driver.w1\]\]"),
        ({"w1": [PROBE, PROBE]}, "sensor names must be unique; twice: probe"),
        ({"w1": [PROBE | {"id": "0316a2795bff"}]}, r"w1\.0\.id"),
        ({"w1": [PROBE], "door": [DOOR | {"name": "probe"}]}, "twice: probe"),
        ({"door": [{"name": "door"}]}, "chip and line, or path"),
        ({"door": [DOOR | {"chip": "/dev/gpiochip0", "line": 1}]}, "one of the two"),
        ({"door": [{"name": "door", "chip": "/dev/gpiochip0"}]}, "needs line"),
        ({"hwmon": [CHIP | {"inputs": {"t": "tmp1"}}]}, r"unknown channel 'tmp1' \(did you mean 'temp'"),
        ({"hwmon": [CHIP | {"inputs": {}}]}, r"hwmon\.0\.inputs"),
        ({"iio": [CHIP | {"inputs": {"Temp": "temp"}}]}, r"iio\.0\.inputs"),
        ({"w1": [PROBE], "perid_s": 3}, "did you mean 'period_s'"),
    ],
)
def test_what_is_wrong_is_named(sensors: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse({"type": "sensors", "name": "onboard"} | sensors, Config, "gateway.toml")
