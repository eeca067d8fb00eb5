"""A rule on the gateway: its output works while the cloud is away; the cloud shows one incident and what it did."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import AsyncModbusTcpClient

from frostline_core.rules.backlog import JOIN_MS
from frostline_core.rules.hole import HOLE_MS
from tests.integration.edge.modbus_field import device, profile, tcp_server
from tests.support.services import PATIENCE_S, SPARE_S, eventually
from tests.support.stack import Settings, Stack

NODE = "gw-1"
RULE = """
[[rule]]
id = "freezer-warm"
type = "threshold"
title = "Freezer too warm"
severity = "critical"
above = -15.0
where = "gateway"
output = "siren"
select = { metric = "air_temperature" }
"""
AIR = 'name = "air_temperature"\ntable = "holding"\naddress = 1\ntype = "int16"\nscale = 0.1\nunit = "Cel"'
RELAY = 'name = "siren_relay"\ntable = "coil"\naddress = 3\ntype = "bit"\nwritable = true'
GATEWAY = """
[[output]]
name = "siren"
device = "room-1"
metric = "siren_relay"
interval_s = 1.0

[[driver]]
type = "modbus"
name = "bus-1"
host = "127.0.0.1"
port = {port}
timeout_s = 10.0

[[driver.unit]]
name = "room-1"
unit = 1
profile = "{profile}"
period_s = 0.5
"""
COLD, WARM = 65336, 65436  # -20.0, -10.0
pytestmark = pytest.mark.timeout(600)


@asynccontextmanager
async def room() -> AsyncIterator[tuple[int, AsyncModbusTcpClient]]:
    """A cold room with a siren on a coil, and a second master that warms it and looks at the coil."""
    async with tcp_server([device(1, holding={0: [0, COLD]})]) as port:
        client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=PATIENCE_S)
        await client.connect()
        try:
            yield port, client
        finally:
            client.close()


async def warms(client: AsyncModbusTcpClient, raw: int) -> None:
    await client.write_register(1, raw, device_id=1)


async def sounds(client: AsyncModbusTcpClient) -> bool:
    return bool((await client.read_coils(3, count=1, device_id=1)).bits[0])


async def within(seconds: float, client: AsyncModbusTcpClient, wanted: bool) -> float:
    """How long it took until the siren was as wanted."""
    began = time.monotonic()
    while await sounds(client) is not wanted:
        assert time.monotonic() - began < seconds, f"the siren was not {wanted} within {seconds} s"
        await asyncio.sleep(0.05)
    return time.monotonic() - began


async def hold(check: Callable[[], object], seconds: float = 60) -> None:
    await asyncio.to_thread(eventually, check, seconds)


def alerts(stack: Stack) -> list[dict[str, Any]]:
    return [each for each in stack.api("alerts")["items"] if each["rule"] == "freezer-warm"]


def by_the_gateway(stack: Stack) -> list[dict[str, Any]]:
    """What its output did, on the timeline of the only incident."""
    (incident,) = alerts(stack)
    shown = stack.api(f"alerts/{incident['id']}")["timeline"]
    return [each for each in shown if each["note"].startswith("output siren")]


def add_gateway(stack: Stack, folder: Path, port: int, *, sent: bool, uplink: str = "") -> None:
    settings = GATEWAY.format(port=port, profile=profile(folder, [AIR, RELAY]))
    stack.add_gateway(NODE, settings if sent else f'[rules]\nfolder = "{stack.folder}/rules"\n{settings}', uplink)


@pytest.mark.parametrize("sent", [False, True], ids=["rules of a folder", "rules that the cloud sends"])
async def test_an_output_works_without_the_cloud_which_shows_one_incident_with_it(tmp_path: Path, sent: bool) -> None:
    with Stack(tmp_path, RULE, Settings(links=True)) as stack:
        async with room() as (port, client):
            await asyncio.to_thread(add_gateway, stack, tmp_path, port, sent=sent)
            await hold(lambda: stack.born(NODE) and stack.hears(NODE, "room-1") and stack.written(NODE) > 0)
            await hold(lambda: stack.status(NODE)["rules"]["rules"] == ["freezer-warm"])
            stack.gateway_link.refuse(True)
            stack.gateway_link.reset()
            await hold(lambda: not stack.born(NODE))
            assert not await sounds(client)
            await warms(client, WARM)
            on_s = await within(5 + SPARE_S, client, True)
            await asyncio.sleep(2)
            await warms(client, COLD)
            off_s = await within(5 + SPARE_S, client, False)
            assert alerts(stack) == []
            stack.gateway_link.refuse(False)
            await hold(lambda: stack.drained(NODE) and alerts(stack) and alerts(stack)[0]["state"] == "resolved", 90)
            (incident,) = alerts(stack)
            shown = stack.api(f"alerts/{incident['id']}")
            notes = [each["note"] for each in shown["timeline"] if each["note"].startswith("output")]
            assert notes == [
                "output siren (room-1/siren_relay) on, by the gateway",
                "output siren (room-1/siren_relay) off, by the gateway",
            ]
            assert max(on_s, off_s) < 5 + SPARE_S


async def test_an_excursion_that_lasts_beyond_a_long_outage_is_one_incident(tmp_path: Path) -> None:
    """So long that the live samples leap: the live alert fires first, and its beginning comes with the backlog."""
    with Stack(tmp_path, RULE, Settings(links=True)) as stack:
        async with room() as (port, client):
            slowly = "backlog_messages_per_s = 0.5"
            await asyncio.to_thread(add_gateway, stack, tmp_path, port, sent=False, uplink=slowly)
            await hold(lambda: stack.born(NODE) and stack.hears(NODE, "room-1") and stack.written(NODE) > 0)
            stack.gateway_link.refuse(True)
            stack.gateway_link.reset()
            began = time.monotonic()
            await hold(lambda: not stack.born(NODE))
            for step in (1, 2, 3):  # what the backlog begins with
                await warms(client, COLD + 10 * step)
                await asyncio.sleep(1)
            soon_ms = time.time() * 1000 + 15_000 + 1000 * SPARE_S
            await warms(client, WARM)
            await within(5 + SPARE_S, client, True)
            await asyncio.sleep(max(0, HOLE_MS / 1000 + 5 - (time.monotonic() - began)))
            stack.gateway_link.refuse(False)
            await hold(lambda: stack.born(NODE), 90)
            await warms(client, WARM + 20)  # a live sample, which goes out beside the backlog
            await hold(lambda: stack.drained(NODE) and "firing" in [each["state"] for each in alerts(stack)], 90)
            await hold(lambda: len(alerts(stack)) == 1 and alerts(stack)[0]["fired_ms"] < soon_ms, 90)
            await asyncio.sleep(JOIN_MS / 1000)
            await warms(client, COLD)
            await within(5 + SPARE_S, client, False)
            await hold(lambda: alerts(stack)[0]["state"] == "resolved")
            await hold(lambda: len(by_the_gateway(stack)) == 2)
            (incident,) = alerts(stack)
            shown = stack.api(f"alerts/{incident['id']}")["timeline"]
            phases = [each["after"] for each in shown if each not in by_the_gateway(stack)]
            assert list(dict.fromkeys(phases)) == ["firing", "resolved"]
