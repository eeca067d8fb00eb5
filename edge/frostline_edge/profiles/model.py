"""Device profiles: what a Modbus device has at which address, as a data file per device model."""

from __future__ import annotations

import tomllib
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from frostline_core.config import ConfigModel, nearest, parse, text
from frostline_core.errors import ConfigError
from frostline_core.units import UNITS


class Table(StrEnum):
    """The four tables of the Modbus data model (Modbus Application Protocol V1.1b3, section 4.3)."""

    COIL = "coil"
    DISCRETE = "discrete"
    INPUT = "input"
    HOLDING = "holding"


PointType = Literal["bit", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "string"]
ByteOrder = Literal["ABCD", "CDAB", "BADC", "DCBA"]
"""Bytes of a 32-bit value on the wire: ABCD big endian, CDAB words swapped, BADC bytes swapped, DCBA both.

`frostline_edge.profiles.registers` says what they mean for 16 and 64 bits and for text.
"""


class Point(ConfigModel):
    """One metric of a device: `value = raw * scale + offset`."""

    name: str = Field(description="Metric name: lower case, words joined by _.", pattern=r"^[a-z][a-z0-9_]*$")
    table: Table = Field(description="coil, discrete, input or holding.")
    address: int = Field(description="0-based protocol address (not 40001-style).", ge=0, le=65535)
    type: PointType = Field(description="How the registers are to be read.")
    order: ByteOrder = Field(default="ABCD", description="Byte and word order: ABCD, CDAB, BADC or DCBA.")
    bit: int | None = Field(
        default=None, description="For type bit in a register: which bit, 0 the lowest.", ge=0, le=15
    )
    length: int = Field(default=0, description="For type string: registers.", ge=0, le=120)
    scale: float = Field(default=1.0, description="Multiplies the raw number.")
    offset: float = Field(default=0.0, description="Added after scaling.")
    unit: str = Field(default="", description="UCUM code.")
    valid: tuple[float, float] | None = Field(
        default=None, description="What the sensor can really measure; outside is bad."
    )
    sentinels: tuple[int, ...] = Field(default=(), description="Raw numbers that mean 'sensor fault', such as 32767.")
    writable: bool = Field(default=False, description="Whether a person may write it.")
    write_range: tuple[float, float] | None = Field(default=None, description="Required where writable and a number.")
    deadband: float = Field(default=0.0, description="Smallest change worth a sample, in the unit.", ge=0)
    min_interval_s: float = Field(default=0.0, description="Never more often than this.", ge=0)
    max_interval_s: float = Field(default=300.0, description="At least this often, changed or not.", gt=0)
    event: bool = Field(default=False, description="A change is an event: never thinned, sent in the events lane.")

    @model_validator(mode="after")
    def _fits(self) -> Point:
        if self.scale == 0:
            raise ValueError("scale 0 would lose every value")
        if self.unit not in UNITS:
            raise ValueError(f"unknown unit '{self.unit}'{nearest(self.unit, list(UNITS))}")
        if self.writable and self.table in (Table.INPUT, Table.DISCRETE):
            raise ValueError("input registers and discrete inputs cannot be written")
        if self.writable and self.type not in ("bit", "string") and self.write_range is None:
            raise ValueError("a writable number needs write_range")
        if self.table in (Table.COIL, Table.DISCRETE) and self.type != "bit":
            raise ValueError("coils and discrete inputs are of type bit")
        if self.type == "bit" and self.table in (Table.INPUT, Table.HOLDING) and self.bit is None:
            raise ValueError("type bit in a register needs bit = 0..15")
        if self.type == "string" and not self.length:
            raise ValueError("type string needs length (registers)")
        return self


class Profile(ConfigModel):
    """One device model."""

    id: str = Field(description="The file's name without .toml.")
    kind: str = Field(description="Device kind: the measurement in the store.", pattern=r"^[a-z][a-z0-9_]*$")
    title: str = Field(description="Maker and model.")
    source: str = Field(description="The document that the register map comes from: title, revision, page.")
    max_registers: int = Field(default=125, description="Most registers that one request may ask for.", ge=1, le=125)
    max_gap: int = Field(default=16, description="Unused registers that a merged request may span.", ge=0, le=124)
    points: tuple[Point, ...] = Field(description="What it has.", min_length=1)

    @model_validator(mode="after")
    def _unique(self) -> Profile:
        seen = [point.name for point in self.points]
        twice = {name for name in seen if seen.count(name) > 1}
        if twice:
            raise ValueError(f"point names must be unique; twice: {', '.join(sorted(twice))}")
        return self


def names() -> list[str]:
    """The profiles that come with Frostline."""
    folder = files("frostline_edge.profiles") / "modbus"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load(name: str) -> Profile:
    """A profile by its id, or by the path of a file of one's own (ends in .toml).

    Raises:
        ConfigError: There is none, or its file is wrong.
    """
    if name.endswith(".toml"):
        content, source = text(Path(name)), name
    else:
        entry = files("frostline_edge.profiles") / "modbus" / f"{name}.toml"
        if not entry.is_file():
            raise ConfigError(f"unknown profile '{name}'{nearest(name, names())}; known: {', '.join(names())}")
        content, source = entry.read_text(encoding="utf-8"), f"profile {name}"
    try:
        table = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: is not valid TOML: {error}") from error
    return parse(table, Profile, source)
