"""A gateway with sensors of its own, on a tree of files as the kernel shows them: births, bad readings, door events."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from frostline_core.sparkplug import DeviceBorn, NodeBorn
from tests.integration.gateway.gateway_process import GatewayProcess
from tests.integration.gateway.uplink_host import TestHost
from tests.support.services import Mosquitto, eventually_async

PROBE = "28-0316a2795bff"
DRIVER = """
[[driver]]
type = "sensors"
name = "onboard"
root = "{root}"
period_s = 0.2
timeout_s = 30

[[driver.w1]]
name = "freezer-1"
id = "{probe}"
kind = "cold_room"
metric = "air_temperature"
zone = "freezer-1"

[[driver.door]]
name = "freezer-1-door"
path = "{root}/door"
zone = "freezer-1"
debounce_s = 0.05
"""


def _write(path: Path, text: str) -> None:
    """As the kernel would: never a half-written file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(f".{path.name}")
    whole.write_text(text, encoding="ascii")
    whole.replace(path)


async def test_a_probe_and_a_door_reach_the_host_and_a_pulled_plug_is_no_number(
    tmp_path: Path, fresh_mosquitto: Mosquitto
) -> None:
    root = tmp_path / "sys"
    probe = root / "bus" / "w1" / "devices" / PROBE / "temperature"
    _write(probe, "-18500\n")
    _write(root / "door", "0\n")
    async with TestHost(fresh_mosquitto.port) as host:
        with GatewayProcess(tmp_path, fresh_mosquitto.port, DRIVER.format(root=root, probe=PROBE)) as gateway:
            await eventually_async(lambda: host.values("air_temperature") == [-18.5])
            assert host.seen(NodeBorn)
            kinds = {e.device_view.id: e.device_view.description.kind for e in host.seen(DeviceBorn)}
            assert kinds == {"freezer-1": "cold_room", "freezer-1-door": "door"}
            _write(root / "door", "1\n")
            await eventually_async(lambda: host.values("door_open") == [False, True])
            probe.unlink()
            await eventually_async(lambda: None in host.values("air_temperature"))
            _write(probe, "-17250\n")
            await eventually_async(lambda: host.values("air_temperature")[-1] == -17.25)
            assert set(host.values("air_temperature")) == {-18.5, None, -17.25}
            await eventually_async(lambda: gateway.status()["account"]["pending"] == 0)
            account = (await asyncio.to_thread(gateway.status))["account"]
            assert account["committed"] == account["kept"]


async def test_check_reads_each_sensor_once(tmp_path: Path) -> None:
    root = tmp_path / "sys"
    _write(root / "bus" / "w1" / "devices" / PROBE / "temperature", "-18500\n")
    _write(root / "door", "1\n")
    gateway = GatewayProcess(tmp_path, 1, DRIVER.format(root=root, probe=PROBE))
    found = await asyncio.to_thread(gateway.command, "check")
    assert found.returncode == 0, found.stdout + found.stderr
    assert "-18.5" in found.stdout
    assert "°C" in found.stdout


async def test_check_says_which_override_meets_nothing(tmp_path: Path) -> None:
    root = tmp_path / "sys"
    _write(root / "bus" / "w1" / "devices" / PROBE / "temperature", "-18500\n")
    _write(root / "door", "1\n")
    override = '[[override]]\ndevice = "freezer-1"\nmetric = "air_temprature"\ndeadband = 1.0\n'
    gateway = GatewayProcess(tmp_path, 1, DRIVER.format(root=root, probe=PROBE) + override)
    found = await asyncio.to_thread(gateway.command, "check", "--json")
    assert found.returncode == 1
    assert json.loads(found.stdout)["freezer-1"]["error"] == (
        "[[override]]: there is no metric 'air_temprature' to override"
    )
