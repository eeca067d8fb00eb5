"""The connection of our own, at the edges of its waits."""

from __future__ import annotations

import asyncio
import time

from frostline_edge.drivers.modbus.config import Config
from frostline_edge.drivers.modbus.tcp import TcpLine

TIMEOUT_S = 0.02


def _slow() -> asyncio.Protocol:
    """Holds up the loop until the time-out of whoever connects is over, in the turn in which the connection is made."""
    loop = asyncio.get_running_loop()
    over_s = loop.time() + TIMEOUT_S
    while loop.time() <= over_s:
        time.sleep(TIMEOUT_S / 10)
    return asyncio.Protocol()


async def test_a_connection_that_is_made_as_its_time_is_up_is_not_taken_for_one() -> None:
    unit = {"name": "d", "unit": 1, "profile": "danfoss_ekc202b"}
    table = {"type": "modbus", "name": "bus", "host": "127.0.0.1", "timeout_s": TIMEOUT_S, "unit": [unit]}
    async with await asyncio.get_running_loop().create_server(_slow, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        line = TcpLine(Config.model_validate(table | {"port": port}), time.monotonic)
        assert not await line.connect()
