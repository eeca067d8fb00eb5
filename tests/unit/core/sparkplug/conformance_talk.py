"""One conversation of an edge and a host, and what can be checked of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from frostline_core.commit import COMMIT, GAP
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Reading
from frostline_core.sparkplug import (
    REBIRTH,
    BirthMetric,
    DeviceBirth,
    DeviceDied,
    EdgeSession,
    Event,
    HostSession,
    MessageType,
    Metric,
    NodeDied,
    Outgoing,
    PayloadMessage,
    StatePayload,
    Topic,
    decode,
    parse,
    parse_topic,
)

ROOM = DeviceDescription(
    "room-1",
    "cold_room",
    "freezer",
    (
        MetricDescription("air_temperature", DataType.DOUBLE, "Cel", -50.0, 60.0),
        MetricDescription("setpoint", DataType.DOUBLE, "Cel", writable=True),
    ),
)
DOOR = DeviceDescription("door-1", "door", "", (MetricDescription("door_open", DataType.BOOLEAN),))
NODE = (
    BirthMetric(COMMIT, DataType.BYTES),
    BirthMetric(GAP, DataType.STRING),
    BirthMetric("command", DataType.STRING, "{}", 900),
)
VALUES = {"air_temperature": Reading("room-1", "air_temperature", -18.5, 950)}


@dataclass
class Said:
    """One message of the edge node, decoded."""

    topic: Topic
    message: PayloadMessage
    outgoing: Outgoing


@dataclass
class Talk:
    """Everything that was said, and what the host understood."""

    will: Said
    said: list[Said] = field(default_factory=list)
    rebirth_at: int = 0
    before_host: bool = False
    host_wills: list[Outgoing] = field(default_factory=list)
    host_says: list[Outgoing] = field(default_factory=list)
    commands: list[tuple[str, bytes]] = field(default_factory=list)
    followed: list[object] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    old_state: list[object] = field(default_factory=list)
    offline: bool = True

    def of(self, *kinds: MessageType) -> list[Said]:
        return [each for each in self.said if each.topic.type in kinds]

    def births(self) -> dict[str, dict[str, Metric]]:
        """Metrics by device, of the first births."""
        first = self.said[: self.rebirth_at]
        return {
            each.topic.device: {metric.name: metric for metric in decode(each.outgoing.payload).metrics}
            for each in first
            if each.topic.type in (MessageType.NBIRTH, MessageType.DBIRTH)
        }


def said_of(outgoing: Outgoing) -> Said:
    return Said(parse_topic(outgoing.topic), parse(outgoing.payload), outgoing)


def talk_once() -> Talk:
    host, edge = HostSession("frostline"), EdgeSession("site", "gw", 7, "frostline")
    talk = Talk(said_of(edge.will()))
    talk.before_host = edge.may_birth
    talk.host_wills.append(host.will(1000))
    talk.host_says.append(host.online(1001))
    edge.receive(talk.host_says[0].topic, talk.host_says[0].payload, 1002)

    def send(*messages: Outgoing, at_ms: int) -> None:
        for each in messages:
            talk.said.append(said_of(each))
            talk.events += host.receive(each.topic, each.payload, at_ms)

    def command(topic: str, raw: bytes) -> None:
        talk.commands.append((topic, raw))
        talk.followed += edge.receive(topic, raw, 3000)

    send(*edge.birth(1100, NODE, [DeviceBirth(ROOM, VALUES)]), at_ms=1100)
    send(edge.device_birth(1200, DeviceBirth(DOOR)), at_ms=1200)
    for i in range(300):
        reading = Metric("air_temperature", value=float(i), timestamp_ms=2000 + i)
        send(edge.data(2000 + i, "room-1", [reading]), at_ms=2000 + i)
        send(edge.data(2000 + i, "", [Metric("command", value="{}", timestamp_ms=2000 + i)]), at_ms=2000 + i)
    command(*host.command("site", "gw", "room-1", [Metric("setpoint", value=-20.0)], 3000))
    command(*host.command("site", "gw", "", [Metric("command", value="x")], 3000))
    command(*host.rebirth_command("site", "gw", 3000))
    talk.rebirth_at = len(talk.said)
    send(*edge.birth(3100, NODE, [DeviceBirth(ROOM, VALUES), DeviceBirth(DOOR)]), at_ms=3100)
    send(edge.device_death(3200, "door-1"), at_ms=3250)
    talk.old_state = list(edge.receive("spBv1.0/STATE/frostline", StatePayload(False, 999).encode(), 3300))
    talk.host_says.append(host.offline(3400))
    edge.receive(talk.host_says[1].topic, talk.host_says[1].payload, 3401)
    talk.offline = edge.may_birth
    send(edge.death(3500), at_ms=3550)
    return talk


TALK = talk_once()
DATA = (MessageType.NDATA, MessageType.DDATA)
BIRTHS = (MessageType.NBIRTH, MessageType.DBIRTH)
DEATH = MessageType.DDEATH
Check = Callable[[Talk], bool]


def each_of(check: Callable[[Said], bool], *kinds: MessageType) -> Check:
    """True of every message of these kinds, of which there must be some."""
    return lambda talk: bool(talk.of(*kinds)) and all(check(each) for each in talk.of(*kinds))


def metrics_of(check: Callable[[Metric], bool], *kinds: MessageType) -> Check:
    return each_of(lambda said: all(check(metric) for metric in decode(said.outgoing.payload).metrics), *kinds)


def goes_as_asked(said: Said) -> bool:
    return said.outgoing.qos == 0 and not said.outgoing.retain


def seq_counts_on(talk: Talk) -> bool:
    """Counted from 0 to 255 and round again, over node and devices; from 0 again at the rebirth."""
    seqs = [each.message.seq for each in talk.said if each.topic.type is not MessageType.NDEATH]
    first, again = seqs[: talk.rebirth_at], seqs[talk.rebirth_at :]
    return all(seq == i % 256 for run in (first, again) for i, seq in enumerate(run))


def data_metric(check: Callable[[PayloadMessage], bool]) -> Check:
    return each_of(lambda said: check(said.message), *DATA)


def births_first(talk: Talk) -> bool:
    kinds = [each.topic.type for each in talk.said]
    return kinds[0] is MessageType.NBIRTH and kinds[talk.rebirth_at] is MessageType.NBIRTH


def declared_in(talk: Talk) -> bool:
    """Every alias in DATA was declared by a birth of the same device."""
    known = {
        device: {metric.alias for metric in metrics.values() if metric.alias is not None}
        for device, metrics in talk.births().items()
    }
    return all(metric.alias in known[each.topic.device] for each in talk.of(*DATA) for metric in each.message.metrics)


def unique_aliases(talk: Talk) -> bool:
    found = [m.alias for metrics in talk.births().values() for m in metrics.values() if m.alias is not None]
    return len(found) == len(set(found))


def chronological(kind: MessageType) -> Check:
    def check(talk: Talk) -> bool:
        times = [metric.timestamp for each in talk.of(kind) for metric in each.message.metrics]
        return times == sorted(times)

    return check


def folded_once(talk: Talk) -> bool:
    return all(len({name.lower() for name in metrics}) == len(metrics) for metrics in talk.births().values())


def command_number(number: int) -> Callable[[Talk], tuple[Topic, PayloadMessage]]:
    return lambda talk: (parse_topic(talk.commands[number][0]), parse(talk.commands[number][1]))


def command_is(kind: MessageType, number: int) -> Check:
    return lambda talk: command_number(number)(talk)[0].type is kind


def is_timed(number: int) -> Check:
    return lambda talk: command_number(number)(talk)[1].timestamp == 3000


def has_no_seq(number: int) -> Check:
    return lambda talk: not command_number(number)(talk)[1].HasField("seq")


def rebirth_metric_of(talk: Talk) -> Metric:
    return talk.births()[""][REBIRTH]


def deaths_in(talk: Talk) -> tuple[NodeDied, DeviceDied]:
    node = next(event for event in talk.events if isinstance(event, NodeDied))
    device = next(event for event in talk.events if isinstance(event, DeviceDied))
    return node, device


def has_valid_ids(said: Said) -> bool:
    return not any(mark in part for part in (said.topic.group, said.topic.node, said.topic.device) for mark in "+/#")


def bd_seq_of(said: Said) -> int:
    return next(metric.long_value for metric in said.message.metrics if metric.name == "bdSeq")
