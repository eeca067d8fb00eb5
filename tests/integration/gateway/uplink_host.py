"""A small Sparkplug host with a memory for a database: enough of a cloud to prove what the uplink delivers."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from frostline_core.commit import (
    COMMITS_MAX,
    RUNS,
    BatchMark,
    Commit,
    HostCommit,
    advance,
    answered,
    pack_commits,
    unpack_batch,
    unpack_runs,
)
from frostline_core.sparkplug import (
    DataCame,
    DeviceBorn,
    DeviceDied,
    Event,
    HostSession,
    NodeBorn,
    NodeDied,
    Outgoing,
    RebirthWanted,
    Unresolved,
    inflated,
    value_of,
)
from tests.support.sockets import end

FLUSH_S = 0.05


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Stored:
    """One value as the host's store has it."""

    device: str
    metric: str
    value: Any
    at_ms: int
    historical: bool


@dataclass
class Batch:
    """What one message carried."""

    values: list[Stored]
    gap: str | None


@dataclass
class Sql:
    committed: dict[int, int] = field(default_factory=dict)
    lost: list[tuple[int, int, int, str]] = field(default_factory=list)
    notices: list[dict[str, Any]] = field(default_factory=list)
    stored: list[Stored] = field(default_factory=list)
    log: list[tuple[BatchMark, list[Stored]]] = field(default_factory=list)


class TestHost:
    """Runs between `async with`; `sql` outlives it.

    Args:
        port: Of the broker on loopback.
        commits: Whether it answers as the commit protocol asks; False for a host of another make.
        loss: Share of DATA that it never sees.
        sql: Of a host before.
    """

    __test__ = False

    def __init__(self, port: int, commits: bool = True, loss: float = 0.0, sql: Sql | None = None) -> None:
        self.port, self.commits, self.loss = port, commits, loss
        self.sql = sql or Sql()
        self.session = HostSession("frostline", rebirth_interval_ms=200)
        self.commit: HostCommit[Batch] = HostCommit(lambda run: self.sql.committed.get(run, 0))
        self.events: list[Event] = []
        self.counts: Counter[str] = Counter()
        self._dice = random.Random(7)  # noqa: S311  # a test's dice
        self._loop = asyncio.get_running_loop()
        self._came: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self._nodes: dict[int, tuple[str, str]] = {}

    async def __aenter__(self) -> Self:
        self.client = Client(CallbackAPIVersion.VERSION2, client_id="test-host")
        will = self.session.will(now_ms())
        self.client.will_set(will.topic, will.payload, will.qos, will.retain)
        self.client.on_message = lambda _c, _d, m: self._later(
            lambda: self._came.put_nowait((m.topic, bytes(m.payload)))
        )
        subscribed = asyncio.Event()
        self.client.on_subscribe = lambda *_: self._later(subscribed.set)
        self.client.on_connect = lambda c, *_: c.subscribe(self.session.subscriptions())
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", self.port)
        self.client.loop_start()
        await subscribed.wait()
        self._publish(self.session.online(now_ms()))
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._flush())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(RuntimeError):  # the broker is gone
            self._publish(self.session.offline(now_ms())).wait_for_publish(60)
        await asyncio.to_thread(end, self.client)

    def pause(self) -> None:
        self._publish(self.session.pause(now_ms()))

    def online(self) -> None:
        self._publish(self.session.online(now_ms()))

    def ask_rebirth(self, site: str, node: str) -> None:
        self.client.publish(*self.session.rebirth_command(site, node, now_ms()))

    def send_commits(self, site: str, node: str, commits: list[Commit]) -> None:
        for i in range(0, len(commits), COMMITS_MAX):
            value = pack_commits(commits[i : i + COMMITS_MAX])
            self.client.publish(*self.session.commit_command(site, node, value, now_ms()))

    def values(self, metric: str) -> list[Any]:
        return [each.value for each in self.sql.stored if each.metric == metric]

    def seen(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def _later(self, call: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(call)

    def _publish(self, message: Outgoing) -> Any:
        return self.client.publish(message.topic, message.payload, message.qos, message.retain)

    async def _listen(self) -> None:
        while True:
            topic, raw = await self._came.get()
            if "DATA/" in topic:
                self.counts["data"] += 1
                if self._dice.random() < self.loss:
                    continue
            if (inside := inflated(raw)) is not raw:
                self.counts["compressed"] += 1
            for event in self.session.receive(topic, inside, now_ms()):
                self._on(event)

    def _on(self, event: Event) -> None:
        if not isinstance(event, DataCame):
            self.events.append(event)
        if isinstance(event, RebirthWanted):
            self.ask_rebirth(event.site, event.node)
        elif isinstance(event, NodeBorn) and self.commits:
            value = next(metric.value for metric in event.payload.metrics if metric.name == RUNS)
            assert isinstance(value, bytes)
            self.send_commits(event.view.site, event.view.node, answered(unpack_runs(value), self.sql.committed))
        elif isinstance(event, DataCame):
            self._on_data(event)

    def _on_data(self, came: DataCame) -> None:
        batch = Batch(stored_of(came), came.gap)
        if came.batch is None or not self.commits:
            self.sql.stored += batch.values
            return
        mark = unpack_batch(came.batch)
        self._nodes[mark.run] = (came.view.site, came.view.node)
        answer = self.commit.on_data(mark, batch, len(came.raw), now_ms())
        if answer is not None:
            self.send_commits(came.view.site, came.view.node, [answer])

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            if not self.commit.queued:
                continue
            committed: dict[int, int] = {}
            for queued in self.commit.take():
                run = queued.mark.run
                step = advance(self.sql.committed.get(run, 0), queued.mark)
                for loss in step.losses:
                    reason = loss.reason or json.loads(queued.item.gap or "{}")["reason"]
                    self.sql.lost.append((run, loss.first, loss.last, reason))
                if step.deliver:
                    self.sql.stored += queued.item.values
                    self.sql.log.append((queued.mark, queued.item.values))
                    self.sql.notices += [json.loads(queued.item.gap)] if queued.item.gap else []
                committed[run] = self.sql.committed[run] = step.committed
            for commit in self.commit.settled(committed, now_ms()):
                self.send_commits(*self._nodes[commit.run], [commit])


def stored_of(came: DataCame) -> list[Stored]:
    found = []
    for metric in came.message.metrics:
        bound = came.view.aliases[metric.alias]
        name = bound.description.name
        if not name.startswith("Frostline/"):
            value = value_of(metric, bound.description.datatype)
            found.append(Stored(came.device, name, value, metric.timestamp, metric.is_historical))
    return found


__all__ = ["DeviceBorn", "DeviceDied", "NodeBorn", "NodeDied", "Sql", "Stored", "TestHost", "Unresolved"]
