"""One connection to a real broker: what may wait to be read has a bound, in messages and in bytes."""

from __future__ import annotations

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from frostline_core.sparkplug import Outgoing
from frostline_gateway.uplink_config import UplinkConfig
from frostline_gateway.uplink_mqtt import INCOMING_BYTES_MAX, Link
from tests.support.services import Mosquitto, eventually_async

PIECE = INCOMING_BYTES_MAX // 4


@pytest.fixture
async def link(mosquitto: Mosquitto) -> Link:
    config = UplinkConfig.model_validate({"url": f"mqtt://127.0.0.1:{mosquitto.port}"})
    return Link(config, "bounded", Outgoing("test/bounded/will", b"", 0, False), lambda: None)


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
            host.publish("test/bounded", b"x" * PIECE, 1).wait_for_publish(10)
        await eventually_async(lambda: link.dropped == 2)
        assert link.received() is not None
        host.publish("test/bounded", b"y" * PIECE, 1).wait_for_publish(10)
        found: list[bytes] = []

        def last_is_there() -> bool:
            while (each := link.received()) is not None:
                found.append(each.payload[:1])
            return found[-1:] == [b"y"]

        await eventually_async(last_is_there)
        assert (found, link.dropped) == ([b"x", b"x", b"x", b"y"], 2)
    finally:
        host.disconnect()
        host.loop_stop()
        await link.close()
