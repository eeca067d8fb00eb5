"""An uplink that runs on a spool, and rows for it to send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Stream
from frostline_core.sparkplug import Metric, Payload, Refused, WriteAsked, encode
from frostline_gateway.devices import Devices
from frostline_gateway.spool import Spool
from frostline_gateway.spool.rows import NewRow
from frostline_gateway.uplink import SYSTEM_CLOCKS, Uplink
from frostline_gateway.uplink_config import UplinkConfig

ROOM = DeviceDescription(
    "room-1",
    "cold_room",
    "freezer-1",
    (MetricDescription("air_temperature", DataType.FLOAT, "Cel"), MetricDescription("door_open", DataType.BOOLEAN)),
)
SAMPLE, EVENT = Stream.SAMPLES, Stream.EVENTS


def row(
    value: int,
    stream: Stream = SAMPLE,
    metric: str = "air_temperature",
    device: str = "room-1",
    kind: DataType = DataType.FLOAT,
) -> NewRow:
    at_ms = SYSTEM_CLOCKS.utc_ms()
    payload = encode(Payload(at_ms, None, (Metric(metric, None, at_ms, kind, value),)))
    return NewRow(stream, device, payload, 1, at_ms, at_ms)


def devices(*descriptions: DeviceDescription) -> Devices:
    found = Devices()
    for description in descriptions:
        found.born(description, SYSTEM_CLOCKS.utc_ms())
    return found


@asynccontextmanager
async def running(
    port: int,
    spool: Spool,
    known: Devices | None = None,
    on_command: Callable[[WriteAsked | Refused], None] | None = None,
    chance: float = 0.0,
    **settings: object,
) -> AsyncIterator[Uplink]:
    async def follow(command: WriteAsked | Refused) -> None:
        if on_command is not None:
            on_command(command)

    config = UplinkConfig.model_validate({"url": f"mqtt://127.0.0.1:{port}", "keepalive_s": 30, **settings})
    uplink = Uplink(
        config, "site", "gw", spool, devices(ROOM) if known is None else known, follow, chance=lambda: chance
    )
    task = asyncio.create_task(uplink.run())
    try:
        yield uplink
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def opened(path: Path, budget_bytes: int = 1 << 24) -> Spool:
    return Spool.open(path, budget_bytes, SYSTEM_CLOCKS.utc_ms)


def is_empty(spool: Spool) -> Callable[[], bool]:
    return lambda: all(held.empty for held in spool.runs())
