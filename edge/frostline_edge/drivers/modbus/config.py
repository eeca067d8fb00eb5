"""Config of the Modbus driver: one bus and the devices on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, field_validator, model_validator

from frostline_core.config import ConfigModel
from frostline_core.errors import ConfigError
from frostline_edge.driver import DriverConfig
from frostline_edge.profiles import model

Transport = Literal["tcp", "rtu", "rtu-tcp"]


class UnitConfig(ConfigModel):
    """One device on the bus."""

    name: str = Field(
        description="The device's id, unique in the gateway: letters, digits, _ . -",
        pattern=r"^[A-Za-z0-9_.-]+$",
        max_length=64,
    )
    unit: int = Field(description="Its Modbus unit id (slave address): 1 to 247; over TCP also 0 or 255.", ge=0, le=255)
    profile: str = Field(description="What it is: a profile's id, or the path of a profile file that ends in .toml.")
    period_s: float = Field(default=10.0, description="How often it is read.", ge=0.1, le=86_400)
    zone: str = Field(default="", description="Where it stands, for example freezer-1.", max_length=64)
    labels: Mapping[str, str] = Field(default={}, description="Anything else that rules and people select by.")

    @field_validator("profile")
    @classmethod
    def _exists(cls, name: str) -> str:
        try:
            model.load(name)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return name


class Config(DriverConfig):
    """One bus: a Modbus TCP server, a serial line, or a serial device server that passes RTU frames through TCP."""

    type: Literal["modbus"] = Field(description="modbus")
    transport: Transport = Field(
        default="tcp", description="tcp (Modbus TCP), rtu (serial line), or rtu-tcp (RTU frames through TCP)."
    )
    host: str = Field(default="", description="For tcp and rtu-tcp: address or name of the server.")
    port: int = Field(default=502, description="For tcp and rtu-tcp: TCP port.", ge=1, le=65535)
    device: str = Field(default="", description="For rtu: the serial port, best by its name in /dev/serial/by-id.")
    baud: int = Field(default=9600, description="For rtu: bits per second.", ge=300, le=1_000_000)
    parity: Literal["N", "E", "O"] = Field(default="E", description="For rtu: none, even (Modbus's default) or odd.")
    stop_bits: Literal[1, 2] = Field(default=1, description="For rtu: stop bits; 2 where parity is N, says Modbus.")
    timeout_s: float = Field(
        default=1.0, description="Longest wait for an answer; longer than the slowest device needs.", gt=0, le=30
    )
    quiet_s: float = Field(
        default=0.0,
        description="For rtu and rtu-tcp: silence on the bus after a time-out, so that a late answer passes. "
        "0: as long as timeout_s; less than timeout_s is refused.",
        ge=0,
        le=60,
    )
    pause_s: float = Field(default=0.0, description="Pause before each request, for devices that need one.", ge=0, le=5)
    unit: tuple[UnitConfig, ...] = Field(description="The devices on this bus.", min_length=1, max_length=247)

    @model_validator(mode="after")
    def _fits(self) -> Config:
        if self.transport == "rtu":
            if not self.device:
                raise ValueError('transport "rtu" needs device, for example "/dev/ttyUSB0"')
            if self.host:
                raise ValueError('host belongs to transport "tcp" or "rtu-tcp"; a serial line has device')
        else:
            if not self.host:
                raise ValueError(f'transport "{self.transport}" needs host')
            if self.device:
                raise ValueError('device belongs to transport "rtu"; a TCP connection has host and port')
        if 0 < self.quiet_s < self.timeout_s:
            raise ValueError(f"quiet_s must be 0 or at least timeout_s ({self.timeout_s}); late answers need that long")
        outside = next((unit for unit in self.unit if not 1 <= unit.unit <= 247), None)
        if self.transport != "tcp" and outside is not None:
            raise ValueError(f"unit {outside.unit} of '{outside.name}': on a serial line units are 1 to 247")
        names = [unit.name for unit in self.unit]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"unit names must be unique; twice: {', '.join(twice)}")
        return self
