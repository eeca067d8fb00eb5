"""What can be checked of a gateway's conversation with a broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from frostline_core.commit import BATCH, unpack_batch
from frostline_core.reading import DataType
from frostline_core.sparkplug import REBIRTH, MessageType, parse, value_of
from frostline_core.sparkplug.messages import MetricMessage
from tests.integration.conformance.edge_conversation import STATE, TURNS, EdgeTalk, Message
from tests.support.wire import Connect, Kind, Packet

NBIRTH, DBIRTH, NDATA, DDATA = MessageType.NBIRTH, MessageType.DBIRTH, MessageType.NDATA, MessageType.DDATA
NDEATH, DDEATH = MessageType.NDEATH, MessageType.DDEATH
DATA, BIRTHS = (NDATA, DDATA), (NBIRTH, DBIRTH)
QUALITIES = (0, 192, 500)
UTC_WINDOW_MS = 60_000
"""How old a time stamp may be for the specification's test kit; one of the future never may be."""

Check = Callable[[EdgeTalk], bool]


def each_of(check: Callable[[Message], bool], *kinds: MessageType) -> Check:
    """True of every message of these kinds, of which there must be some."""
    return lambda talk: bool(talk.messages(*kinds)) and all(check(each) for each in talk.messages(*kinds))


def is_id(text: str) -> bool:
    """An id: not empty, and nothing in it that means something in a topic filter."""
    return bool(text) and not set(text) & set("+/#")


def connects_of(talk: EdgeTalk) -> list[Connect]:
    return [packet.connect() for packet in talk.packets if packet.kind is Kind.CONNECT]


def each_connect(check: Callable[[Connect], bool]) -> Check:
    return lambda talk: len(connects_of(talk)) == 4 and all(check(each) for each in connects_of(talk))


def bd_seq_of(payload: bytes) -> int:
    return next(metric.long_value for metric in parse(payload).metrics if metric.name == "bdSeq")


def order_of(packets: list[Packet], *kinds: Kind) -> list[int]:
    """Where the first packet of each kind stands."""
    return [next(i for i, packet in enumerate(packets) if packet.kind is kind) for kind in kinds]


def subscribed_before_births(talk: EdgeTalk) -> bool:
    """CONNECT, CONNACK, SUBSCRIBE, SUBACK, and only then the first PUBLISH of ours, in every session."""
    for connection in talk.connections:
        packets = talk.of(connection)
        said = next(i for i, packet in enumerate(packets) if packet.sent and packet.kind is Kind.PUBLISH)
        found = [*order_of(packets, Kind.CONNECT, Kind.CONNACK, Kind.SUBSCRIBE, Kind.SUBACK), said]
        if found != sorted(found):
            return False
    return True


def subscribes(topic: str) -> Check:
    def check(talk: EdgeTalk) -> bool:
        asked = [[*p.filters()] for p in talk.packets if p.kind is Kind.SUBSCRIBE]
        return len(asked) == 4 and all((topic, 1) in filters for filters in asked)

    return check


def bd_seqs_count_on(talk: EdgeTalk) -> bool:
    """One more for each CONNECT, over a kill of the process too; the first one of a new gateway is 0."""
    return [bd_seq_of(each.will_payload) for each in connects_of(talk)] == [0, 1, 2, 3]


def bd_seqs_match(talk: EdgeTalk) -> bool:
    wills = [bd_seq_of(each.will_payload) for each in connects_of(talk)]
    births = [(each.packet.connection, bd_seq_of(each.publish.payload)) for each in talk.messages(NBIRTH)]
    return {connection for connection, _ in births} == {1, 2, 3, 4} and all(
        seq == wills[connection - 1] for connection, seq in births
    )


def seq_counts_on(talk: EdgeTalk) -> bool:
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


def births_first(talk: EdgeTalk) -> bool:
    return all(talk.messages(connection=each)[0].topic.type is NBIRTH for each in talk.connections)


def births_together(talk: EdgeTalk) -> bool:
    """After an NBIRTH comes the DBIRTH of each device that answers, and no DATA in between."""
    for connection in talk.connections:
        kinds = [each.topic.type for each in talk.messages(connection=connection)]
        for at in (i for i, kind in enumerate(kinds) if kind is NBIRTH):
            data = next((i for i, kind in enumerate(kinds) if i > at and kind in DATA), len(kinds))
            if DBIRTH not in kinds[at:data]:
                return False
    return True


def declared_in(talk: EdgeTalk) -> Iterator[tuple[Message, MetricMessage, str, DataType | None]]:
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


def first_sent_in(talk: EdgeTalk) -> list[tuple[Message, MetricMessage, str, DataType]]:
    """What `declared_in` gives, each row once a session: it is sent again where its commit has not come in time."""
    declared = [
        (each, sent, name, datatype) for each, sent, name, datatype in declared_in(talk) if datatype is not None
    ]
    seen: set[tuple[int, int, int]] = set()
    again: set[int] = set()
    for each, sent, name, _ in declared:
        if name == BATCH:
            mark = unpack_batch(sent.bytes_value)
            row = each.packet.connection, mark.run, mark.n
            again |= {each.at} if row in seen else set()
            seen.add(row)
    return [found for found in declared if found[0].at not in again]


def unique_aliases(talk: EdgeTalk) -> bool:
    """One alias, one metric, over the node and its devices, for a whole session."""
    for connection in talk.connections:
        owners: dict[int, tuple[str, str]] = {}
        for each in talk.messages(*BIRTHS, connection=connection):
            for metric in each.metrics:
                where = each.topic.device, metric.name
                if metric.alias is not None and owners.setdefault(metric.alias, where) != where:
                    return False
    return True


def values_between(talk: EdgeTalk, device: str, metric: str, start: str, end: str) -> list[object]:
    return [
        value_of(sent, datatype)
        for each, sent, name, datatype in first_sent_in(talk)
        if (each.topic.device, name) == (device, metric)
        if talk.marks[start] <= each.at < talk.marks[end]
    ]


def by_exception(talk: EdgeTalk) -> bool:
    """-18.5 was measured five times, and each change of the door once."""
    temperatures = values_between(talk, "room-1", "air_temperature", "online", "rebirths")
    doors = values_between(talk, "room-1", "door_open", "online", "rebirths")
    return temperatures == [-18.0, -18.5, -19.0] and doors == [bool(turn % 2) for turn in range(TURNS)]


def events_once(talk: EdgeTalk) -> bool:
    """The node has events and no measurements: each is sent when it happened, and once in a session."""
    found = [
        (each.packet.connection, name, sent.timestamp, value_of(sent, datatype))
        for each, sent, name, datatype in first_sent_in(talk)
        if not each.topic.device and name != BATCH
    ]
    return bool(found) and len(found) == len(set(found))


def chronological(kind: MessageType) -> Check:
    """Of each metric, apart from what is marked as historical."""

    def check(talk: EdgeTalk) -> bool:
        last: dict[tuple[int, str, str], int] = {}
        for each, sent, name, _ in first_sent_in(talk):
            if each.topic.type is not kind or sent.is_historical:
                continue
            key = each.packet.connection, each.topic.device, name
            if sent.timestamp < last.get(key, 0):
                return False
            last[key] = sent.timestamp
        return bool(last)

    return check


def is_recent(at_ms: int, said_ms: int) -> bool:
    return 0 <= at_ms - said_ms <= UTC_WINDOW_MS


def property_arrays(talk: EdgeTalk) -> bool:
    found = [metric.properties for each in talk.messages(*BIRTHS) for metric in each.message.metrics]
    sets = [each for each in found if each.keys]
    return bool(sets) and all(len(each.keys) == len(each.values) for each in found)


def property_types(talk: EdgeTalk) -> set[int]:
    births = talk.messages(*BIRTHS)
    return {value.type for each in births for metric in each.message.metrics for value in metric.properties.values}


def qualities_in(talk: EdgeTalk) -> list[tuple[int, object]]:
    found: list[tuple[int, object]] = []
    for each in talk.messages(*BIRTHS):
        for metric in each.metrics:
            quality = metric.properties.get("Quality")
            if quality is not None:
                found.append((int(quality.datatype), quality.value))
    return found


def rebirth_metrics(talk: EdgeTalk) -> list[MetricMessage]:
    return [metric for each in talk.messages(NBIRTH) for metric in each.message.metrics if metric.name == REBIRTH]


def each_rebirth(check: Callable[[MetricMessage], bool]) -> Check:
    return lambda talk: len(rebirth_metrics(talk)) == 6 and all(check(each) for each in rebirth_metrics(talk))


def states_in(talk: EdgeTalk, connection: int) -> list[Packet]:
    """STATE of our host as it came to the gateway."""
    return [p for p in talk.of(connection, sent=False) if p.kind is Kind.PUBLISH and p.publish().topic == STATE]


def index_of(talk: EdgeTalk, packet: Packet) -> int:
    return next(at for at, each in enumerate(talk.packets) if each is packet)


def births_waited(talk: EdgeTalk) -> bool:
    """Nothing is said before the host's own STATE online has come, which is the third that did; nor at its second."""
    first, again = talk.messages(connection=1)[0], talk.messages(connection=2)[0]
    return first.at > index_of(talk, states_in(talk, 1)[2]) and again.at > max(
        talk.marks["online again"], index_of(talk, states_in(talk, 2)[-1])
    )


def rebirths_asked(talk: EdgeTalk) -> list[int]:
    """Where NCMDs that ask for a rebirth have come to the gateway."""
    return [
        at
        for at, packet in enumerate(talk.packets)
        if not packet.sent and packet.kind is Kind.PUBLISH
        if packet.publish().topic == "spBv1.0/site/NCMD/gw"
        if [metric.name for metric in parse(packet.publish().payload).metrics] == [REBIRTH]
    ]


def until_birth(talk: EdgeTalk, start: int) -> list[Message]:
    """DATA that was sent after a place in the record and before the next NBIRTH."""
    after = [each for each in talk.messages() if each.at > start]
    born = next(i for i, each in enumerate(after) if each.topic.type is NBIRTH)
    return [each for each in after[:born] if each.topic.type in DATA]


def reborn_after(talk: EdgeTalk, start: int) -> set[str]:
    """The devices that are born between the next NBIRTH and the first DATA after it."""
    after = [each for each in talk.messages() if each.at > start]
    born = next(i for i, each in enumerate(after) if each.topic.type is NBIRTH)
    data = next(i for i, each in enumerate(after) if i > born and each.topic.type in DATA)
    return {each.topic.device for each in after[born:data] if each.topic.type is DBIRTH}


def says_goodbye(talk: EdgeTalk, connection: int) -> bool:
    """NDEATH, DISCONNECT and the end, in this order, with nothing said after them; an answer may be under way."""
    packets = talk.of(connection, sent=True)
    at = next(i for i, p in enumerate(packets) if p.kind is Kind.PUBLISH and "/NDEATH/" in p.publish().topic)
    said = [each.kind for each in packets[at + 1 :] if each.kind is not Kind.PUBACK]
    return said == [Kind.DISCONNECT, Kind.CLOSE]


def one_at_a_time(talk: EdgeTalk) -> bool:
    """A connection is opened only after the one before was closed."""
    ends = [packet for packet in talk.packets if packet.kind in (Kind.OPEN, Kind.CLOSE)]
    return len(ends) == 8 and all(
        opened.kind is Kind.OPEN and closed.kind is Kind.CLOSE and opened.connection == closed.connection
        for opened, closed in zip(ends[::2], ends[1::2], strict=True)
    )
