"""One connection to a real broker: what may wait to be read has a bound, in messages and in bytes."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from frostline_core.sparkplug import Outgoing
from frostline_gateway.uplink_config import UplinkConfig
from frostline_gateway.uplink_mqtt import INCOMING_BYTES_MAX, Link
from tests.support.services import Mosquitto, eventually_async
from tests.support.sockets import descriptors, end, left_open

PIECE = INCOMING_BYTES_MAX // 4
WILL = Outgoing("test/bounded/will", b"", 0, False)


@pytest.fixture
def config(mosquitto: Mosquitto) -> UplinkConfig:
    return UplinkConfig.model_validate({"url": f"mqtt://127.0.0.1:{mosquitto.port}"})


@pytest.fixture
async def link(config: UplinkConfig) -> Link:
    return Link(config, "bounded", WILL, lambda: None)


async def test_commands_that_weigh_too_much_together_are_dropped_until_some_are_read(
    mosquitto: Mosquitto, link: Link
) -> None:
    await link.open()
    await link.subscribe([("test/bounded", 1)])
    host = Client(CallbackAPIVersion.VERSION2)
    host.connect("127.0.0.1", mosquitto.port)
    host.loop_start()
    try:
        for _ in range(6):
            host.publish("test/bounded", b"x" * PIECE, 1).wait_for_publish(60)
        await eventually_async(lambda: link.dropped == 2)
        assert link.received() is not None
        host.publish("test/bounded", b"y" * PIECE, 1).wait_for_publish(60)
        found: list[bytes] = []

        def last_is_there() -> bool:
            while (each := link.received()) is not None:
                found.append(each.payload[:1])
            return found[-1:] == [b"y"]

        await eventually_async(last_is_there)
        assert (found, link.dropped) == ([b"x", b"x", b"x", b"y"], 2)
    finally:
        end(host)
        await link.close()


async def test_a_closed_connection_leaves_no_socket_open(mosquitto: Mosquitto, link: Link) -> None:
    before = descriptors()
    await link.open()
    await link.close()
    assert left_open(before) == []


async def test_a_connection_that_comes_when_nobody_waits_any_more_is_closed(config: UplinkConfig) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):  # takes the one place in the queue
            late = Link(config.model_copy(update={"url": f"mqtt://127.0.0.1:{port}"}), "late", WILL, lambda: None)
            opening = asyncio.create_task(late.open())
            await eventually_async(lambda: _knocks_at(port))
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            await late.close()
            server.accept()[0].close()
        server.settimeout(60)
        came, _ = await asyncio.to_thread(server.accept)
        with came:
            came.settimeout(60)
            await asyncio.to_thread(_read_to_the_end, came)


def _knocks_at(port: int) -> bool:
    """Whether somebody's SYN is under way to that port (state 02 in /proc/net/tcp)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[2].endswith(f":{port:04X}") and row[3] == "02" for row in rows)


def _read_to_the_end(came: socket.socket) -> None:
    while came.recv(1000):
        pass
