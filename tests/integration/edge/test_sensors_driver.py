"""The sensors driver on a tree of real files: reads, faults, hangs and doors."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from frostline_core.errors import ConfigError
from frostline_core.reading import Quality
from frostline_edge.drivers.sensors.config import Config
from frostline_edge.drivers.sensors.driver import Driver
from tests.integration.edge.recorder import Recorder, running
from tests.support.services import eventually_async

ID = "28-0316a2795bff"
SLAVE = "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t={}\n"


def sensors(root: Path, **keys: Any) -> Driver:
    table = {"type": "sensors", "name": "onboard", "root": str(root), "period_s": 0.1, "timeout_s": 10.0} | keys
    return Driver(Config.model_validate(table))


def put(path: Path, text: object) -> Path:
    """Writes a file in one step, as the kernel would show it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(f"{text}\n")
    fresh.replace(path)
    return path


def probe(root: Path, file: str = "temperature") -> Path:
    return root / "bus/w1/devices" / ID / file


W1 = {"name": "probe", "id": ID, "kind": "cold_room", "metric": "air_temperature", "zone": "freezer-1"}


async def test_a_thermometer_is_read_as_the_device_that_the_config_names(tmp_path: Path) -> None:
    put(probe(tmp_path), -18062)
    seen = Recorder()
    async with running(sensors(tmp_path, w1=[W1]), seen):
        await eventually_async(lambda: seen.scans)
    (born,) = seen.births
    metric = born.metric("air_temperature")
    assert metric is not None
    assert (born.id, born.kind, born.zone, metric.unit) == ("probe", "cold_room", "freezer-1", "Cel")
    assert seen.values("probe") == {"air_temperature": -18.062}


async def test_an_older_kernel_has_only_w1_slave(tmp_path: Path) -> None:
    put(probe(tmp_path, "w1_slave"), SLAVE.format(23125))
    seen = Recorder()
    async with running(sensors(tmp_path, w1=[W1]), seen):
        await eventually_async(lambda: seen.scans)
    assert seen.values("probe") == {"air_temperature": 23.125}


@pytest.mark.parametrize("text", ["85000", "-127000"])
async def test_a_number_that_means_no_measurement_is_bad_and_the_sensor_lives(tmp_path: Path, text: str) -> None:
    put(probe(tmp_path), -18000)
    seen = Recorder()
    async with running(sensors(tmp_path, w1=[W1]), seen):
        await eventually_async(lambda: seen.scans)
        put(probe(tmp_path), text)
        await eventually_async(lambda: seen.scans["probe"][-1]["air_temperature"].quality is Quality.BAD)
        put(probe(tmp_path), -17000)
        await eventually_async(lambda: seen.values("probe")["air_temperature"] == -17.0)
    assert seen.deaths == []
    assert {reading.value for reading in seen.good("probe")} == {-18.0, -17.0}


async def test_a_wrong_check_sum_is_bad(tmp_path: Path) -> None:
    put(probe(tmp_path, "w1_slave"), SLAVE.format(-18000))
    seen = Recorder()
    async with running(sensors(tmp_path, w1=[W1]), seen):
        await eventually_async(lambda: seen.scans)
        put(probe(tmp_path, "w1_slave"), SLAVE.format(99000).replace("YES", "NO"))
        await eventually_async(lambda: seen.deaths)
    assert {reading.value for reading in seen.good("probe")} == {-18.0}
    assert "wrong check sum" in seen.deaths[0][1]


async def test_an_unplugged_sensor_is_bad_then_dead_then_born_again(tmp_path: Path) -> None:
    put(probe(tmp_path), -18000)
    seen = Recorder()
    async with running(sensors(tmp_path, w1=[W1]), seen):
        await eventually_async(lambda: seen.scans)
        probe(tmp_path).unlink()
        await eventually_async(lambda: seen.deaths)
        put(probe(tmp_path), -16000)
        await eventually_async(lambda: len(seen.births) == 2)
    qualities = [scan["air_temperature"].quality for scan in seen.scans["probe"]]
    assert qualities.count(Quality.BAD) == 3
    assert "No such file" in seen.deaths[0][1]


@pytest.fixture
def hung(tmp_path: Path) -> Iterator[None]:
    """A file that nobody ever finishes reading: a pipe without a writer."""
    path = probe(tmp_path)
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    yield
    os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))  # lets the thread that still reads come back


@pytest.mark.usefixtures("hung")
async def test_a_bus_that_hangs_holds_up_nobody_else(tmp_path: Path) -> None:
    put(tmp_path / "class/hwmon/hwmon0/name", "sht3x")
    put(tmp_path / "class/hwmon/hwmon0/temp1_input", 21500)
    chip = {"name": "bay", "chip": "sht3x", "inputs": {"temperature": "temp1"}}
    seen = Recorder()
    async with running(sensors(tmp_path, w1=[W1], hwmon=[chip], timeout_s=3.0), seen):
        await eventually_async(lambda: seen.deaths)
    assert [name for name, _ in seen.deaths] == ["probe"]
    assert len(seen.scans["bay"]) >= 9  # a third of what is due until the bus is given up


async def test_a_hwmon_chip_is_found_by_its_name_and_its_place(tmp_path: Path) -> None:
    for number, (name, at, milli) in enumerate(
        [("cpu_thermal", "soc", 55000), ("sht3x", "1-0044", 4000), ("sht3x", "1-0045", -20500)]
    ):
        folder = tmp_path / f"devices/{at}/hwmon/hwmon{number}"
        put(folder / "name", name)
        put(folder / "temp1_input", milli)
        put(folder / "humidity1_input", 61500)
        link = tmp_path / f"class/hwmon/hwmon{number}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(folder)
    chip = {"name": "bay", "chip": "sht3x", "at": "1-0045", "inputs": {"temperature": "temp1", "humidity": "humidity1"}}
    seen = Recorder()
    async with running(sensors(tmp_path, hwmon=[chip]), seen):
        await eventually_async(lambda: seen.scans)
    assert seen.values("bay") == {"temperature": -20.5, "humidity": 61.5}


async def test_a_channel_with_a_fault_is_bad_and_its_neighbour_is_good(tmp_path: Path) -> None:
    folder = tmp_path / "class/hwmon/hwmon0"
    put(folder / "name", "max31865")
    put(folder / "temp1_input", -200000)
    put(folder / "temp1_fault", 1)
    put(folder / "temp2_input", 4000)
    chip = {"name": "chip", "chip": "max31865", "inputs": {"a": "temp1", "b": "temp2"}}
    seen = Recorder()
    async with running(sensors(tmp_path, hwmon=[chip]), seen):
        await eventually_async(lambda: seen.scans)
    assert seen.values("chip") == {"a": None, "b": 4.0}


async def test_iio_channels_are_scaled_as_the_kernel_says(tmp_path: Path) -> None:
    folder = tmp_path / "bus/iio/devices/iio:device0"
    for name, text in {
        "name": "bme280",
        "in_temp_input": 21310,
        "in_humidityrelative_raw": 5000,
        "in_humidityrelative_scale": 9.5,
        "in_humidityrelative_offset": 100,
        "in_pressure_input": 101.325,
        "in_voltage0_raw": 1024,
        "in_voltage_scale": 0.5,
        "in_voltage1_raw": 65535,
    }.items():
        put(folder / name, text)
    inputs = {"t": "temp", "rh": "humidityrelative", "p": "pressure", "u0": "voltage0", "u1": "voltage1"}
    seen = Recorder()
    async with running(sensors(tmp_path, iio=[{"name": "chip", "chip": "bme280", "inputs": inputs}]), seen):
        await eventually_async(lambda: seen.scans)
    assert seen.values("chip") == {"t": 21.31, "rh": 48.45, "p": 101.325, "u0": 0.512, "u1": None}


async def test_an_absent_chip_is_named_and_comes_alive_when_it_is_there(tmp_path: Path) -> None:
    seen = Recorder()
    chip = {"name": "bay", "chip": "sht3x", "inputs": {"temperature": "temp1"}}
    async with running(sensors(tmp_path, hwmon=[chip]), seen):
        await eventually_async(lambda: seen.deaths)
        put(tmp_path / "class/hwmon/hwmon0/name", "sht3x")
        put(tmp_path / "class/hwmon/hwmon0/temp1_input", 4000)
        await eventually_async(lambda: seen.births)
    assert "class/hwmon" in seen.deaths[0][1]


async def test_a_door_is_born_with_its_state_and_each_change_is_an_event(tmp_path: Path) -> None:
    contact = put(tmp_path / "contact", 0)
    door = {"name": "door", "path": str(contact), "debounce_s": 0.05}
    seen = Recorder()
    async with running(sensors(tmp_path, door=[door]), seen):
        await eventually_async(lambda: seen.scans)
        before_ms = int(time.time() * 1000)
        put(contact, 1)
        await eventually_async(lambda: len(seen.events) == 1)
        put(contact, 0)
        await eventually_async(lambda: len(seen.events) == 2)
    assert seen.births[0].kind == "door"
    assert seen.values("door", 0) == {"door_open": False}
    assert [reading.value for reading in seen.events] == [True, False]
    assert before_ms <= seen.events[0].at_ms <= seen.events_ms[0] - 50  # when it opened, not when that was believed


async def test_a_door_at_rest_is_shown_each_period(tmp_path: Path) -> None:
    door = {"name": "door", "path": str(put(tmp_path / "contact", 1)), "open_when": 0, "debounce_s": 0.02}
    seen = Recorder()
    async with running(sensors(tmp_path, door=[door]), seen):
        await eventually_async(lambda: len(seen.scans.get("door", [])) >= 3)
    assert seen.events == []
    assert seen.values("door") == {"door_open": False}


async def test_a_contact_that_cannot_be_read_is_bad_and_then_dead(tmp_path: Path) -> None:
    contact = put(tmp_path / "contact", 0)
    seen = Recorder()
    door = {"name": "door", "path": str(contact), "debounce_s": 0.02}
    async with running(sensors(tmp_path, door=[door]), seen):
        await eventually_async(lambda: seen.scans)
        put(contact, "?")
        await eventually_async(lambda: seen.deaths)
        put(contact, 1)
        await eventually_async(lambda: len(seen.births) == 2)
    assert "neither 0 nor 1" in seen.deaths[0][1]
    assert seen.events == []


async def test_a_gpio_chip_that_is_not_there_is_that_doors_affair_alone(tmp_path: Path) -> None:
    put(probe(tmp_path), -18000)
    door = {"name": "door", "chip": str(tmp_path / "gpiochip9"), "line": 3}
    seen = Recorder()
    async with running(sensors(tmp_path, w1=[W1], door=[door]), seen):
        await eventually_async(lambda: seen.deaths and seen.scans)
    assert seen.deaths[0][0] == "door"
    assert "gpiochip9" in seen.deaths[0][1]


async def test_gpio_without_its_library_is_a_config_error_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gpiod", None)
    door = {"name": "door", "chip": "/dev/gpiochip0", "line": 3}
    with pytest.raises(ConfigError, match=r"pip install 'frostline\[gpio\]'"):
        await sensors(tmp_path, door=[door]).run(Recorder())
