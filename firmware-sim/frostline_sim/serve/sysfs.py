"""Sensors as the Linux kernel shows them: a directory tree that looks like /sys, renewed at a period.

Formats: w1_therm and hwmon in the kernel's documentation (Documentation/w1/slaves/w1_therm.rst,
Documentation/hwmon/sysfs-interface.rst), IIO in Documentation/ABI/testing/sysfs-bus-iio. A file changes in one step:
whoever reads sees the old text or the new one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from frostline_core.reading import Value
from frostline_sim.config import SysfsConfig, SysfsSensorConfig
from frostline_sim.serve.truth import Truth, write_whole
from frostline_sim.world.world import Point, World

_DS18B20_STEP_C = 0.0625
_DS18B20_POWER_ON_C = 85.0
"""What a DS18B20 holds before its first conversion (Maxim DS18B20 data sheet, table 1)."""
_IIO_SCALE = 10.0
"""Milli-units a raw count: in_temp_raw 2131 x 10 = 21.31 degrees Celsius."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One sensor and where its files are.

    Attributes:
        folder: The device's directory; for a contact, where its file is.
        points: What it measures, by the metric's name on the edge.
    """

    config: SysfsSensorConfig
    folder: Path
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """What one sensor shows: its values by metric, all None when it is unplugged."""

    slot: Slot
    values: Mapping[str, Value]

    @property
    def unplugged(self) -> bool:
        """Whether there is nothing to show."""
        return all(value is None for value in self.values.values())


class SysfsTree:
    """The tree: `look` asks the world, `write` writes files and knows nothing of the world."""

    def __init__(self, config: SysfsConfig, root: Path, world: World, truth: Truth) -> None:
        self.config = config
        self.root = root
        self._world = world
        self._truth = truth
        self._slots = [_slot(sensor, root, number) for number, sensor in enumerate(config.sensor)]

    def look(self) -> Sequence[Shown]:
        """What every sensor shows now; counted as given out."""
        return [self._shown(slot) for slot in self._slots]

    def write(self, shown: Sequence[Shown]) -> None:
        """Writes every sensor's files; an unplugged one loses them. May run in a thread.

        Raises:
            OSError: The tree cannot be written.
        """
        for each in shown:
            if each.slot.config.kind == "contact":
                _write_contact(each)
            elif each.unplugged:
                shutil.rmtree(each.slot.folder, ignore_errors=True)
            else:
                each.slot.folder.mkdir(parents=True, exist_ok=True)
                for name, text in _files(each):
                    write_whole(each.slot.folder / name, text)

    def _shown(self, slot: Slot) -> Shown:
        values = {point.metric: self._world.sense(point) for point in slot.points}
        if slot.config.kind == "w1":
            values["temperature"] = self._ds18b20(slot.config.name, values["temperature"])
        for metric, value in values.items():
            if value is not None:
                self._truth.gave(slot.config.name, metric, value)
        return Shown(slot, values)

    def _ds18b20(self, name: str, value: Value) -> Value:
        """The value in steps of the sensor; pulled out and put back without a conversion, it says 85."""
        if value is None:
            fault = self._world.timeline.hits("sensor_unplugged", name, self._world.now_s)
            return _DS18B20_POWER_ON_C if fault is not None and fault.how == "sentinel" else None
        return round(float(value) / _DS18B20_STEP_C) * _DS18B20_STEP_C


def w1_text(count: int) -> str:
    """The text of `w1_slave` for a DS18B20 with 12 bits, `count` in sixteenths of a degree Celsius.

    Nine bytes of scratchpad: temperature, the alarm limits, the configuration, three reserved bytes and their CRC
    (Maxim DS18B20 data sheet, figure 9).
    """
    pad = bytes([*(count & 0xFFFF).to_bytes(2, "little"), 0x4B, 0x46, 0x7F, 0xFF, 0x0C, 0x10])
    crc = crc8(pad)
    shown = " ".join(f"{byte:02x}" for byte in (*pad, crc))
    return f"{shown} : crc={crc:02x} YES\n{shown} t={_milli(count * _DS18B20_STEP_C)}\n"


def crc8(data: bytes) -> int:
    """The CRC of 1-Wire: x^8 + x^5 + x^4 + 1, low bit first, from 0 (Maxim application note 27)."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0x8C if crc & 1 else crc >> 1
    return crc


def _slot(sensor: SysfsSensorConfig, root: Path, number: int) -> Slot:
    folder = {
        "w1": root / "bus/w1/devices" / sensor.name,
        "hwmon": root / f"class/hwmon/hwmon{number}",
        "iio": root / f"bus/iio/devices/iio:device{number}",
        "contact": root / "contact",
    }[sensor.kind]
    metrics = {"contact": ("door_open",), "w1": ("temperature",)}.get(sensor.kind, ("temperature", "humidity"))
    return Slot(sensor, folder, tuple(Point(sensor.name, metric, sensor.device) for metric in metrics))


def _files(shown: Shown) -> Iterator[tuple[str, str]]:
    """The files of a plugged sensor: name and text."""
    sensor, temperature = shown.slot.config, shown.values["temperature"]
    if sensor.kind == "w1":
        yield "w1_slave", w1_text(round(float(temperature or 0.0) / _DS18B20_STEP_C))
        yield "temperature", f"{_milli(temperature)}\n"
        return
    yield "name", f"{sensor.name}\n"
    if sensor.kind == "hwmon":
        yield "temp1_label", f"{sensor.name}\n"
        yield "temp1_input", f"{_milli(temperature)}\n"
        yield "humidity1_input", f"{_milli(shown.values['humidity'])}\n"
        return
    yield "in_temp_raw", f"{round(_milli(temperature) / _IIO_SCALE)}\n"
    yield "in_temp_scale", f"{_IIO_SCALE:.6f}\n"
    yield "in_temp_offset", "0\n"
    yield "in_humidityrelative_input", f"{_milli(shown.values['humidity'])}\n"


def _write_contact(shown: Shown) -> None:
    """1: the contact is open, as the door is."""
    slot = shown.slot
    slot.folder.mkdir(parents=True, exist_ok=True)
    file = slot.folder / slot.config.name
    if shown.unplugged:
        file.unlink(missing_ok=True)
    else:
        write_whole(file, f"{int(bool(shown.values['door_open']))}\n")


def _milli(value: Value) -> int:
    return round(float(value or 0.0) * 1000)
