"""What brokers and their other clients do to our messages, on the whole system: it costs and doubles no sample."""

from __future__ import annotations

import json
import time
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from frostline_cloud.store import Place, open_store
from frostline_cloud.store.config import StoreConfig
from tests.support.link import Link
from tests.support.qos0 import Qos0Dropper
from tests.support.services import eventually
from tests.support.sockets import end
from tests.support.stack import Counter, Settings, Stack
from tests.support.stream import NODE, UPLINK, begin, finish, settle

pytestmark = pytest.mark.timeout(600)
_DROPPED, _UPTIME = "$SYS/broker/publish/messages/dropped", "$SYS/broker/uptime"


@pytest.fixture
def settings() -> Settings:
    return Settings(broker=UPLINK, links=True)


def test_a_broker_that_restarts_at_once_and_forgets_every_session_costs_nothing(stack: Stack, counter: Counter) -> None:
    begin(stack, counter)
    for _ in range(2):
        stack.broker.kill()
        stack.broker.start()
        eventually(lambda: stack.born(NODE), 60)
    finish(stack, counter)


def test_every_message_delivered_twice_is_written_once(stack: Stack, counter: Counter) -> None:
    echoed: set[bytes] = set()
    echo = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="echo")

    def twice(client: mqtt.Client, _user: object, message: mqtt.MQTTMessage) -> None:
        payload = bytes(message.payload)
        if payload in echoed:
            echoed.discard(payload)
        else:
            echoed.add(payload)
            client.publish(message.topic, payload)

    echo.on_message = twice
    echo.connect(stack.broker.host, stack.broker.port)
    echo.subscribe("spBv1.0/site-a/DDATA/#")
    echo.loop_start()
    try:
        begin(stack, counter)
        eventually(lambda: stack.account(NODE)["duplicate"] > 150)
        settle(stack, counter)
        eventually(lambda: stack.account(NODE)["duplicate"] >= counter.sent * 0.9)
        finish(stack, counter)
    finally:
        end(echo)


@pytest.mark.parametrize("side", ["gateway_link", "cloud_link"])
def test_what_a_broker_drops_at_its_queue_limit_is_sent_again(stack: Stack, counter: Counter, side: str) -> None:
    link: Link = getattr(stack, side)
    dropped: list[float] = []

    def in_bursts() -> bool:
        """A fifth of the messages, five in a row: what a full queue drops."""
        dropped.append(time.monotonic())
        return len(dropped) % 25 >= 20

    link.thin(lambda: Qos0Dropper(in_bursts))
    link.reset()
    begin(stack, counter)
    eventually(lambda: len(dropped) > 60, 90)
    link.thin(None)
    link.reset()
    finish(stack, counter)


def test_what_a_real_broker_has_no_room_for_is_sent_again(tmp_path: Path, counter: Counter) -> None:
    told: dict[str, list[bytes]] = {_DROPPED: [b"0"], _UPTIME: []}
    other = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="other")
    other.on_message = lambda _client, _user, message: told[message.topic].append(bytes(message.payload))
    with Stack(tmp_path, settings=Settings(most_queued=20)) as stack:
        begin(stack, counter)
        other.connect(stack.broker.host, stack.broker.port)
        other.subscribe([(_DROPPED, 0), (_UPTIME, 0)])
        other.loop_start()
        try:
            stack.cloud.pause()
            for _ in range(150):  # fills what the kernel holds for the cloud, which reads nothing
                other.publish("spBv1.0/site-a/NDATA/noise", bytes(100_000)).wait_for_publish(60)
            other.publish("done", b"", 1).wait_for_publish(60)
            seconds = len(told[_UPTIME])
            eventually(lambda: len(told[_UPTIME]) > seconds + 2)  # the broker tells its figures each second
            noise = int(told[_DROPPED][-1])
            eventually(lambda: int(told[_DROPPED][-1]) > noise + 5)
        finally:
            stack.cloud.resume()
            end(other)
        finish(stack, counter)


def test_a_second_client_with_the_gateway_s_identity_is_reported_and_nothing_is_lost(
    stack: Stack, counter: Counter
) -> None:
    begin(stack, counter)
    clone = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"frostline-site-a-{NODE}", reconnect_on_failure=False)
    clone.connect(stack.broker.host, stack.broker.port)
    clone.loop_start()
    try:
        eventually(lambda: in_conflict(stack, clone), every_s=0.5)
        assert stack.status(NODE)["uplink"]["identity_conflicts"] == 1
        eventually(lambda: stack.status(NODE)["account"]["pending"] > 50)  # it goes on reading
        assert not stack.born(NODE), "it stays away for a while, so that one of the two can work"
    finally:
        end(clone)
    gateway = stack.gateways[NODE]
    gateway.stop()
    gateway.start()
    counter.stop()
    eventually(lambda: stack.drained(NODE), 60)
    kept = stack.status(NODE)["account"]["kept"]
    eventually(lambda: stack.written(NODE) == kept)
    (known,) = [each for each in stack.api("alerts")["items"] if each["rule"] == "frostline-identity"]
    assert (known["state"], known["severity"], known["node"]) == ("firing", "warning", NODE)
    gateway.stop()
    stack.cloud.stop()
    assert json.loads(told_by_gateway(stack, "identity"))["conflicts"] == 1, "the cloud has it in its history"


def in_conflict(stack: Stack, clone: mqtt.Client) -> bool:
    """Whether the gateway has noticed the clone, which until then connects again whenever the gateway has."""
    if stack.status(NODE)["uplink"]["identity_conflicts"]:
        return True
    if not clone.is_connected():
        clone.reconnect()
    return False


def told_by_gateway(stack: Stack, metric: str) -> str:
    """The newest text that the gateway has told of itself, out of the store."""
    store = open_store(StoreConfig(path=stack.folder / "history.duckdb"))
    try:
        newest = store.latest(Place("gateway", "site-a", NODE, ""))
    finally:
        store.close()
    return str(next(each.value for each in newest if each.field == f"{metric}_text"))
