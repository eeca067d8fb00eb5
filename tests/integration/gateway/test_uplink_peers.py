"""Who else is on the broker: a host of another make, one that writes or asks again, a second gateway; and silence."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from frostline_core.reading import DataType, MetricDescription
from frostline_core.sparkplug import Metric, Refused, WriteAsked
from frostline_gateway.commands import Commands
from frostline_gateway.devices import Devices
from frostline_gateway.refetch import REFETCH, Refetches
from frostline_gateway.spool import Spool
from frostline_gateway.spool.rows import AccountDelta
from frostline_gateway.uplink import SYSTEM_CLOCKS, Uplink
from frostline_gateway.uplink_config import UplinkConfig
from tests.integration.gateway.uplink_host import DeviceBorn, NodeBorn, TestHost
from tests.integration.gateway.uplink_talk import ROOM, devices, is_empty, opened, row, running
from tests.support.proxy import TcpProxy
from tests.support.services import Mosquitto, eventually_async
from tests.support.sockets import end


async def test_a_host_of_another_make_gets_rows_without_proof(fresh_mosquitto: Mosquitto, spool_path: Path) -> None:
    with opened(spool_path) as spool:
        spool.append([row(n) for n in range(40)])
        async with (
            TestHost(fresh_mosquitto.port, commits=False) as host,
            running(fresh_mosquitto.port, spool, proof="none") as uplink,
        ):
            await eventually_async(is_empty(spool))
            await eventually_async(lambda: host.values("air_temperature") == list(range(40)))
            assert not uplink.status().proved
            names = {metric.name: metric.value for metric in host.seen(NodeBorn)[0].payload.metrics}
            assert names["Frostline/Proof"] == "none"
            assert "Frostline/Runs" not in names


async def test_a_connection_that_falls_silent_is_replaced(fresh_mosquitto: Mosquitto, spool_path: Path) -> None:
    with opened(spool_path) as spool:
        async with (
            TcpProxy("127.0.0.1", fresh_mosquitto.port) as proxy,
            TestHost(fresh_mosquitto.port) as host,
            running(proxy.port, spool, keepalive_s=5) as uplink,
        ):
            await eventually_async(lambda: host.seen(DeviceBorn))
            proxy.black_hole = True
            spool.append([row(n) for n in range(20)])
            await eventually_async(lambda: not uplink.status().connected)
            proxy.reset()
            proxy.black_hole = False
            await eventually_async(is_empty(spool))
            assert host.values("air_temperature") == list(range(20))


async def test_writes_reach_the_gateway_and_nonsense_is_refused(fresh_mosquitto: Mosquitto, spool_path: Path) -> None:
    came: list[WriteAsked | Refused] = []
    writable = replace(ROOM, metrics=(MetricDescription("setpoint", DataType.FLOAT, "Cel", writable=True),))
    with opened(spool_path) as spool:
        async with (
            TestHost(fresh_mosquitto.port) as host,
            running(fresh_mosquitto.port, spool, devices(writable), came.append),
        ):
            await eventually_async(lambda: host.seen(DeviceBorn))
            host.client.publish(
                *host.session.command("site", "gw", "room-1", [Metric("setpoint", value=-20.0)], SYSTEM_CLOCKS.utc_ms())
            )
            await eventually_async(lambda: came)
            assert came == [WriteAsked("room-1", "setpoint", -20.0)]
            host.client.publish("spBv1.0/site/NCMD/gw", b"\xff\xff")
            await eventually_async(lambda: len(came) == 2)
            assert isinstance(came[1], Refused)


async def test_a_second_client_with_our_identity_is_noticed(fresh_mosquitto: Mosquitto, spool_path: Path) -> None:
    with opened(spool_path) as spool:
        async with TestHost(fresh_mosquitto.port), running(fresh_mosquitto.port, spool) as uplink:
            await eventually_async(lambda: uplink.status().born)
            other = Client(CallbackAPIVersion.VERSION2, client_id="frostline-site-gw")
            other.reconnect_delay_set(1, 1)
            other.connect("127.0.0.1", fresh_mosquitto.port)
            other.loop_start()
            try:
                await eventually_async(lambda: uplink.status().identity_conflicts == 1)
            finally:
                await asyncio.to_thread(end, other)


async def test_a_span_that_the_host_asks_for_is_sent_again_as_history(
    fresh_mosquitto: Mosquitto, spool_path: Path
) -> None:
    with Spool.open(spool_path, 1 << 24, SYSTEM_CLOCKS.utc_ms, 86_400_000) as spool:
        commands = Commands(Devices(), lambda _: None, lambda _: None, SYSTEM_CLOCKS.utc_ms)
        refetches = Refetches(spool.refetch, commands)
        async with TestHost(fresh_mosquitto.port) as host:
            config = UplinkConfig.model_validate({"url": f"mqtt://127.0.0.1:{fresh_mosquitto.port}"})
            uplink = Uplink(config, "site", "gw", spool, devices(ROOM), refetches.follow)
            task = asyncio.create_task(uplink.run())
            try:
                first_ms = SYSTEM_CLOCKS.utc_ms()
                for n in range(20):
                    spool.append([row(n)], AccountDelta(read=1, kept=1))
                await eventually_async(lambda: spool.view().account.committed == 20)
                span = json.dumps({"from_ms": first_ms, "to_ms": SYSTEM_CLOCKS.utc_ms() + 1, "device": "room-1"})
                host.client.publish(*host.session.command("site", "gw", "", [Metric(REFETCH, value=span)], first_ms))
                await eventually_async(lambda: spool.view().account.committed == 40)
                again = [each.value for each in host.sql.stored if each.historical]
                assert again == list(range(20))
                assert len(set(host.sql.committed)) == 2
                assert (spool.view().account.kept, spool.view().account.lost) == (40, {})
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
