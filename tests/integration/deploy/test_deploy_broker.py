"""The broker's config and rights as deployed, on a real mosquitto."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.deployed import DeployedMosquitto
from tests.support.sockets import end


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedMosquitto]:
    with DeployedMosquitto(tmp_path_factory.mktemp("deployed"), ("gw-1", "gw-2")) as service:
        yield service


@contextmanager
def _client(
    broker: DeployedMosquitto, user: str = "", password: str | None = None
) -> Iterator[tuple[paho.Client, str]]:
    """A client, and what the broker said to its CONNECT."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    secret = broker.folder / ("cloud_mqtt_password" if user == "frostline-cloud" else f"gateways/harbour/{user[:4]}")
    if user:
        client.username_pw_set(user, password or secret.read_text())
    answered, answer = threading.Event(), ["no answer"]

    def connected(*arguments: object) -> None:
        answer[0] = str(arguments[3])
        answered.set()

    client.on_connect = connected
    client.connect(broker.host, broker.port)
    client.loop_start()
    answered.wait(60)
    try:
        yield client, answer[0]
    finally:
        end(client)


def _arrives(broker: DeployedMosquitto, sender: str, receiver: str, topic: str) -> bool:
    """Whether what the sender publishes comes to the receiver; told by a message that is known to arrive after it."""
    came: list[str] = []
    last = threading.Event()
    subscribed = threading.Event()
    with _client(broker, receiver) as (listens, _), _client(broker, sender) as (speaks, _):
        listens.on_subscribe = lambda *_: subscribed.set()
        listens.on_message = lambda _client, _data, message: (
            last.set() if message.payload == b"last" else came.append(message.topic)
        )
        mark = "spBv1.0/harbour/NDATA/gw-1" if receiver == "frostline-cloud" else f"spBv1.0/harbour/NCMD/{receiver[:4]}"
        listens.subscribe([(topic, 1), (mark, 1)] if topic != mark else mark, 1)
        assert subscribed.wait(60)
        speaks.publish(topic, b"x", qos=1).wait_for_publish(60)
        with _client(broker, "gw-1@harbour" if receiver == "frostline-cloud" else "frostline-cloud") as (ends, _):
            ends.publish(mark, b"last", qos=1).wait_for_publish(60)
            assert last.wait(60)
    return bool(came)


def test_nobody_comes_in_without_the_right_password(broker: DeployedMosquitto) -> None:
    for user, password in (("", None), ("gw-1@harbour", "wrong"), ("stranger", "x")):
        with _client(broker, user, password) as (_, answer):
            assert answer == "Not authorized"
    with _client(broker, "gw-1@harbour") as (_, answer):
        assert answer == "Success"


@pytest.mark.parametrize(
    "topic",
    [
        "spBv1.0/harbour/NBIRTH/gw-1",
        "spBv1.0/harbour/NDATA/gw-1",
        "spBv1.0/harbour/NDEATH/gw-1",
        "spBv1.0/harbour/DBIRTH/gw-1/room-1",
        "spBv1.0/harbour/DDATA/gw-1/room-1",
        "spBv1.0/harbour/DDEATH/gw-1/room-1",
    ],
)
def test_a_gateway_publishes_its_own_topics(broker: DeployedMosquitto, topic: str) -> None:
    assert _arrives(broker, "gw-1@harbour", "frostline-cloud", topic)


@pytest.mark.parametrize(
    "topic",
    [
        "spBv1.0/harbour/NDATA/gw-2",
        "spBv1.0/harbour/DDATA/gw-2/room-1",
        "spBv1.0/other/NDATA/gw-1",
        "spBv1.0/harbour/NCMD/gw-1",
        "spBv1.0/STATE/frostline",
    ],
)
def test_a_gateway_publishes_nothing_else(broker: DeployedMosquitto, topic: str) -> None:
    assert not _arrives(broker, "gw-1@harbour", "frostline-cloud", topic)


def test_commands_come_to_their_gateway_only(broker: DeployedMosquitto) -> None:
    assert _arrives(broker, "frostline-cloud", "gw-1@harbour", "spBv1.0/harbour/DCMD/gw-1/room-1")
    assert _arrives(broker, "frostline-cloud", "gw-1@harbour", "spBv1.0/STATE/frostline")
    assert not _arrives(broker, "frostline-cloud", "gw-1@harbour", "spBv1.0/harbour/NCMD/gw-2")


def test_a_gateway_does_not_read_what_others_measure(broker: DeployedMosquitto) -> None:
    assert not _arrives(broker, "gw-2@harbour", "gw-1@harbour", "spBv1.0/harbour/NDATA/gw-2")
