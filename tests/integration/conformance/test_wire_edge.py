"""What the gateway's process puts on the wire, checked assertion by assertion of the specification.

Each test is named by the assertion's id (`tck-id-` left off), as in the unit tests of the sessions; here the bytes are
those that crossed a relay in front of a real broker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from frostline_core.commit import BATCH, COMMIT, GAP, RUNS
from frostline_core.reading import DataType
from frostline_core.sparkplug import REBIRTH, MessageType, parse, value_of
from frostline_core.sparkplug.births import KIND, LABELS, ZONE
from frostline_core.sparkplug.messages import MetricMessage
from tests.integration.conformance.edge_conversation import STATE, TURNS, EdgeTalk, Message, converse
from tests.support.services import Mosquitto
from tests.support.wire import Connect, Kind, Packet

NBIRTH, DBIRTH, NDATA, DDATA = MessageType.NBIRTH, MessageType.DBIRTH, MessageType.NDATA, MessageType.DDATA
NDEATH, DDEATH = MessageType.NDEATH, MessageType.DDEATH
DATA, BIRTHS = (NDATA, DDATA), (NBIRTH, DBIRTH)
QUALITIES = (0, 192, 500)
UTC_WINDOW_MS = 60_000
"""How old a time stamp may be for the specification's test kit; one of the future never may be."""

Check = Callable[[EdgeTalk], bool]
CHECKS: dict[str, Check] = {}


def _prove(check: Check, *assertions: str) -> None:
    CHECKS.update(dict.fromkeys(assertions, check))


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> EdgeTalk:
    with Mosquitto(tmp_path_factory.mktemp("mosquitto")) as broker:
        return asyncio.run(converse(tmp_path_factory.mktemp("gateway"), broker))


def _each(check: Callable[[Message], bool], *kinds: MessageType) -> Check:
    """True of every message of these kinds, of which there must be some."""
    return lambda talk: bool(talk.messages(*kinds)) and all(check(each) for each in talk.messages(*kinds))


def _valid(text: str) -> bool:
    """An id: not empty, and nothing in it that means something in a topic filter."""
    return bool(text) and not set(text) & set("+/#")


def _connects(talk: EdgeTalk) -> list[Connect]:
    return [packet.connect() for packet in talk.packets if packet.kind is Kind.CONNECT]


def _each_connect(check: Callable[[Connect], bool]) -> Check:
    return lambda talk: len(_connects(talk)) == 4 and all(check(each) for each in _connects(talk))


def _bd_seq(payload: bytes) -> int:
    return next(metric.long_value for metric in parse(payload).metrics if metric.name == "bdSeq")


def _order(packets: list[Packet], *kinds: Kind) -> list[int]:
    """Where the first packet of each kind stands."""
    return [next(i for i, packet in enumerate(packets) if packet.kind is kind) for kind in kinds]


def _subscribed_before_births(talk: EdgeTalk) -> bool:
    """CONNECT, CONNACK, SUBSCRIBE, SUBACK, and only then the first PUBLISH of ours, in every session."""
    for connection in talk.connections:
        packets = talk.of(connection)
        said = next(i for i, packet in enumerate(packets) if packet.sent and packet.kind is Kind.PUBLISH)
        found = [*_order(packets, Kind.CONNECT, Kind.CONNACK, Kind.SUBSCRIBE, Kind.SUBACK), said]
        if found != sorted(found):
            return False
    return True


def _subscribes(topic: str) -> Check:
    def check(talk: EdgeTalk) -> bool:
        asked = [[*p.filters()] for p in talk.packets if p.kind is Kind.SUBSCRIBE]
        return len(asked) == 4 and all((topic, 1) in filters for filters in asked)

    return check


def _bd_seqs_count_on(talk: EdgeTalk) -> bool:
    """One more for each CONNECT, over a kill of the process too; the first one of a new gateway is 0."""
    return [_bd_seq(each.will_payload) for each in _connects(talk)] == [0, 1, 2, 3]


def _bd_seqs_match(talk: EdgeTalk) -> bool:
    wills = [_bd_seq(each.will_payload) for each in _connects(talk)]
    births = [(each.packet.connection, _bd_seq(each.publish.payload)) for each in talk.messages(NBIRTH)]
    return {connection for connection, _ in births} == {1, 2, 3, 4} and all(
        seq == wills[connection - 1] for connection, seq in births
    )


def _seqs(talk: EdgeTalk) -> bool:
    """0 at each NBIRTH, then one more for each message of node and devices, round after 255."""
    longest = 0
    for connection in talk.connections:
        expected = 0
        for each in talk.messages(connection=connection):
            if each.topic.type is NDEATH:
                continue
            expected = 0 if each.topic.type is NBIRTH else expected
            if not each.message.HasField("seq") or each.message.seq != expected % 256:
                return False
            expected += 1
            longest = max(longest, expected)
    return longest > 256


def _births_first(talk: EdgeTalk) -> bool:
    return all(talk.messages(connection=each)[0].topic.type is NBIRTH for each in talk.connections)


def _births_together(talk: EdgeTalk) -> bool:
    """After an NBIRTH comes the DBIRTH of each device that answers, and no DATA in between."""
    for connection in talk.connections:
        kinds = [each.topic.type for each in talk.messages(connection=connection)]
        for at in (i for i, kind in enumerate(kinds) if kind is NBIRTH):
            data = next((i for i, kind in enumerate(kinds) if i > at and kind in DATA), len(kinds))
            if DBIRTH not in kinds[at:data]:
                return False
    return True


def _declared(talk: EdgeTalk) -> Iterator[tuple[Message, MetricMessage, str, DataType | None]]:
    """Every metric in DATA with name and type of its birth; the type is None where no birth declared it before."""
    for connection in talk.connections:
        known: dict[tuple[str, int], tuple[str, DataType]] = {}
        for each in talk.messages(connection=connection):
            if each.topic.type in BIRTHS:
                for metric in each.metrics:
                    if metric.alias is not None and metric.datatype is not None:
                        known[each.topic.device, metric.alias] = metric.name, metric.datatype
            elif each.topic.type in DATA:
                for sent in each.message.metrics:
                    name, datatype = known.get((each.topic.device, sent.alias), ("", None))
                    yield each, sent, name, datatype


def _unique_aliases(talk: EdgeTalk) -> bool:
    """One alias, one metric, over the node and its devices, for a whole session."""
    for connection in talk.connections:
        owners: dict[int, tuple[str, str]] = {}
        for each in talk.messages(*BIRTHS, connection=connection):
            for metric in each.metrics:
                where = each.topic.device, metric.name
                if metric.alias is not None and owners.setdefault(metric.alias, where) != where:
                    return False
    return True


def _values(talk: EdgeTalk, device: str, metric: str, start: str, end: str) -> list[object]:
    return [
        value_of(sent, datatype)
        for each, sent, name, datatype in _declared(talk)
        if datatype is not None and (each.topic.device, name) == (device, metric)
        if talk.marks[start] <= each.at < talk.marks[end]
    ]


def _by_exception(talk: EdgeTalk) -> bool:
    """-18.5 was measured five times, and each change of the door once."""
    temperatures = _values(talk, "room-1", "air_temperature", "online", "rebirths")
    doors = _values(talk, "room-1", "door_open", "online", "rebirths")
    return temperatures == [-18.0, -18.5, -19.0] and doors == [bool(turn % 2) for turn in range(TURNS)]


def _events_once(talk: EdgeTalk) -> bool:
    """The node has events and no measurements: each is sent when it happened, and once in a session."""
    found = [
        (each.packet.connection, name, sent.timestamp, value_of(sent, datatype))
        for each, sent, name, datatype in _declared(talk)
        if datatype is not None and not each.topic.device and name != BATCH
    ]
    return bool(found) and len(found) == len(set(found))


def _chronological(kind: MessageType) -> Check:
    """Of each metric, apart from what is marked as historical."""

    def check(talk: EdgeTalk) -> bool:
        last: dict[tuple[int, str, str], int] = {}
        for each, sent, name, _ in _declared(talk):
            if each.topic.type is not kind or sent.is_historical:
                continue
            key = each.packet.connection, each.topic.device, name
            if sent.timestamp < last.get(key, 0):
                return False
            last[key] = sent.timestamp
        return bool(last)

    return check


def _recent(at_ms: int, said_ms: int) -> bool:
    return 0 <= at_ms - said_ms <= UTC_WINDOW_MS


def _property_arrays(talk: EdgeTalk) -> bool:
    found = [metric.properties for each in talk.messages(*BIRTHS) for metric in each.message.metrics]
    sets = [each for each in found if each.keys]
    return bool(sets) and all(len(each.keys) == len(each.values) for each in found)


def _property_types(talk: EdgeTalk) -> set[int]:
    births = talk.messages(*BIRTHS)
    return {value.type for each in births for metric in each.message.metrics for value in metric.properties.values}


def _qualities(talk: EdgeTalk) -> list[tuple[int, object]]:
    found: list[tuple[int, object]] = []
    for each in talk.messages(*BIRTHS):
        for metric in each.metrics:
            quality = metric.properties.get("Quality")
            if quality is not None:
                found.append((int(quality.datatype), quality.value))
    return found


def _rebirth_metrics(talk: EdgeTalk) -> list[MetricMessage]:
    return [metric for each in talk.messages(NBIRTH) for metric in each.message.metrics if metric.name == REBIRTH]


def _each_rebirth(check: Callable[[MetricMessage], bool]) -> Check:
    return lambda talk: len(_rebirth_metrics(talk)) == 6 and all(check(each) for each in _rebirth_metrics(talk))


def _states(talk: EdgeTalk, connection: int) -> list[Packet]:
    """STATE of our host as it came to the gateway."""
    return [p for p in talk.of(connection, sent=False) if p.kind is Kind.PUBLISH and p.publish().topic == STATE]


def _index(talk: EdgeTalk, packet: Packet) -> int:
    return next(at for at, each in enumerate(talk.packets) if each is packet)


def _waited(talk: EdgeTalk) -> bool:
    """Nothing is said before the host's own STATE online has come, which is the third that did; nor at its second."""
    first, again = talk.messages(connection=1)[0], talk.messages(connection=2)[0]
    return first.at > _index(talk, _states(talk, 1)[2]) and again.at > max(
        talk.marks["online again"], _index(talk, _states(talk, 2)[-1])
    )


def _asked(talk: EdgeTalk) -> list[int]:
    """Where NCMDs that ask for a rebirth have come to the gateway."""
    return [
        at
        for at, packet in enumerate(talk.packets)
        if not packet.sent and packet.kind is Kind.PUBLISH
        if packet.publish().topic == "spBv1.0/site/NCMD/gw"
        if [metric.name for metric in parse(packet.publish().payload).metrics] == [REBIRTH]
    ]


def _until_birth(talk: EdgeTalk, start: int) -> list[Message]:
    """DATA that was sent after a place in the record and before the next NBIRTH."""
    after = [each for each in talk.messages() if each.at > start]
    born = next(i for i, each in enumerate(after) if each.topic.type is NBIRTH)
    return [each for each in after[:born] if each.topic.type in DATA]


def _reborn(talk: EdgeTalk, start: int) -> set[str]:
    """The devices that are born between the next NBIRTH and the first DATA after it."""
    after = [each for each in talk.messages() if each.at > start]
    born = next(i for i, each in enumerate(after) if each.topic.type is NBIRTH)
    data = next(i for i, each in enumerate(after) if i > born and each.topic.type in DATA)
    return {each.topic.device for each in after[born:data] if each.topic.type is DBIRTH}


def _goodbye(talk: EdgeTalk, connection: int) -> bool:
    """NDEATH, DISCONNECT and the end, in this order, with nothing said after them; an answer may be under way."""
    packets = talk.of(connection, sent=True)
    at = next(i for i, p in enumerate(packets) if p.kind is Kind.PUBLISH and "/NDEATH/" in p.publish().topic)
    said = [each.kind for each in packets[at + 1 :] if each.kind is not Kind.PUBACK]
    return said == [Kind.DISCONNECT, Kind.CLOSE]


def _one_at_a_time(talk: EdgeTalk) -> bool:
    """A connection is opened only after the one before was closed."""
    ends = [packet for packet in talk.packets if packet.kind in (Kind.OPEN, Kind.CLOSE)]
    return len(ends) == 8 and all(
        opened.kind is Kind.OPEN and closed.kind is Kind.CLOSE and opened.connection == closed.connection
        for opened, closed in zip(ends[::2], ends[1::2], strict=True)
    )


# Who speaks, and to whom.
_prove(
    lambda t: {(each.topic.group, each.topic.node) for each in t.messages()} == {("site", "gw")},
    "topic-structure",
    "topic-structure-namespace-a",
    "payloads-nbirth-edge-node-descriptor",
    "message-flow-device-birth-publish-dbirth-match-edge-node-topic",
)
_prove(
    lambda t: all(_valid(each.topic.group) for each in t.messages()),
    "intro-group-id-string",
    "intro-group-id-chars",
)
_prove(
    lambda t: all(_valid(each.topic.node) for each in t.messages()),
    "intro-edge-node-id-string",
    "intro-edge-node-id-chars",
)
_prove(
    lambda t: all(_valid(each.topic.device) for each in t.messages() if each.topic.type.startswith("D")),
    "intro-device-id-string",
    "intro-device-id-chars",
)
_prove(
    lambda t: {each.client_id for each in _connects(t)} == {"frostline-site-gw"},
    "topic-structure-namespace-unique-edge-node-descriptor",
    "intro-edge-node-id-uniqueness",
)
_prove(
    lambda t: all(bool(each.topic.device) is each.topic.type.startswith("D") for each in t.messages()),
    "topic-structure-namespace-device-id-associated-message-types",
    "topic-structure-namespace-device-id-non-associated-message-types",
)
_prove(
    _each(lambda m: len({metric.name.lower() for metric in m.metrics}) == len(m.metrics), *BIRTHS),
    "case-sensitivity-metric-names",
)

# CONNECT and its will.
_prove(_each_connect(lambda c: c.level == 4 and c.clean), "principles-persistence-clean-session-311")
_prove(
    _each_connect(lambda c: c.will_topic == "spBv1.0/site/NDEATH/gw"),
    "message-flow-edge-node-birth-publish-will-message",
    "message-flow-edge-node-birth-publish-will-message-topic",
    "payloads-ndeath-will-message",
)
_prove(
    _each_connect(lambda c: c.will_qos == 1),
    "message-flow-edge-node-birth-publish-will-message-qos",
    "payloads-ndeath-will-message-qos",
)
_prove(
    _each_connect(lambda c: not c.will_retain),
    "message-flow-edge-node-birth-publish-will-message-will-retained",
    "payloads-ndeath-will-message-retain",
)
_prove(
    _each_connect(lambda c: [(m.name, m.datatype) for m in parse(c.will_payload).metrics] == [("bdSeq", 4)]),
    "message-flow-edge-node-birth-publish-will-message-payload",
    "topics-ndeath-payload",
    "payloads-ndeath-bdseq",
)
_prove(_each_connect(lambda c: not parse(c.will_payload).HasField("seq")), "payloads-ndeath-seq", "topics-ndeath-seq")
_prove(
    _bd_seqs_count_on,
    "topics-nbirth-bdseq-increment",
    "message-flow-edge-node-birth-publish-will-message-payload-bdSeq",
)

# SUBSCRIBE.
_prove(_subscribed_before_births, "message-flow-edge-node-birth-publish-connect")
_prove(_subscribes("spBv1.0/site/NCMD/gw"), "message-flow-edge-node-ncmd-subscribe")
_prove(_subscribes("spBv1.0/site/DCMD/gw/#"), "message-flow-device-dcmd-subscribe")
_prove(_subscribes(STATE), "operational-behavior-primary-application-state-with-multiple-servers-state-subs")

# The primary host.
_prove(
    _waited,
    "message-flow-edge-node-birth-publish-phid-wait",
    "message-flow-edge-node-birth-publish-phid-wait-id",
    "message-flow-edge-node-birth-publish-phid-wait-online",
    "message-flow-edge-node-birth-publish-phid-wait-timestamp",
    "operational-behavior-edge-node-birth-sequence-wait",
)
_prove(
    lambda t: t.between("an old death", "pause") == [] and len(t.messages(NDEATH, connection=1)) == 1,
    "operational-behavior-edge-node-termination-host-offline-timestamp",
)
_prove(
    lambda t: t.between("pause", "online again")[-1].topic.type is NDEATH and _goodbye(t, 1),
    "message-flow-edge-node-birth-publish-phid-offline",
    "operational-behavior-edge-node-termination-host-offline",
)
_prove(
    lambda t: _connects(t)[1] != _connects(t)[0] and t.messages(NBIRTH, connection=2) != [],
    "operational-behavior-edge-node-termination-host-offline-reconnect",
)
_prove(
    _one_at_a_time,
    "operational-behavior-primary-application-state-with-multiple-servers-single-server",
)

# Births.
_prove(_births_first, "principles-birth-certificates-order")
_prove(
    _each(lambda m: m.publish.qos == 0 and not m.publish.retain and not m.publish.dup, *BIRTHS),
    "topics-nbirth-mqtt",
    "topics-dbirth-mqtt",
)
_prove(_each(lambda m: m.message.seq == 0, NBIRTH), "topics-nbirth-seq-num")
_prove(
    _each(lambda m: _recent(m.packet.at_ms, m.message.timestamp), *BIRTHS),
    "topics-nbirth-timestamp",
    "topics-dbirth-timestamp",
)
_prove(
    _each(lambda m: all(each.name and each.datatype and each.timestamp_ms for each in m.metrics), *BIRTHS),
    "topics-nbirth-metric-reqs",
    "topics-dbirth-metric-reqs",
    "payloads-metric-datatype-req",
    "payloads-name-birth-data-requirement",
)
_prove(
    _each(lambda m: all(each.is_null is (each.value is None) for each in m.metrics), *BIRTHS),
    "operational-behavior-data-publish-nbirth-values",
    "operational-behavior-data-publish-dbirth-values",
)
_prove(_bd_seqs_match, "topics-nbirth-bdseq-included", "topics-nbirth-bdseq-matching", "payloads-nbirth-bdseq-repeat")
_prove(
    _each_rebirth(lambda metric: True),
    "topics-nbirth-rebirth-metric",
    "payloads-nbirth-rebirth-req",
    "operational-behavior-data-commands-rebirth-name",
)
_prove(_each_rebirth(lambda m: not m.HasField("alias")), "operational-behavior-data-commands-rebirth-name-aliases")
_prove(_each_rebirth(lambda m: m.datatype == DataType.BOOLEAN), "operational-behavior-data-commands-rebirth-datatype")
_prove(
    _each_rebirth(lambda m: m.HasField("boolean_value") and not m.boolean_value),
    "operational-behavior-data-commands-rebirth-value",
)
_prove(
    _births_together,
    "message-flow-device-birth-publish-nbirth-wait",
    "payloads-dbirth-order",
)
_prove(
    lambda t: all(datatype is not None for *_, datatype in _declared(t)),
    "topics-nbirth-metrics",
    "topics-dbirth-metrics",
    "operational-behavior-data-publish-nbirth",
    "operational-behavior-data-publish-dbirth",
    "payloads-ndata-order",
    "payloads-ddata-order",
)
_prove(_unique_aliases, "payloads-alias-uniqueness")
_prove(
    _each(lambda m: all(each.alias or each.name in ("bdSeq", REBIRTH) for each in m.metrics), *BIRTHS),
    "payloads-alias-birth-requirement",
)
_prove(
    _each(lambda m: {"bdSeq", REBIRTH, COMMIT, GAP, RUNS} <= {metric.name for metric in m.metrics}, NBIRTH),
    "message-flow-edge-node-birth-publish-nbirth-payload",
)
_prove(
    _each(lambda m: {KIND, ZONE, LABELS, BATCH} < {metric.name for metric in m.metrics}, DBIRTH),
    "message-flow-device-birth-publish-dbirth-payload",
)
_prove(
    _each(lambda m: all(metric.datatype in set(DataType) for metric in m.message.metrics), *BIRTHS),
    "payloads-metric-datatype-value-type",
    "payloads-metric-datatype-value",
)
_prove(
    lambda t: bool(_property_types(t)) and _property_types(t) <= set(DataType),
    "payloads-metric-propertyvalue-type-type",
    "payloads-metric-propertyvalue-type-value",
    "payloads-metric-propertyvalue-type-req",
)
_prove(_property_arrays, "payloads-propertyset-keys-array-size", "payloads-propertyset-values-array-size")
_prove(
    lambda t: {datatype for datatype, _ in _qualities(t)} == {DataType.INT32},
    "payloads-propertyset-quality-value-type",
)
_prove(lambda t: all(value in QUALITIES for _, value in _qualities(t)), "payloads-propertyset-quality-value-value")

# Order and data.
_prove(
    _seqs,
    "payloads-sequence-num-incrementing",
    "payloads-sequence-num-always-included",
    "message-flow-device-birth-publish-dbirth-payload-seq",
    "payloads-dbirth-seq-inc",
    "topics-dbirth-seq",
    "topics-ndata-seq-num",
    "topics-ddata-seq-num",
    "topics-ddeath-seq-num",
    "payloads-ddeath-seq",
    "payloads-ddeath-seq-inc",
    "payloads-ddeath-seq-number",
)
_prove(
    _each(lambda m: m.publish.qos == 0 and not m.publish.retain and not m.publish.dup, DDATA),
    "topics-ddata-mqtt",
)
_prove(
    _each(lambda m: m.publish.qos == 0 and not m.publish.retain and not m.publish.dup, NDATA),
    "topics-ndata-mqtt",
)
_prove(_each(lambda m: _recent(m.packet.at_ms, m.message.timestamp), NDATA), "topics-ndata-timestamp")
_prove(_each(lambda m: _recent(m.packet.at_ms, m.message.timestamp), DDATA), "topics-ddata-timestamp")
_prove(
    _each(lambda m: all(_recent(m.packet.at_ms, each.timestamp) for each in m.message.metrics), *DATA),
    "payloads-timestamp-in-UTC",
    "payloads-metric-timestamp-in-UTC",
)
_prove(
    _each(lambda m: all(each.HasField("alias") and not each.name for each in m.message.metrics), *DATA),
    "payloads-alias-data-cmd-requirement",
    "payloads-name-requirement",
)
_prove(_each(lambda m: not any(each.datatype for each in m.message.metrics), *DATA), "payloads-metric-datatype-not-req")
_prove(
    _by_exception,
    "principles-rbe-recommended",
    "operational-behavior-data-publish-dbirth-change",
)
_prove(_events_once, "operational-behavior-data-publish-nbirth-change")
_prove(_chronological(NDATA), "operational-behavior-data-publish-nbirth-order")
_prove(_chronological(DDATA), "operational-behavior-data-publish-dbirth-order")

# Rebirths.
_prove(
    lambda t: len(_asked(t)) == 2 and all(not _until_birth(t, at) for at in _asked(t)),
    "operational-behavior-data-commands-rebirth-action-1",
)
_prove(
    lambda t: all(_reborn(t, at) >= {"field", "brief", "room-1", "room-2"} for at in _asked(t)),
    "operational-behavior-data-commands-rebirth-action-2",
)
_prove(
    lambda t: [_bd_seq(each.publish.payload) for each in t.messages(NBIRTH, connection=1)] == [0, 0, 0],
    "operational-behavior-data-commands-rebirth-action-3",
)

# Deaths.
_prove(
    lambda t: [each.topic.device for each in t.messages(DDEATH)] == ["gate-1"],
    "operational-behavior-device-ddeath",
)
_prove(_each(lambda m: m.publish.qos == 0 and not m.publish.retain, DDEATH), "topics-ddeath-mqtt")
_prove(_each(lambda m: _recent(m.packet.at_ms, m.message.timestamp), DDEATH), "payloads-ddeath-timestamp")
_prove(
    lambda t: t.exit_code == [0] and _goodbye(t, 4),
    "operational-behavior-edge-node-intentional-disconnect-ndeath",
    "operational-behavior-edge-node-intentional-disconnect-packet",
    "payloads-ndeath-will-message-publisher",
    "payloads-ndeath-will-message-publisher-disconnect-mqtt311",
)


@pytest.mark.parametrize("assertion", sorted(CHECKS))
def test_the_gateway_keeps(talk: EdgeTalk, assertion: str) -> None:
    assert CHECKS[assertion](talk)


def test_the_broker_tells_of_each_end_once_and_of_the_right_session(talk: EdgeTalk) -> None:
    """Ends one and four were said by the gateway, those of the cut and of the kill by its wills."""
    deaths = [_bd_seq(each.payload) for each in talk.heard if "/NDEATH/" in each.topic]
    assert deaths == [0, 1, 2, 3]
    assert len(talk.messages(NDEATH)) == 2


def test_nothing_of_the_gateway_is_retained(talk: EdgeTalk) -> None:
    assert not any(each.publish.retain for each in talk.messages())


def test_what_was_measured_while_the_host_paused_comes_when_it_is_back(talk: EdgeTalk) -> None:
    assert -30.0 in _values(talk, "room-1", "air_temperature", "online again", "cut")
    assert all(later.at > earlier.at for earlier, later in pairwise(talk.messages()))
