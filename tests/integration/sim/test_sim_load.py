"""The load generator on a real broker: what it says it sent is what a host hears."""

from __future__ import annotations

import asyncio
import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from frostline_core.commit import HostCommit, advance, pack_commits, unpack_batch
from frostline_core.errors import UnavailableError
from frostline_core.sparkplug import DataCame, DeviceBorn, HostSession, NodeBorn, NodeDied
from frostline_sim.load.node import Shape
from frostline_sim.load.run import Load, Target
from tests.support.services import PATIENCE_S, Mosquitto, eventually
from tests.support.sockets import end


class Host:
    """A Sparkplug host over paho that counts, and commits every 50 ms what came as batches."""

    def __init__(self, broker: Mosquitto) -> None:
        self.session = HostSession("host")
        self.births = self.data = self.metrics = self.deaths = self.others = self.applied = 0
        self._committed: dict[int, int] = {}
        self._commit: HostCommit[DataCame] = HostCommit(lambda run: self._committed.get(run, 0))
        self._came: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._stopped = threading.Event()
        self.subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe("spBv1.0/#")
        self._client.on_subscribe = lambda *_: self.subscribed.set()
        self._client.on_message = lambda _c, _u, message: self._came.put((message.topic, bytes(message.payload)))
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def close(self) -> None:
        self._stopped.set()
        self._thread.join()
        end(self._client)

    def online(self, *, are_we: bool) -> None:
        self.session.will(int(time.time() * 1000))
        state = self.session.online(0) if are_we else self.session.pause(0)
        self._client.publish(state.topic, state.payload, state.qos, state.retain).wait_for_publish(60)

    def _work(self) -> None:
        while not self._stopped.is_set():
            deadline_s = time.monotonic() + 0.05
            while (left_s := deadline_s - time.monotonic()) > 0:
                try:
                    self._hear(*self._came.get(timeout=left_s))
                except queue.Empty:
                    break
            self._flush()

    def _hear(self, topic: str, payload: bytes) -> None:
        for event in self.session.receive(topic, payload, int(time.time() * 1000)):
            if isinstance(event, DataCame):
                self.data += 1
                self.metrics += len(event.message.metrics)
                if event.batch is not None:
                    self._commit.on_data(unpack_batch(event.batch), event, len(event.raw), int(time.monotonic() * 1000))
            elif isinstance(event, NodeBorn):
                self.births += 1
            elif isinstance(event, NodeDied):
                self.deaths += 1
            elif not isinstance(event, DeviceBorn):
                self.others += 1

    def _flush(self) -> None:
        new: dict[str, dict[int, int]] = {}
        for queued in self._commit.take():
            runs = new.setdefault(queued.item.view.node, {})
            step = advance(runs.get(queued.mark.run, self._committed.get(queued.mark.run, 0)), queued.mark)
            self.applied += step.deliver
            runs[queued.mark.run] = step.committed
        committed = {run: n for runs in new.values() for run, n in runs.items()}
        self._committed |= committed
        commits = self._commit.settled(committed, int(time.monotonic() * 1000))
        for node, runs in new.items():
            answers = pack_commits([commit for commit in commits if commit.run in runs])
            self._client.publish(*self.session.commit_command("load", node, answers, int(time.time() * 1000)))


@contextmanager
def hosted(broker: Mosquitto) -> Iterator[Host]:
    host = Host(broker)
    try:
        assert host.subscribed.wait(60)
        yield host
    finally:
        host.close()


def target(broker: Mosquitto) -> Target:
    return Target(f"mqtt://{broker.host}:{broker.port}")


def test_what_it_says_it_sent_is_what_a_host_hears(fresh_mosquitto: Mosquitto) -> None:
    with hosted(fresh_mosquitto) as host:
        shape = Shape(nodes=5, devices=3, metrics=10, rate=500.0)
        report = asyncio.run(Load(shape, target(fresh_mosquitto)).run(1.0, PATIENCE_S))
        eventually(lambda: host.deaths == 5)
    assert report["messages"] == {"measured": 500, "sent": 500, "births": 5, "refused": 0}
    assert (host.births, host.data, host.metrics, host.others) == (5, 500, 5000, 0)


def test_proved_load_ends_when_everything_is_committed(fresh_mosquitto: Mosquitto) -> None:
    with hosted(fresh_mosquitto) as host:
        shape = Shape(nodes=4, devices=2, metrics=5, rate=400.0, proved=True)
        report = asyncio.run(Load(shape, target(fresh_mosquitto)).run(1.0, PATIENCE_S))
        eventually(lambda: host.deaths == 4)
    assert (report["committed"], report["not_committed"]) == (400, 0)
    assert host.applied == 400


def test_nodes_wait_for_the_primary_host(fresh_mosquitto: Mosquitto) -> None:
    with hosted(fresh_mosquitto) as host:
        host.online(are_we=True)
        shape = Shape(nodes=2, rate=50.0, host_id="host")
        report = asyncio.run(Load(shape, target(fresh_mosquitto)).run(0.5, PATIENCE_S))
        eventually(lambda: host.data == 25)
    assert report["messages"]["births"] == 2


def test_no_broker_is_one_error_that_says_why() -> None:
    with pytest.raises(UnavailableError, match="only 0 of 1 nodes are born"):
        asyncio.run(Load(Shape(), Target("mqtt://127.0.0.1:9")).run(0.1, born_within_s=0.3))


def test_the_command_prints_its_report_as_json(fresh_mosquitto: Mosquitto) -> None:
    words = ["sim", "load", "--url", target(fresh_mosquitto).url, "--nodes", "2", "--rate", "50", "--duration", "0.2"]
    done = subprocess.run(
        [sys.executable, "-c", "from frostline_core.cli import main; main()", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(done.stdout)["messages"]["sent"] == 10
