"""What the kernel's numbers mean, and which of them mean "no sensor": pure.

Sources: Linux Documentation/hwmon/sysfs-interface.rst (millidegrees, millipercent, mV, mA, microwatts),
Documentation/ABI/testing/sysfs-bus-iio (after scale: millidegrees, millipercent, kPa, mV, mA, lux),
Documentation/w1/slaves/w1_therm.rst, and the DS18B20 data sheet (85 degrees before the first conversion).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from frostline_core.errors import ProtocolError
from frostline_core.reading import DataType, MetricDescription


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a channel measures: `value = number / per_unit` in `unit`, plausible between `low` and `high`."""

    unit: str
    per_unit: float
    low: float
    high: float
    deadband: float


_TEMPERATURE = Quantity("Cel", 1000.0, -80.0, 150.0, 0.1)
_HUMIDITY = Quantity("%", 1000.0, 0.0, 100.0, 0.5)

QUANTITIES = {
    "temp": _TEMPERATURE,
    "humidity": _HUMIDITY,
    "humidityrelative": _HUMIDITY,
    "pressure": Quantity("kPa", 1.0, 1.0, 120.0, 0.05),
    "illuminance": Quantity("lx", 1.0, 0.0, 200_000.0, 5.0),
    "in": Quantity("V", 1000.0, -100.0, 100.0, 0.01),
    "voltage": Quantity("V", 1000.0, -100.0, 100.0, 0.01),
    "curr": Quantity("A", 1000.0, -100.0, 100.0, 0.01),
    "current": Quantity("A", 1000.0, -100.0, 100.0, 0.01),
    "power": Quantity("W", 1e6, -1e5, 1e5, 0.1),
}
# DS18B20 data sheet: operating range.
W1 = Quantity("Cel", 1000.0, -55.0, 125.0, 0.1)

_POWER_ON = 85_000
_HOT = 80.0
_DISCONNECTED = (-127_000, 127_937)
_INVALID_RAW = (-32_768, 32_767, 32_768, 65_535)
_SLAVE = re.compile(r"crc=[0-9a-f]{2} (YES|NO)\s.*t=(-?\d+)", re.DOTALL)


def channel_kind(channel: str) -> str:
    """`temp` for `temp1`, `humidityrelative` for `humidityrelative`, `voltage` for `voltage0`."""
    return channel.rstrip("0123456789")


def describe(metric: str, quantity: Quantity) -> MetricDescription:
    """The metric that a channel becomes."""
    return MetricDescription(metric, DataType.DOUBLE, quantity.unit, quantity.low, quantity.high)


def number(text: str, where: str) -> float:
    """The number in a sysfs file.

    Raises:
        ProtocolError: It holds none.
    """
    try:
        return float(text)
    except ValueError:
        raise ProtocolError(f"{where} holds {text.strip()[:40]!r}, which is no number") from None


def w1_slave(text: str, where: str) -> float:
    """Millidegrees from the two lines of a `w1_slave` file.

    Raises:
        ProtocolError: The check sum is wrong, or the text is no answer of a thermometer.
    """
    found = _SLAVE.search(text)
    if found is None:
        raise ProtocolError(f"{where} is no answer of a 1-Wire thermometer: {text.strip()[:40]!r}")
    if found[1] != "YES":
        raise ProtocolError(f"{where}: wrong check sum; look at the wiring and the pull-up resistor")
    return float(found[2])


def w1_value(milli: float, last: float | None) -> float | None:
    """Degrees, or None where the number means that there was no measurement.

    85 degrees is what the sensor holds between power-on and its first conversion; it is believed only when the last
    value was nearly as hot. -127 and 127.937 are what drivers give for a sensor that is gone.
    """
    if milli in _DISCONNECTED or (milli == _POWER_ON and (last is None or last < _HOT)):
        return None
    return milli / W1.per_unit


def raw_value(raw: float, offset: float, scale: float, quantity: Quantity) -> float | None:
    """An IIO channel from its raw count; None where the count means "invalid"."""
    if raw in _INVALID_RAW:
        return None
    return (raw + offset) * scale / quantity.per_unit
