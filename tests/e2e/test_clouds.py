"""What happens to the cloud and its databases, on the whole system: stores that go away, stops, two at once."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.influx_front import TOKEN, InfluxFront
from tests.support.services import SPARE_S, Influxd, eventually
from tests.support.sockets import end
from tests.support.stack import Counter, Settings, Stack, stored
from tests.support.stream import settle

NODE = "gw-1"
OFFLINE_WITHIN_S = 10
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def front(fresh_influxd: Influxd) -> Iterator[InfluxFront]:
    fresh_influxd.create_database("frostline")
    with InfluxFront(fresh_influxd.url) as started:
        yield started


@contextmanager
def on_influx(folder: Path, front: InfluxFront, command: str = "run") -> Iterator[Stack]:
    (folder / "token").write_text(TOKEN, encoding="utf-8")
    (folder / "token").chmod(0o600)
    store = f'kind = "influxdb2"\nurl = "{front.url}"\norg = "o"\ntoken = "${{file:{folder}/token}}"\n'
    with Stack(folder, settings=Settings(store, "online_after_s = 2", command=command)) as stack:
        yield stack


def numbers(influxd: Influxd) -> list[float]:
    query = {"db": "frostline", "epoch": "ms", "q": 'SELECT "n" FROM "counter"'}
    answer = httpx.get(f"{influxd.url}/query", params=query, timeout=60).raise_for_status().json()
    return [float(n) for series in answer["results"][0].get("series", ()) for _, n in series["values"]]


def begin(stack: Stack, counter: Counter) -> None:
    stack.add_gateway(NODE, counter.driver)
    eventually(lambda: stack.born(NODE) and stack.hears(NODE, "local"))
    counter.start()
    eventually(lambda: stack.written(NODE) > 50)


def finish(stack: Stack, counter: Counter) -> None:
    """Comes to rest; every sample was ruled once."""
    settle(stack, counter)
    eventually(lambda: stack.written(NODE) == stack.status(NODE)["account"]["kept"])
    assert stack.account(NODE)["residue"] == 0


class States:
    """What the host says of itself, with the time at which it was heard."""

    def __init__(self, stack: Stack) -> None:
        self.heard: list[tuple[float, bool]] = []
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="states")
        self._client.on_message = self._take
        self._client.connect(stack.broker.host, stack.broker.port)
        self._client.subscribe("spBv1.0/STATE/frostline", 1)
        self._client.loop_start()

    def __enter__(self) -> States:
        return self

    def __exit__(self, *_: object) -> None:
        end(self._client)

    def said(self, online: bool, since: float) -> float | None:
        """When it said so first after a moment."""
        return next((at for at, value in self.heard if value is online and at >= since), None)

    def _take(self, _client: mqtt.Client, _user: object, message: mqtt.MQTTMessage) -> None:
        self.heard.append((time.monotonic(), bool(json.loads(message.payload)["online"])))


@pytest.mark.parametrize("how", ["refuses", "hangs"])
def test_a_store_that_is_away_is_said_in_time_and_the_gateways_keep_everything(
    tmp_path: Path, counter: Counter, front: InfluxFront, fresh_influxd: Influxd, how: str
) -> None:
    with on_influx(tmp_path, front) as stack, States(stack) as states:
        begin(stack, counter)
        away = time.monotonic()
        if how == "refuses":
            front.answer = (503, '{"code":"unavailable","message":"away"}')
        else:
            front.delay = threading.Event()
        eventually(lambda: states.said(False, away))
        assert (states.said(False, away) or 0) - away < OFFLINE_WITHIN_S + SPARE_S
        eventually(lambda: not stack.born(NODE))
        before = stack.status(NODE)["account"]["pending"]
        eventually(lambda: stack.status(NODE)["account"]["pending"] > before + 50)
        back = time.monotonic()
        if front.delay is not None:
            front.delay.set()
        front.answer = front.delay = None
        eventually(lambda: states.said(True, back))
        finish(stack, counter)
        assert numbers(fresh_influxd) == [float(n) for n in range(1, counter.sent + 1)]


def test_sql_that_is_locked_is_said_in_time_and_costs_nothing(tmp_path: Path, counter: Counter) -> None:
    with Stack(tmp_path, settings=Settings(ingest="online_after_s = 2")) as stack, States(stack) as states:
        begin(stack, counter)
        with closing(sqlite3.connect(tmp_path / "frostline.db", isolation_level=None, timeout=60)) as other:
            other.execute("BEGIN IMMEDIATE")
            away = time.monotonic()
            eventually(lambda: states.said(False, away))
            assert (states.said(False, away) or 0) - away < OFFLINE_WITHIN_S + SPARE_S
        back = time.monotonic()
        eventually(lambda: states.said(True, back))
        finish(stack, counter)
        stack.gateways[NODE].stop()
        stack.cloud.stop()
        assert stored(tmp_path, NODE) == [float(n) for n in range(1, counter.sent + 1)]


def test_answers_of_the_store_that_are_lost_double_nothing(
    tmp_path: Path, counter: Counter, front: InfluxFront, fresh_influxd: Influxd
) -> None:
    with on_influx(tmp_path, front) as stack:
        begin(stack, counter)
        for _ in range(3):
            front.forgets = True
            time.sleep(1)
            front.forgets = False
            time.sleep(1)
        finish(stack, counter)
        assert numbers(fresh_influxd) == [float(n) for n in range(1, counter.sent + 1)]


def test_a_cloud_that_is_stopped_under_load_loses_nothing_and_ends_well(tmp_path: Path, counter: Counter) -> None:
    with Stack(tmp_path) as stack, States(stack) as states:
        begin(stack, counter)
        counter.every_s = 0.002
        for _ in range(2):
            time.sleep(2)
            asked = time.monotonic()
            assert stack.cloud.stop() == 0
            eventually(lambda asked=asked: states.said(False, asked))  # type: ignore[misc]
            stack.start_cloud()
            eventually(lambda: stack.born(NODE), 60)
        finish(stack, counter)
        stack.gateways[NODE].stop()
        stack.cloud.stop()
        assert stored(tmp_path, NODE) == [float(n) for n in range(1, counter.sent + 1)]


def test_two_ingests_at_once_write_nothing_twice_and_the_first_can_leave(
    tmp_path: Path, counter: Counter, front: InfluxFront, fresh_influxd: Influxd
) -> None:
    with on_influx(tmp_path, front, "serve") as stack:
        (first,) = stack.ingests
        begin(stack, counter)
        stack.add_ingest("ingest-2")
        eventually(lambda: "connected to the broker" in stack.ingests[1].text())
        together = stack.written(NODE)
        eventually(lambda: stack.written(NODE) > together + 200)
        assert first.stop() == 0
        alone = stack.written(NODE)
        eventually(lambda: stack.written(NODE) > alone + 100, 60)
        finish(stack, counter)
        assert numbers(fresh_influxd) == [float(n) for n in range(1, counter.sent + 1)]
