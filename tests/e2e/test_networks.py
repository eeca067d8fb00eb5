"""What networks and brokers do to a connection, on the whole system: none of it costs or doubles a sample."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from frostline_cloud.store import Place, open_store
from frostline_cloud.store.config import StoreConfig
from tests.support.link import Link
from tests.support.qos0 import Qos0Dropper
from tests.support.services import eventually
from tests.support.stack import Counter, Settings, Stack, stored

NODE = "gw-1"
KEEPALIVE_S = 5
BUSY_S = 1.5  # of a machine with other things to do
UPLINK = f"keepalive_s = {KEEPALIVE_S}"
pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path, settings=Settings(broker=UPLINK, links=True)) as started:
        yield started


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    with Counter(tmp_path / "field") as device:
        yield device


def begin(stack: Stack, counter: Counter) -> None:
    """Starts the gateway and the device, and waits until numbers arrive."""
    stack.add_gateway(NODE, counter.driver, UPLINK)
    eventually(lambda: stack.born(NODE) and stack.hears(NODE, "local"), 30)
    counter.start()
    eventually(lambda: stack.written(NODE) > 50, 20)


def finish(stack: Stack, counter: Counter) -> dict[str, int]:
    """Comes to rest, checks that all is there once, and returns the cloud's account."""
    counter.stop()
    eventually(lambda: stack.drained(NODE), 90)
    eventually(lambda: stack.written(NODE) == stack.status(NODE)["account"]["kept"], 10)
    account = stack.account(NODE)
    assert (account["residue"], account["dead_lettered"]) == (0, 0)
    stack.gateways[NODE].stop()
    stack.cloud.stop()
    assert stored(stack.folder, NODE) == [float(n) for n in range(1, counter.sent + 1)]
    return account


@pytest.mark.parametrize("side", ["gateway_link", "cloud_link"])
def test_a_network_that_swallows_everything_and_says_nothing_costs_nothing(
    stack: Stack, counter: Counter, side: str
) -> None:
    begin(stack, counter)
    link: Link = getattr(stack, side)
    connections = link.connections
    link.black_hole(True)
    time.sleep(2.5 * KEEPALIVE_S)  # noticed after 1.5: what was sent before that is sent again
    link.black_hole(False)
    eventually(lambda: link.connections > connections, 60)
    finish(stack, counter)


def test_a_site_that_nothing_reaches_for_ten_keep_alives_notices_in_time_and_loses_nothing(
    stack: Stack, counter: Counter
) -> None:
    begin(stack, counter)
    before, began = counter.sent, time.monotonic()
    for link in (stack.gateway_link, stack.cloud_link):
        link.black_hole(True)
    eventually(lambda: not stack.status(NODE)["uplink"]["connected"], 3 * KEEPALIVE_S)
    assert time.monotonic() - began < 1.5 * KEEPALIVE_S + BUSY_S, "1.5 keep-alives go undetected, not more"
    assert counter.sent > before, "meanwhile rows were published into a dead connection"
    time.sleep(10 * KEEPALIVE_S - (time.monotonic() - began))
    for link in (stack.gateway_link, stack.cloud_link):
        link.black_hole(False)
    eventually(lambda: stack.born(NODE), 90)
    account = finish(stack, counter)
    assert account["written"] > counter.sent


@pytest.mark.parametrize("side", ["gateway_link", "cloud_link"])
def test_a_connection_that_only_one_side_still_believes_in_is_replaced(
    stack: Stack, counter: Counter, side: str
) -> None:
    begin(stack, counter)
    link: Link = getattr(stack, side)
    connections = link.connections
    link.abandon()
    eventually(lambda: link.connections > connections, 4 * KEEPALIVE_S)
    finish(stack, counter)


def test_a_broker_that_restarts_at_once_and_forgets_every_session_costs_nothing(stack: Stack, counter: Counter) -> None:
    begin(stack, counter)
    for _ in range(2):
        stack.broker.kill()
        stack.broker.start()
        eventually(lambda: stack.born(NODE), 60)
    finish(stack, counter)


def test_a_slow_and_narrow_way_costs_nothing(stack: Stack, counter: Counter) -> None:
    begin(stack, counter)
    stack.gateway_link.latency(0.3)
    stack.cloud_link.bandwidth(20_000)
    time.sleep(8)
    stack.gateway_link.latency(0)
    stack.cloud_link.bandwidth(None)
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
        time.sleep(3)
        account = finish(stack, counter)
    finally:
        echo.disconnect()
        echo.loop_stop()
    assert account["duplicate"] >= counter.sent * 0.9


@pytest.mark.parametrize("side", ["gateway_link", "cloud_link"])
def test_what_a_broker_drops_at_its_queue_limit_is_sent_again(stack: Stack, counter: Counter, side: str) -> None:
    link: Link = getattr(stack, side)
    dropped: list[float] = []

    def in_bursts() -> bool:
        """A tenth of the messages, five in a row: what a full queue drops."""
        dropped.append(time.monotonic())
        return len(dropped) % 50 >= 45

    link.thin(lambda: Qos0Dropper(in_bursts))
    link.reset()
    begin(stack, counter)
    eventually(lambda: len(dropped) > 120, 90)
    link.thin(None)
    link.reset()
    finish(stack, counter)


def test_what_a_real_broker_has_no_room_for_is_sent_again(tmp_path: Path, counter: Counter) -> None:
    dropped: list[int] = [0]
    other = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="other")
    other.on_message = lambda _client, _user, message: dropped.append(int(message.payload))
    with Stack(tmp_path, settings=Settings(most_queued=20)) as stack:
        begin(stack, counter)
        other.connect(stack.broker.host, stack.broker.port)
        other.subscribe("$SYS/broker/publish/messages/dropped")
        other.loop_start()
        try:
            stack.cloud.pause()
            for _ in range(150):  # fills what the kernel holds for the cloud, which reads nothing
                other.publish("spBv1.0/site-a/NDATA/noise", bytes(100_000)).wait_for_publish(10)
            time.sleep(2.5)  # the broker tells its figures each second
            noise = dropped[-1]
            eventually(lambda: dropped[-1] > noise + 5, 30)
        finally:
            stack.cloud.resume()
            other.disconnect()
            other.loop_stop()
        finish(stack, counter)


def test_a_second_client_with_the_gateway_s_identity_is_reported_and_nothing_is_lost(
    stack: Stack, counter: Counter
) -> None:
    begin(stack, counter)
    clone = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"frostline-site-a-{NODE}", reconnect_on_failure=False)
    clone.connect(stack.broker.host, stack.broker.port)
    clone.loop_start()
    try:
        for _ in range(40):
            if stack.status(NODE)["uplink"]["identity_conflicts"]:
                break
            time.sleep(0.5)
            if not clone.is_connected():
                clone.reconnect()
        assert stack.status(NODE)["uplink"]["identity_conflicts"] == 1
        time.sleep(3)
        assert not stack.born(NODE), "it stays away for a while, so that one of the two can work"
        assert stack.status(NODE)["account"]["pending"] > 0, "and goes on reading"
    finally:
        clone.disconnect()
        clone.loop_stop()
    gateway = stack.gateways[NODE]
    gateway.stop()
    gateway.start()
    counter.stop()
    eventually(lambda: stack.drained(NODE), 60)
    kept = stack.status(NODE)["account"]["kept"]
    eventually(lambda: stack.written(NODE) == kept, 10)
    gateway.stop()
    stack.cloud.stop()
    assert json.loads(told_by_gateway(stack, "identity"))["conflicts"] == 1, "the cloud has it in its history"


def told_by_gateway(stack: Stack, metric: str) -> str:
    """The newest text that the gateway has told of itself, out of the store."""
    store = open_store(StoreConfig(path=stack.folder / "history.duckdb"))
    try:
        newest = store.latest(Place("gateway", "site-a", NODE, ""))
    finally:
        store.close()
    return str(next(each.value for each in newest if each.field == f"{metric}_text"))
