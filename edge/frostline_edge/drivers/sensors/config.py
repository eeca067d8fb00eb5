"""Config of the sensors driver: what hangs on this gateway itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from frostline_core.config import ConfigModel, nearest
from frostline_edge.driver import DriverConfig
from frostline_edge.drivers.sensors.quantity import QUANTITIES, channel_kind

Metric = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]


class SensorConfig(ConfigModel):
    """What every sensor has."""

    name: str = Field(
        description="The device's id, unique in the gateway: letters, digits, _ . -",
        pattern=r"^[A-Za-z0-9_.-]+$",
        max_length=64,
    )
    zone: str = Field(default="", description="Where it is, for example freezer-1.", max_length=64)
    labels: Mapping[str, str] = Field(default={}, description="Anything else that rules and people select by.")


class W1Config(SensorConfig):
    """A DS18B20, or another 1-Wire thermometer."""

    id: str = Field(description="Its 1-Wire id, as in /sys/bus/w1/devices.", pattern=r"^[0-9a-f]{2}-[0-9a-f]{12}$")
    kind: str = Field(default="ambient", description="Device kind: the measurement.", pattern=r"^[a-z][a-z0-9_]*$")
    metric: Metric = Field(default="temperature", description="The metric's name, for example air_temperature.")


class ChipConfig(SensorConfig):
    """A chip with one or more channels."""

    chip: str = Field(description="The chip's name, as in its file name, for example sht3x or bme280.", min_length=1)
    at: str = Field(
        default="", description="Which, if there are several: part of its device's path, for example 1-0044."
    )
    kind: str = Field(default="ambient", description="Device kind: the measurement.", pattern=r"^[a-z][a-z0-9_]*$")
    inputs: Mapping[Metric, str] = Field(
        description="Metric = channel, for example { temperature = 'temp1', humidity = 'humidity1' }.", min_length=1
    )

    @model_validator(mode="after")
    def _known(self) -> ChipConfig:
        for metric, channel in self.inputs.items():
            kind = channel_kind(channel)
            if kind not in QUANTITIES:
                near = nearest(kind, list(QUANTITIES))
                raise ValueError(f"inputs.{metric}: unknown channel '{channel}'{near}; known: {', '.join(QUANTITIES)}")
        return self


class DoorConfig(SensorConfig):
    """A door contact on a GPIO line, or a file that holds 0 or 1."""

    chip: str = Field(default="", description="GPIO chip, for example /dev/gpiochip0.")
    line: int = Field(default=-1, description="Line of the chip, as gpioinfo shows it.", ge=-1, le=1023)
    pull: Literal["up", "down", "none"] = Field(default="up", description="The line's bias resistor.")
    path: str = Field(default="", description="In place of chip and line: a file with 0 or 1.")
    open_when: Literal[0, 1] = Field(default=1, description="The level that means open.")
    debounce_s: float = Field(default=0.2, description="A level counts when it has held so long.", ge=0.01, le=10)

    @model_validator(mode="after")
    def _one_way(self) -> DoorConfig:
        if bool(self.path) == bool(self.chip):
            raise ValueError("a door needs chip and line, or path: one of the two")
        if self.chip and self.line < 0:
            raise ValueError("a door on a chip needs line")
        return self


class Config(DriverConfig):
    """The sensors on this gateway."""

    type: Literal["sensors"] = Field(description="sensors")
    root: str = Field(default="/sys", description="Where the kernel's tree is; another one for simulated sensors.")
    period_s: float = Field(default=10.0, description="How often each sensor is read.", ge=0.1, le=3600)
    timeout_s: float = Field(
        default=5.0, description="Longest wait for one sensor; a 1-Wire conversion takes 0.75 s.", gt=0, le=60
    )
    w1: tuple[W1Config, ...] = Field(default=(), description="1-Wire thermometers.", max_length=256)
    hwmon: tuple[ChipConfig, ...] = Field(default=(), description="Chips under /sys/class/hwmon.", max_length=64)
    iio: tuple[ChipConfig, ...] = Field(default=(), description="Chips under /sys/bus/iio/devices.", max_length=64)
    door: tuple[DoorConfig, ...] = Field(default=(), description="Door contacts.", max_length=64)

    @model_validator(mode="after")
    def _fits(self) -> Config:
        names = [sensor.name for sensor in (*self.w1, *self.hwmon, *self.iio, *self.door)]
        if not names:
            raise ValueError("no sensor: add [[driver.w1]], [[driver.hwmon]], [[driver.iio]] or [[driver.door]]")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"sensor names must be unique; twice: {', '.join(twice)}")
        return self
