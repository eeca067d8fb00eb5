"""What tests leave open is found, and an ended MQTT client leaves nothing."""

from __future__ import annotations

import socket
from contextlib import suppress

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.services import Mosquitto, eventually
from tests.support.sockets import descriptors, end, left_open


def test_a_socket_that_only_a_cycle_holds_is_found() -> None:
    before = descriptors()
    cycle: list[object] = [socket.socket()]
    cycle.append(cycle)
    held = cycle[0]
    del cycle
    assert left_open(before) == [held]
    assert isinstance(held, socket.socket)
    held.close()
    assert left_open(before) == []


@pytest.mark.parametrize("broker_is", ["there", "gone", "back"])
def test_an_ended_client_leaves_no_socket_open(fresh_mosquitto: Mosquitto, broker_is: str) -> None:
    before = descriptors()
    client = Client(CallbackAPIVersion.VERSION2)
    client.user_data_set(client)  # it holds itself, as the clients of most tests do by what they call
    client.reconnect_delay_set(1, 1)
    client.connect(fresh_mosquitto.host, fresh_mosquitto.port)
    client.loop_start()
    eventually(client.is_connected)
    if broker_is != "there":
        fresh_mosquitto.kill()
        eventually(lambda: not client.is_connected())
    if broker_is == "back":
        fresh_mosquitto.start()
        with suppress(AssertionError):
            eventually(client.is_connected, 1.0)  # it comes back about now: just before, just after, or meanwhile
    end(client)
    assert left_open(before) == []
