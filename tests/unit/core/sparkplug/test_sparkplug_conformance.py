"""One whole conversation of an edge node and a host, checked assertion by assertion of the specification.

Each test is named by the assertion's id (`tck-id-` left off). What needs a socket (clean session, the order of CONNECT
and SUBSCRIBE, several servers) is proved where the sockets are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

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
    Payload,
    PayloadMessage,
    RebirthAsked,
    StatePayload,
    Topic,
    WriteAsked,
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


def _said(outgoing: Outgoing) -> Said:
    return Said(parse_topic(outgoing.topic), parse(outgoing.payload), outgoing)


def _talk() -> Talk:
    host, edge = HostSession("frostline"), EdgeSession("site", "gw", 7, "frostline")
    talk = Talk(_said(edge.will()))
    talk.before_host = edge.may_birth
    talk.host_wills.append(host.will(1000))
    talk.host_says.append(host.online(1001))
    edge.receive(talk.host_says[0].topic, talk.host_says[0].payload, 1002)

    def send(*messages: Outgoing, at_ms: int) -> None:
        for each in messages:
            talk.said.append(_said(each))
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


TALK = _talk()
DATA = (MessageType.NDATA, MessageType.DDATA)
BIRTHS = (MessageType.NBIRTH, MessageType.DBIRTH)
DEATH = MessageType.DDEATH
Check = Callable[[Talk], bool]


def _each(check: Callable[[Said], bool], *kinds: MessageType) -> Check:
    """True of every message of these kinds, of which there must be some."""
    return lambda talk: bool(talk.of(*kinds)) and all(check(each) for each in talk.of(*kinds))


def _metrics(check: Callable[[Metric], bool], *kinds: MessageType) -> Check:
    return _each(lambda said: all(check(metric) for metric in decode(said.outgoing.payload).metrics), *kinds)


def _mqtt(said: Said) -> bool:
    return said.outgoing.qos == 0 and not said.outgoing.retain


def _seqs(talk: Talk) -> bool:
    """Counted from 0 to 255 and round again, over node and devices; from 0 again at the rebirth."""
    seqs = [each.message.seq for each in talk.said if each.topic.type is not MessageType.NDEATH]
    first, again = seqs[: talk.rebirth_at], seqs[talk.rebirth_at :]
    return all(seq == i % 256 for run in (first, again) for i, seq in enumerate(run))


def _data_metric(check: Callable[[PayloadMessage], bool]) -> Check:
    return _each(lambda said: check(said.message), *DATA)


def _births_first(talk: Talk) -> bool:
    kinds = [each.topic.type for each in talk.said]
    return kinds[0] is MessageType.NBIRTH and kinds[talk.rebirth_at] is MessageType.NBIRTH


def _declared(talk: Talk) -> bool:
    """Every alias in DATA was declared by a birth of the same device."""
    known = {
        device: {metric.alias for metric in metrics.values() if metric.alias is not None}
        for device, metrics in talk.births().items()
    }
    return all(metric.alias in known[each.topic.device] for each in talk.of(*DATA) for metric in each.message.metrics)


def _unique_aliases(talk: Talk) -> bool:
    found = [m.alias for metrics in talk.births().values() for m in metrics.values() if m.alias is not None]
    return len(found) == len(set(found))


def _chronological(kind: MessageType) -> Check:
    def check(talk: Talk) -> bool:
        times = [metric.timestamp for each in talk.of(kind) for metric in each.message.metrics]
        return times == sorted(times)

    return check


def _folded_once(talk: Talk) -> bool:
    return all(len({name.lower() for name in metrics}) == len(metrics) for metrics in talk.births().values())


def _command(number: int) -> Callable[[Talk], tuple[Topic, PayloadMessage]]:
    return lambda talk: (parse_topic(talk.commands[number][0]), parse(talk.commands[number][1]))


def _command_is(kind: MessageType, number: int) -> Check:
    return lambda talk: _command(number)(talk)[0].type is kind


def _timed(number: int) -> Check:
    return lambda talk: _command(number)(talk)[1].timestamp == 3000


def _no_seq(number: int) -> Check:
    return lambda talk: not _command(number)(talk)[1].HasField("seq")


def _rebirth_metric(talk: Talk) -> Metric:
    return talk.births()[""][REBIRTH]


def _death_events(talk: Talk) -> tuple[NodeDied, DeviceDied]:
    node = next(event for event in talk.events if isinstance(event, NodeDied))
    device = next(event for event in talk.events if isinstance(event, DeviceDied))
    return node, device


def _ids_valid(said: Said) -> bool:
    return not any(mark in part for part in (said.topic.group, said.topic.node, said.topic.device) for mark in "+/#")


def _bd_seq(said: Said) -> int:
    return next(metric.long_value for metric in said.message.metrics if metric.name == "bdSeq")


CHECKS: dict[str, Check] = {}


def _prove(check: Check, *assertions: str) -> None:
    CHECKS.update(dict.fromkeys(assertions, check))


# Topics and ids.
_prove(lambda t: all(each.outgoing.topic.startswith("spBv1.0/") for each in t.said), "topic-structure-namespace-a")
_prove(
    lambda t: all(bool(each.topic.device) is each.topic.type.startswith("D") for each in t.said),
    "topic-structure-namespace-device-id-associated-message-types",
    "topic-structure-namespace-device-id-non-associated-message-types",
)
_prove(
    lambda t: all(_ids_valid(each) for each in t.said),
    "topic-structure-namespace-valid-group-id",
    "topic-structure-namespace-valid-edge-node-id",
    "topic-structure-namespace-valid-device-id",
)
_prove(_folded_once, "case-sensitivity-metric-names")
_prove(
    lambda t: {(each.topic.group, each.topic.node) for each in t.said} == {("site", "gw")},
    "payloads-nbirth-edge-node-descriptor",
    "message-flow-device-birth-publish-dbirth-match-edge-node-topic",
    "topic-structure",
)

# The will.
_prove(
    lambda t: t.will.outgoing.topic == "spBv1.0/site/NDEATH/gw",
    "message-flow-edge-node-birth-publish-will-message",
    "message-flow-edge-node-birth-publish-will-message-topic",
    "payloads-ndeath-will-message",
    "topics-ndeath-topic",
)
_prove(
    lambda t: t.will.outgoing.qos == 1,
    "message-flow-edge-node-birth-publish-will-message-qos",
    "payloads-ndeath-will-message-qos",
)
_prove(
    lambda t: not t.will.outgoing.retain,
    "message-flow-edge-node-birth-publish-will-message-will-retained",
    "payloads-ndeath-will-message-retain",
)
_prove(
    lambda t: [metric.name for metric in t.will.message.metrics] == ["bdSeq"],
    "message-flow-edge-node-birth-publish-will-message-payload",
    "topics-ndeath-payload",
    "payloads-ndeath-bdseq",
)
_prove(lambda t: not t.will.message.HasField("seq"), "payloads-ndeath-seq", "topics-ndeath-seq")
_prove(
    lambda t: _bd_seq(t.will) == 7 and t.will.message.metrics[0].datatype == DataType.INT64,
    "message-flow-edge-node-birth-publish-will-message-payload-bdSeq",
    "topics-nbirth-bdseq-increment",
)
_prove(
    lambda t: t.said[-1].topic.type is MessageType.NDEATH and _bd_seq(t.said[-1]) == 7,
    "operational-behavior-edge-node-intentional-disconnect-ndeath",
    "payloads-ndeath-will-message-publisher",
    "payloads-ndeath-will-message-publisher-disconnect-mqtt311",
)

# The primary host.
_prove(
    lambda t: not t.before_host,
    "message-flow-edge-node-birth-publish-phid-wait",
    "message-flow-edge-node-birth-publish-phid-wait-online",
    "operational-behavior-edge-node-birth-sequence-wait",
)
_prove(
    lambda t: t.old_state == [],
    "message-flow-edge-node-birth-publish-phid-wait-timestamp",
    "operational-behavior-edge-node-termination-host-offline-timestamp",
)
_prove(
    lambda t: not t.offline,
    "message-flow-edge-node-birth-publish-phid-offline",
    "operational-behavior-edge-node-termination-host-offline",
)

# Births.
_prove(_births_first, "principles-birth-certificates-order", "message-flow-device-birth-publish-nbirth-wait")
_prove(
    _each(_mqtt, *BIRTHS),
    "topics-nbirth-mqtt",
    "topics-dbirth-mqtt",
    "message-flow-edge-node-birth-publish-nbirth-qos",
    "message-flow-edge-node-birth-publish-nbirth-retained",
    "message-flow-device-birth-publish-dbirth-qos",
    "message-flow-device-birth-publish-dbirth-retained",
    "payloads-nbirth-qos",
    "payloads-nbirth-retain",
    "payloads-dbirth-qos",
    "payloads-dbirth-retain",
)
_prove(
    _each(lambda s: s.outgoing.topic == "spBv1.0/site/NBIRTH/gw", MessageType.NBIRTH),
    "topics-nbirth-topic",
    "message-flow-edge-node-birth-publish-nbirth-topic",
)
_prove(
    _each(lambda s: s.outgoing.topic == f"spBv1.0/site/DBIRTH/gw/{s.topic.device}", MessageType.DBIRTH),
    "topics-dbirth-topic",
    "message-flow-device-birth-publish-dbirth-topic",
)
_prove(
    _each(lambda s: s.message.HasField("seq") and s.message.seq == 0, MessageType.NBIRTH),
    "topics-nbirth-seq-num",
    "payloads-nbirth-seq",
    "payloads-sequence-num-req-nbirth",
    "message-flow-edge-node-birth-publish-nbirth-payload-seq",
)
_prove(
    _each(lambda s: s.message.timestamp >= 1100, *BIRTHS),
    "topics-nbirth-timestamp",
    "topics-dbirth-timestamp",
    "payloads-nbirth-timestamp",
    "payloads-dbirth-timestamp",
)
_prove(
    _metrics(lambda m: bool(m.name) and m.datatype is not None and bool(m.timestamp_ms), *BIRTHS),
    "topics-nbirth-metric-reqs",
    "topics-dbirth-metric-reqs",
    "payloads-metric-datatype-req",
    "payloads-name-birth-data-requirement",
    "payloads-metric-timestamp-in-UTC",
)
_prove(
    _metrics(lambda m: m.is_null is (m.value is None), *BIRTHS),
    "operational-behavior-data-publish-nbirth-values",
    "operational-behavior-data-publish-dbirth-values",
)
_prove(
    _each(lambda s: _bd_seq(s) == 7, MessageType.NBIRTH),
    "topics-nbirth-bdseq-included",
    "topics-nbirth-bdseq-matching",
    "payloads-nbirth-bdseq",
    "payloads-nbirth-bdseq-repeat",
    "message-flow-edge-node-birth-publish-nbirth-payload-bdSeq",
)
_prove(
    lambda t: _rebirth_metric(t).name == REBIRTH,
    "topics-nbirth-rebirth-metric",
    "payloads-nbirth-rebirth-req",
    "operational-behavior-data-commands-rebirth-name",
)
_prove(lambda t: _rebirth_metric(t).alias is None, "operational-behavior-data-commands-rebirth-name-aliases")
_prove(lambda t: _rebirth_metric(t).datatype is DataType.BOOLEAN, "operational-behavior-data-commands-rebirth-datatype")
_prove(lambda t: _rebirth_metric(t).value is False, "operational-behavior-data-commands-rebirth-value")
_prove(
    _declared,
    "topics-nbirth-metrics",
    "topics-dbirth-metrics",
    "operational-behavior-data-publish-nbirth",
    "operational-behavior-data-publish-dbirth",
    "payloads-dbirth-order",
    "payloads-ndata-order",
    "payloads-ddata-order",
)
_prove(_unique_aliases, "payloads-alias-uniqueness")
_prove(
    _metrics(lambda m: m.name in ("bdSeq", REBIRTH) or m.alias is not None, *BIRTHS), "payloads-alias-birth-requirement"
)

# Sequence numbers.
_prove(
    _seqs,
    "payloads-sequence-num-incrementing",
    "payloads-dbirth-seq",
    "payloads-dbirth-seq-inc",
    "topics-dbirth-seq",
    "message-flow-device-birth-publish-dbirth-payload-seq",
    "payloads-ndata-seq",
    "payloads-ndata-seq-inc",
    "topics-ndata-seq-num",
    "payloads-ddata-seq",
    "payloads-ddata-seq-inc",
    "topics-ddata-seq-num",
    "payloads-ddeath-seq",
    "payloads-ddeath-seq-inc",
    "payloads-ddeath-seq-number",
    "topics-ddeath-seq-num",
)
_prove(_each(lambda s: s.message.HasField("seq"), *BIRTHS, *DATA, DEATH), "payloads-sequence-num-always-included")

# Data.
_prove(
    _each(_mqtt, *DATA),
    "topics-ndata-mqtt",
    "topics-ddata-mqtt",
    "payloads-ndata-qos",
    "payloads-ndata-retain",
    "payloads-ddata-qos",
    "payloads-ddata-retain",
)
_prove(
    _each(lambda s: str(s.topic) == s.outgoing.topic, *DATA),
    "topics-ndata-topic",
    "topics-ddata-topic",
    "topics-ndata-payload",
    "topics-ddata-payload",
)
_prove(
    _data_metric(lambda m: m.timestamp >= 2000 and all(each.timestamp <= m.timestamp for each in m.metrics)),
    "topics-ndata-timestamp",
    "topics-ddata-timestamp",
    "payloads-ndata-timestamp",
    "payloads-ddata-timestamp",
    "payloads-timestamp-in-UTC",
)
_prove(
    _data_metric(lambda m: all(each.HasField("alias") and not each.HasField("name") for each in m.metrics)),
    "payloads-alias-data-cmd-requirement",
    "payloads-name-requirement",
)
_prove(_data_metric(lambda m: not any(each.datatype for each in m.metrics)), "payloads-metric-datatype-not-req")
_prove(_chronological(MessageType.NDATA), "operational-behavior-data-publish-nbirth-order")
_prove(_chronological(MessageType.DDATA), "operational-behavior-data-publish-dbirth-order")

# Deaths of devices, and the rebirth.
_prove(
    lambda t: [each.topic.device for each in t.of(DEATH)] == ["door-1"] and _mqtt(t.of(DEATH)[0]),
    "operational-behavior-device-ddeath",
    "topics-ddeath-mqtt",
    "topics-ddeath-topic",
)
_prove(_each(lambda s: s.message.timestamp == 3200, DEATH), "payloads-ddeath-timestamp")
_prove(
    lambda t: not any(each.topic.type in DATA for each in t.said[t.rebirth_at :]),
    "operational-behavior-data-commands-rebirth-action-1",
)
_prove(
    lambda t: (
        [each.topic.type for each in t.said[t.rebirth_at :]][:3] == [MessageType.NBIRTH, *[MessageType.DBIRTH] * 2]
    ),
    "operational-behavior-data-commands-rebirth-action-2",
)
_prove(
    lambda t: {_bd_seq(each) for each in t.of(MessageType.NBIRTH)} == {7},
    "operational-behavior-data-commands-rebirth-action-3",
)

# The host's STATE.
STATE = "spBv1.0/STATE/frostline"
_prove(
    lambda t: t.host_wills[0].topic == STATE,
    "operational-behavior-host-application-connect-will",
    "operational-behavior-host-application-connect-will-topic",
    "host-topic-phid-death-topic",
    "host-topic-phid-death-required",
    "payloads-state-will-message",
)
_prove(
    lambda t: StatePayload.decode(t.host_wills[0].payload) == StatePayload(False, 1000),
    "operational-behavior-host-application-connect-will-payload",
    "host-topic-phid-death-payload",
    "host-topic-phid-death-payload-timestamp-connect",
    "payloads-state-will-message-payload",
)
_prove(
    lambda t: t.host_wills[0].qos == 1,
    "operational-behavior-host-application-connect-will-qos",
    "host-topic-phid-death-qos",
    "payloads-state-will-message-qos",
)
_prove(
    lambda t: t.host_wills[0].retain,
    "operational-behavior-host-application-connect-will-retained",
    "host-topic-phid-death-retain",
    "payloads-state-will-message-retain",
)
_prove(
    lambda t: t.host_says[0].topic == STATE,
    "host-topic-phid-birth-message",
    "host-topic-phid-birth-topic",
    "host-topic-phid-birth-required",
    "message-flow-phid-sparkplug-state-publish",
    "operational-behavior-host-application-connect-birth",
    "operational-behavior-host-application-connect-birth-topic",
    "payloads-state-birth",
    "intro-sparkplug-host-state",
    "components-ph-state",
    "conformance-primary-host",
)
_prove(
    lambda t: StatePayload.decode(t.host_says[0].payload) == StatePayload(True, 1000),
    "host-topic-phid-birth-payload",
    "host-topic-phid-birth-payload-timestamp",
    "message-flow-phid-sparkplug-state-publish-payload",
    "message-flow-phid-sparkplug-state-publish-payload-timestamp",
    "operational-behavior-host-application-connect-birth-payload",
    "payloads-state-birth-payload",
)
_prove(
    lambda t: t.host_says[0].qos == 1,
    "host-topic-phid-birth-qos",
    "operational-behavior-host-application-connect-birth-qos",
)
_prove(
    lambda t: t.host_says[0].retain,
    "host-topic-phid-birth-retain",
    "operational-behavior-host-application-connect-birth-retained",
)
_prove(
    lambda t: t.host_says[1].topic == STATE,
    "operational-behavior-host-application-termination",
    "operational-behavior-host-application-death-topic",
)
_prove(
    lambda t: StatePayload.decode(t.host_says[1].payload) == StatePayload(False, 3400),
    "operational-behavior-host-application-death-payload",
    "host-topic-phid-death-payload-timestamp-disconnect-clean",
    "host-topic-phid-death-payload-timestamp-disconnect-with-no-disconnect-packet",
)
_prove(lambda t: t.host_says[1].qos == 1, "operational-behavior-host-application-death-qos")
_prove(lambda t: t.host_says[1].retain, "operational-behavior-host-application-death-retained")

# What the host makes of deaths.
_prove(
    lambda t: not _death_events(t)[0].view.online,
    "operational-behavior-edge-node-termination-host-action-ndeath-node-offline",
)
_prove(
    lambda t: _death_events(t)[0].at_ms == 3550,
    "operational-behavior-edge-node-termination-host-action-ndeath-node-tags-stale",
)
_prove(
    lambda t: not any(each.online for each in _death_events(t)[0].view.devices.values()),
    "operational-behavior-edge-node-termination-host-action-ndeath-devices-offline",
    "operational-behavior-edge-node-termination-host-action-ndeath-devices-tags-stale",
)
_prove(
    lambda t: not _death_events(t)[1].device_view.online,
    "operational-behavior-edge-node-termination-host-action-ddeath-devices-offline",
)
_prove(
    lambda t: _death_events(t)[1].at_ms == 3200,
    "operational-behavior-edge-node-termination-host-action-ddeath-devices-tags-stale",
)

# Commands.
_prove(_command_is(MessageType.DCMD, 0), "operational-behavior-data-commands-dcmd-verb", "topics-dcmd-topic")
_prove(_command_is(MessageType.NCMD, 1), "operational-behavior-data-commands-ncmd-verb", "topics-ncmd-topic")
_prove(_command_is(MessageType.NCMD, 2), "operational-behavior-data-commands-ncmd-rebirth-verb")
_prove(_timed(0), "topics-dcmd-timestamp", "payloads-dcmd-timestamp")
_prove(_timed(1), "topics-ncmd-timestamp", "payloads-ncmd-timestamp")
_prove(_no_seq(0), "payloads-dcmd-seq")
_prove(_no_seq(1), "payloads-ncmd-seq")
_prove(
    lambda t: WriteAsked("room-1", "setpoint", -20.0) in t.followed,
    "operational-behavior-data-commands-dcmd-metric-name",
    "operational-behavior-data-commands-dcmd-metric-value",
    "topics-dcmd-payload",
)
_prove(
    lambda t: WriteAsked("", "command", "x") in t.followed,
    "operational-behavior-data-commands-ncmd-metric-name",
    "operational-behavior-data-commands-ncmd-metric-value",
    "topics-ncmd-payload",
)
_prove(
    lambda t: _command(2)(t)[1].metrics[0].name == REBIRTH,
    "operational-behavior-data-commands-ncmd-rebirth-name",
    "payloads-name-cmd-requirement",
)
_prove(lambda t: RebirthAsked() in t.followed, "operational-behavior-data-commands-ncmd-rebirth-value")


@pytest.mark.parametrize("assertion", sorted(CHECKS))
def test_the_conversation_keeps(assertion: str) -> None:
    assert CHECKS[assertion](TALK)


def test_a_payload_without_device_messages_would_not_pass_unseen() -> None:
    empty = Talk(TALK.will)
    assert not CHECKS["topics-ddata-mqtt"](empty)
    assert Payload(None, None) == decode(b"")
