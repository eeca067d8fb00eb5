"""Units of measurement by their UCUM code, and linear conversion between units of one dimension.

Source: The Unified Code for Units of Measure, https://ucum.org/ucum (case-sensitive codes). Only what warehouses and
refrigeration use is listed; an unknown code is a ConfigError, so that a typing error never reaches a chart.
"""

from __future__ import annotations

from dataclasses import dataclass

from frostline_core.config import nearest
from frostline_core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: `base = value * factor + offset` in the base unit of its dimension.

    Attributes:
        code: UCUM, case-sensitive.
        symbol: What people read on a chart.
        dimension: Units convert only within one.
    """

    code: str
    symbol: str
    dimension: str
    factor: float = 1.0
    offset: float = 0.0


_ALL = (
    Unit("", "", "none"),
    Unit("1", "", "number"),
    Unit("%", "%", "number", 0.01),
    Unit("[ppm]", "ppm", "number", 1e-6),
    Unit("{count}", "", "count"),
    Unit("Cel", "°C", "temperature"),
    Unit("[degF]", "°F", "temperature", 5 / 9, -160 / 9),
    Unit("K", "K", "temperature", 1.0, -273.15),
    Unit("K{delta}", "K", "temperature difference"),
    Unit("s", "s", "time"),
    Unit("ms", "ms", "time", 0.001),
    Unit("min", "min", "time", 60.0),
    Unit("h", "h", "time", 3600.0),
    Unit("Pa", "Pa", "pressure"),
    Unit("kPa", "kPa", "pressure", 1e3),
    Unit("bar", "bar", "pressure", 1e5),
    Unit("[psi]", "psi", "pressure", 6894.757293168),
    Unit("V", "V", "voltage"),
    Unit("mV", "mV", "voltage", 0.001),
    Unit("A", "A", "current"),
    Unit("mA", "mA", "current", 0.001),
    Unit("W", "W", "power"),
    Unit("kW", "kW", "power", 1e3),
    Unit("V.A", "VA", "apparent power"),
    Unit("kV.A", "kVA", "apparent power", 1e3),
    Unit("var", "var", "reactive power"),
    Unit("kvar", "kvar", "reactive power", 1e3),
    Unit("W.h", "Wh", "energy"),
    Unit("kW.h", "kWh", "energy", 1e3),
    Unit("kvar.h", "kvarh", "reactive energy"),
    Unit("kV.A.h", "kVAh", "apparent energy"),
    Unit("Hz", "Hz", "frequency"),
    Unit("/min", "1/min", "rate", 1 / 60),
    Unit("/h", "1/h", "rate", 1 / 3600),
    Unit("/s", "1/s", "rate"),
    Unit("dB[mW]", "dBm", "power level"),
    Unit("deg", "°", "angle"),
    Unit("m", "m", "length"),
    Unit("km", "km", "length", 1e3),
    Unit("m/s", "m/s", "speed"),
    Unit("km/h", "km/h", "speed", 1 / 3.6),
    Unit("lx", "lx", "illuminance"),
    Unit("kg", "kg", "mass"),
    Unit("g", "g", "mass", 0.001),
    Unit("L", "l", "volume"),
    Unit("L/min", "l/min", "volume flow"),
    Unit("By", "B", "information"),
)
UNITS = {unit.code: unit for unit in _ALL}


def unit(code: str) -> Unit:
    """The unit with that UCUM code.

    Raises:
        ConfigError: Nobody here knows it; the message offers the nearest code.
    """
    found = UNITS.get(code)
    if found is None:
        raise ConfigError(
            f"unknown unit '{code}'{nearest(code, list(UNITS))}; units are UCUM codes such as Cel, %, kW.h"
        )
    return found


def convert(value: float, source: str, target: str) -> float:
    """A value in another unit of the same dimension.

    Raises:
        ConfigError: A code is unknown, or the dimensions differ.
    """
    if source == target:
        return value
    a, b = unit(source), unit(target)
    if a.dimension != b.dimension:
        raise ConfigError(f"cannot convert {source} ({a.dimension}) to {target} ({b.dimension})")
    return (value * a.factor + a.offset - b.offset) / b.factor
