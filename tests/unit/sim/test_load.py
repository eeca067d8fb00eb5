"""The load generator's MQTT, its nodes and its spool, without a network."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from frostline_core.commit import BatchMark, HostCommit, advance, pack_commits, unpack_batch
from frostline_core.errors import ConfigError
from frostline_core.sparkplug import DataCame, DeviceBorn, Event, HostSession, NodeBorn, NodeDied, Outgoing
from frostline_sim.load.node import LoadNode, Shape
from frostline_sim.load.run import Target

NOW_MS = 1_800_000_000_000


@pytest.mark.parametrize("url", ["mqtts://host:8883", "host:1883", "mqtt://"])
def test_a_url_that_is_not_mqtt_is_a_config_error(url: str) -> None:
    with pytest.raises(ConfigError, match="mqtt://host:port"):
        Target(url).address()


SHAPE = Shape(nodes=1, devices=3, metrics=4)


def node(shape: Shape = SHAPE, seed: int = 1) -> LoadNode:
    made = LoadNode(shape, 0, random.Random(seed).random, NOW_MS)  # noqa: S311 - a test's chance
    made.begin()
    return made


def hear(host: HostSession, messages: Sequence[Outgoing | tuple[bytes, bytes]]) -> Iterator[Event]:
    for message in messages:
        if isinstance(message, Outgoing):
            yield from host.receive(message.topic, message.payload, NOW_MS)
        else:
            yield from host.receive(message[0].decode(), message[1], NOW_MS)


def kinds(events: Iterator[Event]) -> list[type]:
    return [type(event) for event in events]


def test_a_host_understands_every_birth_and_all_data() -> None:
    host, load = HostSession("host"), node()
    assert kinds(hear(host, load.births(0, NOW_MS))) == [NodeBorn, *[DeviceBorn] * 3]
    messages = [message for _ in range(600) if (message := load.measure(NOW_MS))]
    events = list(hear(host, messages))
    assert {type(event) for event in events} == {DataCame}
    assert len(events) == load.counts.sent == 600


def test_the_first_metric_counts_the_messages_of_its_device() -> None:
    host, load = HostSession("host"), node(Shape(devices=1, metrics=2))
    list(hear(host, load.births(0, NOW_MS)))
    messages = [message for _ in range(5) if (message := load.measure(NOW_MS))]
    seen = [event.message.metrics[0].double_value for event in hear(host, messages) if isinstance(event, DataCame)]
    assert seen == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_the_will_kills_the_session_and_no_other() -> None:
    host, load = HostSession("host"), node()
    old = load.session.will()
    list(hear(host, load.births(0, NOW_MS)))
    load.begin()
    list(hear(host, load.births(0, NOW_MS)))
    assert kinds(hear(host, [old])) == []
    assert kinds(hear(host, [load.session.will()])) == [NodeDied]


def test_a_rebirth_is_answered_with_all_births() -> None:
    host, load = HostSession("host"), node()
    list(hear(host, load.births(0, NOW_MS)))
    topic, raw = host.rebirth_command("load", load.name, NOW_MS)
    assert kinds(hear(host, load.receive(topic, raw, 0, NOW_MS))) == [NodeBorn, *[DeviceBorn] * 3]
    message = load.measure(NOW_MS)
    assert message is not None
    assert kinds(hear(host, [message])) == [DataCame]


def test_a_node_waits_for_its_host() -> None:
    host, load = HostSession("host"), node(replace(SHAPE, host_id="host"))
    assert load.births(0, NOW_MS) == []
    assert load.measure(NOW_MS) is None
    assert load.counts.refused == 1
    host.will(NOW_MS)
    state = host.online(NOW_MS)
    assert kinds(hear(host, load.receive(state.topic, state.payload, 0, NOW_MS)))[0] is NodeBorn
    assert load.measure(NOW_MS) is not None


class Database:
    """The host's side of the commit protocol, with a dictionary for SQL."""

    def __init__(self) -> None:
        self.session = HostSession("host")
        self.committed: dict[int, int] = {}
        self.commit: HostCommit[DataCame] = HostCommit(lambda run: self.committed.get(run, 0))
        self.applied: list[BatchMark] = []
        self.name = ""

    def hear(self, messages: Sequence[Outgoing | tuple[bytes, bytes]]) -> None:
        for event in hear(self.session, messages):
            if isinstance(event, NodeBorn):
                self.name = event.view.node
            if isinstance(event, DataCame):
                assert event.batch is not None
                self.commit.on_data(unpack_batch(event.batch), event, len(event.raw), 0)

    def flush(self) -> tuple[str, bytes]:
        new = dict[int, int]()
        for queued in self.commit.take():
            step = advance(new.get(queued.mark.run, self.committed.get(queued.mark.run, 0)), queued.mark)
            if step.deliver:
                self.applied.append(queued.mark)
            new[queued.mark.run] = step.committed
        self.committed |= new
        answers = pack_commits(self.commit.settled(new, 0))
        return self.session.commit_command("load", self.name, answers, NOW_MS)


def test_a_proved_node_empties_its_memory_by_commits_and_repeats_what_was_lost() -> None:
    load, host = node(Shape(devices=2, metrics=2, proved=True)), Database()
    host.hear(load.births(0, NOW_MS))
    for _ in range(20):
        assert load.measure(NOW_MS) is None
    lost = list(load.outgoing(10_000, NOW_MS))
    assert lost
    for now_ms in range(20_000, 200_000, 10_000):
        host.hear(list(load.outgoing(now_ms, NOW_MS)))
        if host.commit.queued:
            load.receive(*host.flush(), now_ms, NOW_MS)
    assert (load.rows.held, load.rows.committed) == (0, 20)
    assert [mark.n for mark in host.applied] == list(range(1, 21))
    assert load.counts.sent > 20


def test_a_proved_node_measures_into_memory_between_sessions_and_sends_it_in_the_next() -> None:
    load, host = node(Shape(devices=1, metrics=2, proved=True)), Database()
    assert load.measure(NOW_MS) is None
    assert load.counts.refused == 1
    host.hear(load.births(0, NOW_MS))
    load.begin()
    load.measure(NOW_MS)
    assert list(load.outgoing(0, NOW_MS)) == []
    host.hear(load.births(0, NOW_MS))
    host.hear(list(load.outgoing(60_000, NOW_MS)))
    assert host.commit.queued == 1
