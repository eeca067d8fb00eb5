"""A gateway without drivers, as a process to be killed: appends numbered samples and events, and runs the uplink.

`python gateway_process.py SPOOL PORT FIRST`: prints each number after the append that made it durable; with FIRST 0 it
appends none.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Stream
from frostline_core.sparkplug import Metric, Payload, Refused, WriteAsked, encode
from frostline_gateway.devices import Devices
from frostline_gateway.spool import Spool
from frostline_gateway.spool.rows import AccountDelta, NewRow
from frostline_gateway.uplink import SYSTEM_CLOCKS, Uplink
from frostline_gateway.uplink_config import UplinkConfig

ROOM = DeviceDescription(
    "room", "cold_room", "", (MetricDescription("n", DataType.INT64), MetricDescription("event", DataType.INT64))
)
GROUP = 5


def row(number: int) -> NewRow:
    at_ms = SYSTEM_CLOCKS.utc_ms()
    stream, metric = (Stream.EVENTS, "event") if number % 7 == 0 else (Stream.SAMPLES, "n")
    return NewRow(
        stream,
        "room",
        encode(Payload(at_ms, None, (Metric(metric, None, at_ms, DataType.INT64, number),))),
        1,
        at_ms,
        at_ms,
    )


async def append(spool: Spool, first: int) -> None:
    number = first
    while True:
        group = range(number, number + GROUP)
        await asyncio.to_thread(spool.append, [row(n) for n in group], AccountDelta(read=GROUP, kept=GROUP))
        sys.stdout.write(f"{group[-1]}\n")
        sys.stdout.flush()
        number += GROUP
        await asyncio.sleep(0.02)


async def follow(_: WriteAsked | Refused) -> None:
    return


async def run(path: Path, port: int, first: int) -> None:
    devices = Devices()
    devices.born(ROOM, SYSTEM_CLOCKS.utc_ms())
    config = UplinkConfig(url=f"mqtt://127.0.0.1:{port}", keepalive_s=5, backlog_messages_per_s=1000)
    with Spool.open(path, 1 << 24, SYSTEM_CLOCKS.utc_ms) as spool:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Uplink(config, "site", "gw", spool, devices, follow, chance=lambda: 0.2).run())
            if first:
                tasks.create_task(append(spool, first))


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
