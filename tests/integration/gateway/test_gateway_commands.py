"""A set-point from the cloud to a controller on a bus, through the gateway's process, and back as an audited event."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from frostline_core.diary import COMMAND
from frostline_core.sparkplug import DeviceBorn, DeviceDied, Metric
from tests.integration.edge.modbus_field import device, profile, tcp_server
from tests.integration.gateway.gateway_process import GatewayProcess
from tests.integration.gateway.uplink_host import TestHost, now_ms
from tests.support.proxy import TcpProxy
from tests.support.services import Mosquitto, eventually_async

SETPOINT = (
    'name = "setpoint"\ntable = "holding"\naddress = 0\ntype = "int16"\nscale = 0.1\nunit = "Cel"\n'
    "writable = true\nwrite_range = [-30.0, 5.0]"
)
AIR = 'name = "air_temperature"\ntable = "holding"\naddress = 1\ntype = "int16"\nscale = 0.1\nunit = "Cel"'
BUS = """
[[driver]]
type = "modbus"
name = "bus-1"
host = "127.0.0.1"
port = {port}
timeout_s = {timeout_s}

[[driver.unit]]
name = "room-1"
unit = 1
profile = "{profile}"
period_s = 0.2
"""


def _ask(host: TestHost, value: float) -> None:
    host.client.publish(*host.session.command("site", "gw", "room-1", [Metric("setpoint", value=value)], now_ms()))


async def test_a_setpoint_is_written_read_back_and_audited(tmp_path: Path, fresh_mosquitto: Mosquitto) -> None:
    controller = device(1, holding={0: [65336, 65351]})  # -20.0 and -18.5
    async with tcp_server([controller]) as port, TestHost(fresh_mosquitto.port) as host:
        drivers = BUS.format(port=port, timeout_s=30, profile=profile(tmp_path, [SETPOINT, AIR]))
        with GatewayProcess(tmp_path, fresh_mosquitto.port, drivers) as gateway:
            await eventually_async(lambda: host.values("setpoint") == [-20.0])
            assert host.values("air_temperature") == [-18.5]
            _ask(host, -22.5)
            _ask(host, -23.0)  # within five seconds
            await eventually_async(lambda: host.values("setpoint") == [-20.0, -22.5])
            await eventually_async(lambda: len(host.values(COMMAND)) == 2)
            done, refused = (json.loads(each) for each in host.values(COMMAND))
            assert (done["device"], done["metric"], done["value"], done["outcome"]) == (
                "room-1",
                "setpoint",
                -22.5,
                "done",
            )
            assert (refused["outcome"], refused["reason"]) == ("refused", "written less than 5 s ago")
            status = await asyncio.to_thread(gateway.status)
            assert status["commands"] == {"done": 1, "refused": 1}


async def test_a_value_outside_the_point_s_range_never_reaches_the_bus(
    tmp_path: Path, fresh_mosquitto: Mosquitto
) -> None:
    controller = device(1, holding={0: [65336, 65351]})
    async with tcp_server([controller]) as port, TestHost(fresh_mosquitto.port) as host:
        drivers = BUS.format(port=port, timeout_s=30, profile=profile(tmp_path, [SETPOINT, AIR]))
        with GatewayProcess(tmp_path, fresh_mosquitto.port, drivers):
            await eventually_async(lambda: host.values("setpoint") == [-20.0])
            _ask(host, 50.0)
            await eventually_async(lambda: host.values(COMMAND))
            (told,) = (json.loads(each) for each in host.values(COMMAND))
            assert told["outcome"] in ("refused", "failed")
            assert "outside" in told["reason"]
            assert host.values("setpoint") == [-20.0]


async def test_a_controller_that_falls_silent_dies_and_is_born_again(
    tmp_path: Path, fresh_mosquitto: Mosquitto
) -> None:
    controller = device(1, holding={0: [65336, 65351]})
    async with (
        tcp_server([controller]) as port,
        TcpProxy("127.0.0.1", port) as proxy,
        TestHost(fresh_mosquitto.port) as host,
    ):
        drivers = BUS.format(port=proxy.port, timeout_s=1, profile=profile(tmp_path, [SETPOINT, AIR]))
        with GatewayProcess(tmp_path, fresh_mosquitto.port, drivers) as gateway:
            await eventually_async(lambda: -20.0 in host.values("setpoint"))
            proxy.black_hole = True
            await eventually_async(lambda: host.seen(DeviceDied))
            states = {each["id"]: each for each in (await asyncio.to_thread(gateway.status))["devices"]}
            assert not states["room-1"]["online"]
            assert states["room-1"]["reason"]
            births = len(host.seen(DeviceBorn))
            proxy.black_hole = False
            await eventually_async(lambda: len(host.seen(DeviceBorn)) > births)
