"""What a world file may say: the places, their equipment, how they are served, and what goes wrong when."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from frostline_core.config import ConfigModel
from frostline_core.epc import check_digit

_MINUTE, _HOUR = 60.0, 3600.0
_PARTS = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
OUTSIDE = "outside"
"""The zone of a flow that is no zone: goods that come from a supplier or leave for good."""


def _seconds(value: Any) -> Any:
    """`"1h30m"`, `"90s"` or a number of seconds; anything else goes on to pydantic, which refuses it."""
    if not isinstance(value, str):
        return value
    match = _PARTS.fullmatch(value)
    if match is None or not value:
        raise ValueError("a duration is written like 90s, 15m or 1h30m")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def _clock(value: Any) -> Any:
    """`"06:30"` as seconds since midnight."""
    if not isinstance(value, str):
        return value
    match = _CLOCK.fullmatch(value)
    if match is None:
        raise ValueError("a time of day is written like 06:30")
    return int(match[1]) * 3600.0 + int(match[2]) * 60.0


Duration = Annotated[float, BeforeValidator(_seconds), Field(ge=0)]
"""World seconds; a string such as `15m` in the file."""
TimeOfDay = Annotated[float, BeforeValidator(_clock), Field(ge=0, lt=86400)]
"""Seconds since midnight; a string such as `06:30` in the file."""
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=64)]
Port = Annotated[int, Field(ge=0, le=65535)]


class Named(ConfigModel):
    """Whatever has a name; no two things of a world share one."""

    name: Name = Field(description="Unique in the world.")


class AmbientConfig(ConfigModel):
    """The weather around the building: a daily curve."""

    mean_c: float = Field(default=18.0, description="Mean temperature of the day, in degrees Celsius.")
    swing_k: float = Field(default=6.0, description="How far the curve goes up and down from the mean.", ge=0)
    warmest_at: TimeOfDay = Field(default=15 * _HOUR, description="When the day is warmest.")
    humidity: float = Field(default=60.0, description="Relative humidity at the mean temperature, %.", ge=5, le=100)


class ColdRoomConfig(Named):
    """A cold room or freezer: walls, goods, one evaporator and doors."""

    name: Name = Field(description="Device id.")
    setpoint_c: float = Field(description="Where the thermostat switches off, in degrees Celsius.", ge=-40, le=25)
    differential_k: float = Field(default=2.0, description="It switches on again this much above.", gt=0)
    volume_m3: float = Field(default=60.0, description="Inner volume.", gt=1)
    wall_w_per_m2k: float = Field(default=0.3, description="Heat loss of the walls.", gt=0)
    product_kg: float = Field(default=2000.0, description="Goods inside.", gt=0)
    product_kj_per_kgk: float = Field(default=2.0, description="Their heat capacity: frozen 2, chilled 3.5.", gt=0)
    cooling_kw: float = Field(default=6.0, description="Cooling at the setpoint with a clean coil.", gt=0)
    min_off: Duration = Field(default=3 * _MINUTE, description="Least time that the compressor rests.")
    defrost_every: Duration = Field(
        default=8 * _HOUR, description="Time from one defrost to the next; 0 never defrosts."
    )
    defrost_first: Duration = Field(default=2 * _HOUR, description="When the first defrost begins.")
    defrost_end_c: float = Field(default=8.0, description="Coil temperature that ends a defrost.", gt=0, le=20)
    defrost_most: Duration = Field(default=30 * _MINUTE, description="Longest defrost.")
    heater_kw: float = Field(default=4.0, description="Defrost heater.", gt=0)
    fan_kw: float = Field(default=0.3, description="Evaporator fans.", ge=0)
    door_openings_per_h: float = Field(default=6.0, description="In working hours; a tenth of it at night.", ge=0)
    door_open_for: Duration = Field(default=40.0, description="Mean time that the door stays open.")
    alarm_k: float = Field(default=8.0, description="The controller's own alarm: this much above the setpoint.", gt=0)
    alarm_delay: Duration = Field(default=30 * _MINUTE, description="... for this long.")


class RackConfig(Named):
    """A compressor rack that feeds several rooms."""

    name: Name = Field(description="Device id.")
    rooms: tuple[str, ...] = Field(description="The rooms that it feeds.", min_length=1)
    compressors: int = Field(default=3, description="How many compressors share the load.", ge=1, le=12)
    cop: float = Field(default=2.2, description="Cooling per electric power.", gt=0)


class MeterConfig(Named):
    """An energy meter: everything electric behind it."""

    name: Name = Field(description="Device id.")
    racks: tuple[str, ...] = Field(default=(), description="Racks, with the fans and heaters of their rooms.")
    base_kw: float = Field(default=1.5, description="Lights and everything else.", ge=0)


class ProductConfig(ConfigModel):
    """An article whose items carry RFID tags."""

    gtin: str = Field(description="GTIN-14 with its check digit.", pattern=r"^\d{14}$")
    prefix_digits: int = Field(default=7, description="Digits of the GS1 company prefix.", ge=6, le=12)

    @model_validator(mode="after")
    def _checked(self) -> ProductConfig:
        wanted = check_digit(self.gtin[:-1])
        if wanted != self.gtin[-1]:
            raise ValueError(f"GTIN {self.gtin} ends with check digit {self.gtin[-1]}, should be {wanted}")
        return self


class ZoneConfig(Named):
    """A place where tagged items lie."""

    name: Name = Field(description="Zone id.")
    items: dict[str, Annotated[int, Field(ge=0, le=5000)]] = Field(
        default_factory=dict, description="How many items of which GTIN-14 lie there at the start."
    )


class FlowConfig(ConfigModel):
    """Items that move from one zone to another, one at a time, at random moments of the working day."""

    source: str = Field(alias="from", description="Zone, or outside: a delivery.")
    to: str = Field(description="Zone, or outside: goods that leave.")
    per_h: float = Field(description="Items per working hour.", gt=0)


class UnitConfig(ConfigModel):
    """One Modbus unit."""

    unit: int = Field(description="Modbus unit id.", ge=1, le=247)
    device: str = Field(description="A cold room, rack or meter.")
    profile: str = Field(description="Profile id, or the path of a profile file.")


class BusConfig(Named):
    """One Modbus server: a TCP port or a serial line, with its units."""

    name: Name = Field(description="Names the server in faults and in the ready line.")
    transport: Literal["tcp", "rtu", "rtu-tcp"] = Field(default="tcp", description="tcp, rtu (a pty) or rtu-tcp.")
    listen: str = Field(default="127.0.0.1", description="Address to listen on (tcp and rtu-tcp).")
    port: Port = Field(default=0, description="0 takes a free port.")
    path: str = Field(default="", description="rtu: where the link to the pty is put.")
    unit: tuple[UnitConfig, ...] = Field(description="The units on it.", min_length=1)

    @model_validator(mode="after")
    def _complete(self) -> BusConfig:
        if (self.transport == "rtu") != bool(self.path):
            raise ValueError("transport rtu needs path, and only that takes one")
        ids = [unit.unit for unit in self.unit]
        if len(set(ids)) != len(ids):
            raise ValueError("unit ids must be unique on one bus")
        return self


class ReaderConfig(Named):
    """An LLRP reader: each antenna looks at one zone."""

    name: Name = Field(description="Device id.")
    listen: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: Port = Field(default=0, description="0 takes a free port; readers in the field use 5084.")
    antennas: dict[Annotated[str, Field(pattern=r"^\d{1,2}$")], str] = Field(
        description='Antenna number -> zone, for example { "1" = "dock" }.', min_length=1
    )
    reads_per_s: float = Field(default=100.0, description="Tag reads per wall-clock second.", gt=0, le=5000)


class SysfsSensorConfig(Named):
    """One sensor as the Linux kernel shows it."""

    name: Name = Field(description="Names the sensor in faults; for w1 its id, for example 28-0316a2795bff.")
    kind: Literal["w1", "hwmon", "iio", "contact"] = Field(description="Which kernel interface, or a door contact.")
    device: str = Field(description="What it measures: a cold room, or ambient.")

    @model_validator(mode="after")
    def _named(self) -> SysfsSensorConfig:
        if self.kind == "w1" and re.fullmatch(r"28-[0-9a-f]{12}", self.name) is None:
            raise ValueError("a w1 sensor's name is its id: 28- and 12 hex digits")
        return self


class SysfsConfig(ConfigModel):
    """A directory tree that looks like /sys."""

    root: str = Field(default="", description="Where to make it; empty takes a directory that is removed at the end.")
    period_s: float = Field(default=1.0, description="Wall-clock seconds between updates.", gt=0)
    sensor: tuple[SysfsSensorConfig, ...] = Field(description="What hangs on it.", min_length=1)


class MqttSensorConfig(Named):
    """One Zigbee sensor as Zigbee2MQTT publishes it."""

    name: Name = Field(description="Friendly name: the last part of the topic.")
    folder: str = Field(
        default="",
        description="Parts of the topic between prefix and name, such as doors.",
        pattern=r"^[A-Za-z0-9_./-]*$",
    )
    kind: Literal["climate", "contact"] = Field(description="climate (temperature, humidity) or contact (a door).")
    device: str = Field(description="What it measures: a cold room, or ambient.")

    @property
    def topic(self) -> str:
        """The topic below the prefix."""
        return f"{self.folder}/{self.name}" if self.folder else self.name


class MqttConfig(ConfigModel):
    """Sensors that publish JSON to a broker."""

    url: str = Field(default="", description="mqtt://host:port; empty starts a broker of its own.")
    prefix: str = Field(default="zigbee2mqtt", description="First part of every topic.", min_length=1)
    period_s: float = Field(default=10.0, description="Wall-clock seconds between messages of a sensor.", gt=0)
    sensor: tuple[MqttSensorConfig, ...] = Field(description="The sensors.", min_length=1)


class LinkConfig(Named):
    """A TCP link that the world can cut: listens, and passes everything on."""

    name: Name = Field(description="Names the link in faults and in the ready line.")
    listen: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: Port = Field(default=0, description="0 takes a free port.")
    to: str = Field(
        description="host:port of the other end; or mqtt: the broker of [mqtt].", pattern=r"^(mqtt|[^:]+:\d{1,5})$"
    )


FaultType = Literal[
    "door_open",
    "compressor_failure",
    "sensor_stuck",
    "sensor_unplugged",
    "reader_deaf",
    "device_silent",
    "link_down",
    "stock_removed",
]


class FaultConfig(ConfigModel):
    """Something that goes wrong at a set world time."""

    type: FaultType = Field(description="What goes wrong.")
    target: str = Field(description="Name of the room, rack, sensor, device/metric, reader, bus, link or zone.")
    at: Duration = Field(description="World time since the start.")
    lasts: Duration = Field(default=0.0, alias="for", description="How long; 0 or absent: for ever.")
    count: int = Field(default=1, description="stock_removed: how many items.", ge=1)
    how: Literal["gone", "sentinel"] = Field(
        default="gone", description="sensor_unplugged on w1: the device vanishes, or reads 85 degrees Celsius."
    )


class WorldConfig(ConfigModel):
    """A whole world."""

    seed: int = Field(default=1, description="Same seed, same world.")
    speed: float = Field(default=1.0, description="World seconds per wall-clock second.", gt=0, le=3600)
    start_at: TimeOfDay = Field(default=6 * _HOUR, description="Time of day at which the world begins.")
    tick: Duration = Field(default=2.0, description="Step of the physics.", ge=0.1, le=5.0)
    work_from: TimeOfDay = Field(default=6 * _HOUR, description="Begin of the working day: doors and stock.")
    work_to: TimeOfDay = Field(default=20 * _HOUR, description="End of the working day.")
    ambient: AmbientConfig = Field(default=AmbientConfig(), description="The weather.")
    cold_room: tuple[ColdRoomConfig, ...] = Field(default=(), description="Cold rooms and freezers.")
    rack: tuple[RackConfig, ...] = Field(default=(), description="Compressor racks.")
    meter: tuple[MeterConfig, ...] = Field(default=(), description="Energy meters.")
    product: tuple[ProductConfig, ...] = Field(default=(), description="Tagged articles.")
    zone: tuple[ZoneConfig, ...] = Field(default=(), description="Where tagged items lie.")
    flow: tuple[FlowConfig, ...] = Field(default=(), description="How they move.")
    modbus: tuple[BusConfig, ...] = Field(default=(), description="Modbus servers.")
    reader: tuple[ReaderConfig, ...] = Field(default=(), description="LLRP readers.")
    sysfs: SysfsConfig | None = Field(default=None, description="Sensors of the gateway's own kernel.")
    mqtt: MqttConfig | None = Field(default=None, description="JSON sensors.")
    link: tuple[LinkConfig, ...] = Field(default=(), description="TCP links that can be cut.")
    fault: tuple[FaultConfig, ...] = Field(default=(), description="The timeline of faults.")
