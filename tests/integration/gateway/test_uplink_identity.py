"""Whether somebody else uses this gateway's identity: told when it begins, and when it is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from frostline_core.commit import run_text
from frostline_core.sparkplug import Refused, WriteAsked
from frostline_gateway.devices import Devices
from frostline_gateway.spool import Lost, Spool, loss_notice
from frostline_gateway.uplink import SYSTEM_CLOCKS, Uplink
from frostline_gateway.uplink_config import UplinkConfig
from frostline_gateway.uplink_parts import Clocks
from frostline_gateway.uplink_waits import OVER_MS
from tests.integration.gateway.uplink_host import Sql, TestHost
from tests.support.services import Mosquitto, eventually_async
from tests.support.sockets import end


@dataclass
class Scene:
    """An uplink whose time can be made to leap, and what it has told."""

    uplink: Uplink
    told: list[tuple[bool, Mapping[str, object]]] = field(default_factory=list)
    leap_ms: int = 0


@asynccontextmanager
async def scene(port: int, folder: Path) -> AsyncIterator[Scene]:
    async def follow(_: WriteAsked | Refused) -> None:
        pass

    def steady_ms() -> int:
        return SYSTEM_CLOCKS.steady_ms() + made.leap_ms

    config = UplinkConfig.model_validate({"url": f"mqtt://127.0.0.1:{port}", "keepalive_s": 60})
    with Spool.open(folder / "spool.db", 1 << 24, SYSTEM_CLOCKS.utc_ms) as spool:
        clocks = Clocks(SYSTEM_CLOCKS.utc_ms, steady_ms)
        made = Scene(Uplink(config, "site", "gw", spool, Devices(), follow, clocks=clocks, chance=lambda: 0.0))
        made.uplink.on_conflict(lambda stands, entry: made.told.append((stands, entry)))
        task = asyncio.create_task(made.uplink.run())
        try:
            yield made
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_session_that_lasts_tells_that_nobody_else_is_us(fresh_mosquitto: Mosquitto, tmp_path: Path) -> None:
    async with TestHost(fresh_mosquitto.port), scene(fresh_mosquitto.port, tmp_path) as running:
        await eventually_async(lambda: running.uplink.status().born)
        running.leap_ms = OVER_MS
        await eventually_async(lambda: running.told == [(False, {})])


async def test_a_disk_that_is_an_image_of_one_that_lived_on_is_told(fresh_mosquitto: Mosquitto, tmp_path: Path) -> None:
    with Spool.open(tmp_path / "spool.db", 1 << 24, SYSTEM_CLOCKS.utc_ms) as before:
        before.append([loss_notice(Lost("a row like any other", 1, None, SYSTEM_CLOCKS.utc_ms()))])
        (old,) = before.runs()
    lived_on = Sql(committed={old.run: old.last + 7})
    async with TestHost(fresh_mosquitto.port, sql=lived_on), scene(fresh_mosquitto.port, tmp_path) as running:
        await eventually_async(lambda: running.told == [(True, {"copied_run": run_text(old.run)})])


async def test_a_takeover_is_told_at_once(fresh_mosquitto: Mosquitto, tmp_path: Path) -> None:
    async with TestHost(fresh_mosquitto.port), scene(fresh_mosquitto.port, tmp_path) as running:
        await eventually_async(lambda: running.uplink.status().born)
        other = Client(CallbackAPIVersion.VERSION2, client_id="frostline-site-gw")
        other.reconnect_delay_set(1, 1)
        other.connect("127.0.0.1", fresh_mosquitto.port)
        other.loop_start()
        try:
            await eventually_async(lambda: running.told == [(True, {"conflicts": 1, "wait_ms": 30_000})])
        finally:
            await asyncio.to_thread(end, other)
