"""Random histories of sessions, losses, late messages and restarts: a value is never put under a wrong name."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from frostline_core.commit import BATCH
from frostline_core.reading import DataType, DeviceDescription, MetricDescription
from frostline_core.sparkplug import (
    DataCame,
    DeviceBirth,
    DeviceBorn,
    EdgeSession,
    Event,
    HostSession,
    Metric,
    NodeBorn,
    Outgoing,
    RebirthWanted,
    value_of,
)

DEVICES = ("room-1", "room-2")
NAMES = ("air_temperature", "setpoint", "humidity", "pressure")


@dataclass
class World:
    """One gateway and one host, with a network between them that loses and delays."""

    dice: random.Random
    proved: bool
    bd_seq: int = -1
    now_ms: int = 1_000_000
    sent: dict[int, tuple[str, str]] = field(default_factory=dict)
    late: list[Outgoing] = field(default_factory=list)
    births: dict[str, bytes] = field(default_factory=dict)
    came: int = 0

    def __post_init__(self) -> None:
        self.host = HostSession("frostline", rebirth_interval_ms=100)
        self.connect()

    def description(self, device: str) -> DeviceDescription:
        """The device with its metrics in another order, and not always all of them."""
        names = self.dice.sample(NAMES, self.dice.randint(1, len(NAMES)))
        return DeviceDescription(device, "cold_room", "", tuple(MetricDescription(n, DataType.INT64) for n in names))

    def connect(self) -> None:
        self.bd_seq = (self.bd_seq + 1) % 256
        self.edge = EdgeSession("site", "gw", self.bd_seq, proved=self.proved)
        self.known = {device: self.description(device) for device in self.dice.sample(DEVICES, 2)}
        self.rebirth()

    def rebirth(self) -> None:
        order = list(self.known.values())
        self.dice.shuffle(order)
        for message in self.edge.birth(self.now_ms, (), [DeviceBirth(each) for each in order]):
            self.send(message)

    def change(self) -> None:
        device = self.dice.choice(DEVICES)
        self.known[device] = self.description(device)
        self.send(self.edge.device_birth(self.now_ms, DeviceBirth(self.known[device])))

    def measure(self) -> None:
        device = self.dice.choice(DEVICES)
        metrics = []
        for metric in self.known[device].metrics:
            number = len(self.sent)
            self.sent[number] = (device, metric.name)
            metrics.append(Metric(metric.name, value=number, timestamp_ms=self.now_ms))
        if self.proved:
            metrics.append(Metric(BATCH, value=b"mark"))
        self.send(self.edge.data(self.now_ms, device, metrics))

    def send(self, message: Outgoing) -> None:
        fate = self.dice.random()
        if fate < 0.2:
            return
        if fate < 0.35:
            self.late.append(message)
            return
        self.deliver(message)

    def deliver(self, message: Outgoing) -> None:
        self.understand(self.host.receive(message.topic, message.payload, self.now_ms))

    def understand(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, NodeBorn):
                self.births = {"": event.raw}
            elif isinstance(event, DeviceBorn):
                self.births[event.device_view.id] = event.raw
            elif isinstance(event, RebirthWanted) and self.dice.random() < 0.7:
                self.rebirth()
            elif isinstance(event, DataCame):
                self.check(event)

    def check(self, event: DataCame) -> None:
        for metric in event.message.metrics:
            bound = event.view.aliases[metric.alias]
            if bound.description.name == BATCH:
                continue
            number = value_of(metric, bound.description.datatype)
            assert isinstance(number, int)
            assert (bound.device, bound.description.name) == self.sent[number]
            assert bound.device == event.device
            self.came += 1

    def restart_host(self) -> None:
        self.host = HostSession("frostline", rebirth_interval_ms=100)
        if "" in self.births:
            devices = {device: raw for device, raw in self.births.items() if device}
            self.host.restore("site", "gw", self.births[""], devices)

    def release(self) -> None:
        self.dice.shuffle(self.late)
        while self.late:
            self.deliver(self.late.pop())


STEPS = st.lists(
    st.sampled_from(["measure"] * 6 + ["connect", "rebirth", "change", "change", "restart", "release", "wait", "lost"]),
    min_size=5,
    max_size=60,
)


def _play(world: World, steps: list[str]) -> None:
    actions: dict[str, Callable[[], None]] = {
        "measure": world.measure,
        "connect": world.connect,
        "rebirth": world.rebirth,
        "change": world.change,
        "restart": world.restart_host,
        "release": world.release,
        "wait": lambda: None,
        "lost": lambda: world.understand(world.host.connection_lost(world.now_ms)),
    }
    for step in steps:
        world.now_ms += 2500 if step == "wait" else 50
        actions[step]()
        world.understand(world.host.tick(world.now_ms))


@settings(max_examples=300)
@given(st.integers(0, 2**32), STEPS)
def test_a_proved_node_s_value_is_never_put_under_a_wrong_name(seed: int, steps: list[str]) -> None:
    _play(World(random.Random(seed), proved=True), steps)  # noqa: S311


def test_the_histories_do_deliver() -> None:
    world = World(random.Random(1), proved=True)  # noqa: S311
    _play(world, ["measure", "release", "wait"] * 100)
    assert world.came > 150


@settings(max_examples=100)
@given(st.integers(0, 2**32), STEPS)
def test_a_host_survives_any_history_of_another_make_s_node(seed: int, steps: list[str]) -> None:
    class Tolerant(World):
        def check(self, event: DataCame) -> None:
            """Without a batch's alias nothing tells the sessions of another make apart."""

    _play(Tolerant(random.Random(seed), proved=False), steps)  # noqa: S311
