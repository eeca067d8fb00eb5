"""The edge's own drivers read the simulated world: what they emit is what is true there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from frostline_core.config import parse
from frostline_core.reading import DeviceDescription, Reading, Value
from frostline_edge import driver as drivers
from frostline_edge.sampling import Sampling
from frostline_sim.config import FaultConfig, WorldConfig
from frostline_sim.run import RunningWorld, serve
from tests.support.services import eventually_async

GTIN = "80614141123458"
TABLE: dict[str, Any] = {
    "cold_room": [{"name": "freezer", "setpoint_c": -20.0, "door_openings_per_h": 0.0}],
    "rack": [{"name": "rack", "rooms": ["freezer"]}],
    "meter": [{"name": "meter", "racks": ["rack"]}],
    "modbus": [
        {
            "name": "bus",
            "unit": [
                {"unit": 1, "device": "freezer", "profile": "danfoss_ekc202b"},
                {"unit": 10, "device": "rack", "profile": "bitzer_cm_rc_01"},
                {"unit": 20, "device": "meter", "profile": "eastron_sdm630"},
            ],
        }
    ],
    "product": [{"gtin": GTIN}],
    "zone": [{"name": "dock", "items": {GTIN: 4}}, {"name": "shelf", "items": {GTIN: 9}}],
    "reader": [{"name": "reader", "antennas": {"1": "dock", "2": "shelf"}, "reads_per_s": 400.0}],
    "sysfs": {
        "period_s": 0.1,
        "sensor": [
            {"name": "28-0316a2795bff", "kind": "w1", "device": "freezer"},
            {"name": "sht3x", "kind": "hwmon", "device": "ambient"},
            {"name": "bme280", "kind": "iio", "device": "ambient"},
            {"name": "door", "kind": "contact", "device": "freezer"},
        ],
    },
    "mqtt": {
        "period_s": 0.3,
        "sensor": [
            {"name": "one", "folder": "climate", "kind": "climate", "device": "freezer"},
            {"name": "two", "folder": "doors", "kind": "contact", "device": "freezer"},
        ],
    },
}


class Heard:
    """An `Emit` that keeps the last value of each metric."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], Value] = {}
        self.devices: dict[str, DeviceDescription] = {}
        self.dead: list[str] = []

    def born(self, device: DeviceDescription, sampling: Mapping[str, Sampling]) -> None:
        self.devices[device.id] = device

    def scan(self, device: str, readings: Sequence[Reading]) -> None:
        self.values |= {(device, reading.metric): reading.value for reading in readings}

    def event(self, device: str, readings: Sequence[Reading]) -> None:
        self.scan(device, readings)

    def died(self, device: str, reason: str) -> None:
        self.dead.append(device)


@asynccontextmanager
async def driven(running: RunningWorld, table: Mapping[str, Any]) -> AsyncIterator[Heard]:
    heard = Heard()
    config = parse(table, drivers.config_model(str(table["type"])), "test")
    task = asyncio.create_task(drivers.build(config).run(heard))
    try:
        yield heard
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def running() -> AsyncIterator[RunningWorld]:
    # Slow enough to stand still during a test; ten minutes old, so that things differ from zero.
    async with serve(parse(TABLE, WorldConfig, "test"), speed=0.01) as found:
        found.world.step(600_000)
        yield found


async def test_the_modbus_driver_reads_room_rack_and_meter(running: RunningWorld) -> None:
    profiles = {"freezer": (1, "danfoss_ekc202b"), "rack": (10, "bitzer_cm_rc_01"), "meter": (20, "eastron_sdm630")}
    units = [{"name": n, "unit": unit, "profile": p, "period_s": 0.2} for n, (unit, p) in profiles.items()]
    table = {"type": "modbus", "name": "bus", "host": "127.0.0.1", "port": running.ports["bus"], "unit": units}
    async with driven(running, table) as heard:
        await eventually_async(lambda: set(heard.devices) == set(profiles) and ("meter", "frequency") in heard.values)
        for device, metric, within in (
            ("freezer", "air_temperature", 0.06),
            ("freezer", "setpoint", 0.0),
            ("freezer", "door_open", 0.0),
            ("rack", "discharge_pressure", 0.006),
            ("meter", "power_total", 0.001),
        ):
            await eventually_async(lambda d=device, m=metric: (d, m) in heard.values)  # type: ignore[misc] # bound now
            assert heard.values[device, metric] == pytest.approx(running.world.value(device, metric), abs=within)


async def test_the_modbus_driver_says_that_a_silent_device_is_dead(running: RunningWorld) -> None:
    units = [{"name": "freezer", "unit": 1, "profile": "danfoss_ekc202b", "period_s": 0.1}]
    bus = {"type": "modbus", "name": "bus", "host": "127.0.0.1", "port": running.ports["bus"], "timeout_s": 0.5}
    async with driven(running, bus | {"unit": units}) as heard:
        await eventually_async(lambda: "freezer" in heard.devices)
        before = len(heard.dead)
        running.world.inject(FaultConfig(type="device_silent", target="freezer", at=0.0))
        await eventually_async(lambda: heard.dead[before:] == ["freezer"])


async def test_the_llrp_driver_counts_what_lies_in_each_zone(running: RunningWorld) -> None:
    times = {"settle_s": 1.0, "check_s": 1.0, "departed_after_s": 5.0, "report_s": 1.0}
    zones = [{"name": "dock", "antennas": [1]}, {"name": "shelf", "antennas": [2]}]
    table = {"type": "llrp", "name": "reader", "host": "127.0.0.1", "port": running.ports["reader"], "zone": zones}
    async with driven(running, table | times) as heard:
        counts = running.world.stock.counts()
        await eventually_async(lambda: heard.values.get(("dock", f"count_{GTIN}")) == counts["dock"][GTIN])
        await eventually_async(lambda: heard.values.get(("shelf", f"count_{GTIN}")) == counts["shelf"][GTIN])


async def test_the_sensors_driver_reads_the_tree(running: RunningWorld) -> None:
    root = running.paths["sysfs"]
    channels = {"hwmon": ("temp1", "humidity1"), "iio": ("temp", "humidityrelative")}
    chips = {
        kind: [
            {"name": kind, "chip": chip, "inputs": dict(zip(("temperature", "humidity"), channels[kind], strict=True))}
        ]
        for kind, chip in (("hwmon", "sht3x"), ("iio", "bme280"))
    }
    probe = [{"name": "probe", "id": "28-0316a2795bff"}]
    door = [{"name": "door", "path": f"{root}/contact/door"}]
    table = {"type": "sensors", "name": "board", "root": root, "period_s": 0.2, "w1": probe, "door": door}
    world = running.world
    async with driven(running, table | chips) as heard:
        await eventually_async(lambda: len(heard.devices) == 4 and ("door", "door_open") in heard.values)
        freezer, outside = world.value("freezer", "air_temperature"), world.value("ambient", "temperature")
        assert heard.values["probe", "temperature"] == pytest.approx(freezer, abs=0.04)
        assert heard.values["hwmon", "temperature"] == pytest.approx(outside, abs=0.002)
        assert heard.values["iio", "temperature"] == pytest.approx(outside, abs=0.01)
        assert heard.values["iio", "humidity"] == pytest.approx(world.value("ambient", "humidity"), abs=0.01)
        world.inject(FaultConfig(type="door_open", target="freezer", at=0.0))
        world.step(2_000)
        await eventually_async(lambda: heard.values["door", "door_open"] is True)


async def test_the_mqtt_driver_reads_the_json_sensors(running: RunningWorld) -> None:
    climate = {
        "topic": "zigbee2mqtt/climate/{device}",
        "kind": "ambient",
        "metric": [{"name": "temperature", "path": "temperature", "unit": "Cel"}],
    }
    contact = {"name": "door_open", "path": "contact", "type": "boolean", "true_when": False, "event": True}
    doors = {"topic": "zigbee2mqtt/doors/{device}", "kind": "door", "metric": [contact]}
    url = f"mqtt://127.0.0.1:{running.ports['mqtt']}"
    table = {"type": "mqtt", "name": "zigbee", "url": url, "match": [climate, doors]}
    async with driven(running, table) as heard:
        await eventually_async(lambda: {("one", "temperature"), ("two", "door_open")} <= set(heard.values))
        truth = running.world.value("freezer", "air_temperature")
        assert heard.values["one", "temperature"] == pytest.approx(truth, abs=0.01)
        assert heard.values["two", "door_open"] is False
