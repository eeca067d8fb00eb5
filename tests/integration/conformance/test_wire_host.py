"""What the ingest's process puts on the wire, checked assertion by assertion of the specification.

Each test is named by the assertion's id (`tck-id-` left off), as in the unit tests of the sessions; here the bytes are
those that crossed a relay in front of a real broker.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from frostline_core.commit import COMMIT, unpack_commits
from frostline_core.sparkplug import REBIRTH, PayloadMessage, StatePayload, parse
from tests.integration.conformance.host_conversation import REORDER_MS, RUN, STATE, HostTalk, Said, converse
from tests.support.services import SPARE_S, Mosquitto
from tests.support.wire import Connect, Kind, Packet

Check = Callable[[HostTalk], bool]
CHECKS: dict[str, Check] = {}
_NOW_MS = 5_000 + round(SPARE_S * 1000)
"""How long ago "now" may be."""


def _prove(check: Check, *assertions: str) -> None:
    CHECKS.update(dict.fromkeys(assertions, check))


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> HostTalk:
    with Mosquitto(tmp_path_factory.mktemp("mosquitto")) as broker:
        return converse(tmp_path_factory.mktemp("cloud"), broker)


def _connects(talk: HostTalk) -> list[tuple[Packet, Connect]]:
    return [(packet, packet.connect()) for packet in talk.packets if packet.kind is Kind.CONNECT]


def _each_connect(check: Callable[[Packet, Connect], bool]) -> Check:
    return lambda talk: len(_connects(talk)) == 2 and all(check(*each) for each in _connects(talk))


def _will(connect: Connect) -> StatePayload:
    return StatePayload.decode(connect.will_payload)


def _recent(at_ms: int, said_ms: int) -> bool:
    return 0 <= at_ms - said_ms <= _NOW_MS


def _first(talk: HostTalk, connection: int) -> Said:
    return talk.said(connection=connection)[0]


def _each_birth(check: Callable[[Said, Connect], bool]) -> Check:
    """Of the first message of each session, with the CONNECT of the session."""
    return lambda talk: all(check(_first(talk, n), connect) for n, (_, connect) in enumerate(_connects(talk), 1))


def _subscribed_first(talk: HostTalk) -> bool:
    """CONNECT, CONNACK, SUBSCRIBE to both, SUBACK, and only then the first PUBLISH of ours, in each session."""
    for connection in (1, 2):
        packets = talk.of(connection)
        kinds = [p.kind for p in packets if p.sent or p.kind is not Kind.PUBLISH]
        if kinds[:5] != [Kind.OPEN, Kind.CONNECT, Kind.CONNACK, Kind.SUBSCRIBE, Kind.SUBACK]:
            return False
        (asked,) = [p.filters() for p in packets if p.kind is Kind.SUBSCRIBE]
        if dict(asked) != {STATE: 1, "spBv1.0/#": 1}:
            return False
    return True


def _denied_and_put_right(talk: HostTalk) -> bool:
    """Somebody said that we are offline; the next thing that we say of ourselves is that we are not."""
    came = next(
        at
        for at, p in enumerate(talk.packets)
        if at >= talk.marks["denied"] and not p.sent and p.kind is Kind.PUBLISH and p.publish().topic == STATE
    )
    denied = talk.packets[came]
    answer = next(each for each in talk.said("STATE", 1) if each.at > came)
    said = StatePayload.decode(answer.publish.payload)
    return said.online and answer.packet.at_ms - denied.at_ms < 1_000 + SPARE_S * 1000


def _last(talk: HostTalk) -> Said:
    return talk.said()[-1]


def _goodbye(talk: HostTalk) -> bool:
    """STATE, the broker's word that it has it, DISCONNECT, and the end."""
    ends = [p.kind for at, p in enumerate(talk.packets) if at >= _last(talk).at and (p.sent or p.kind is Kind.PUBACK)]
    without_acks = [kind for kind in ends if kind is not Kind.PUBACK]
    return Kind.PUBACK in ends and without_acks == [Kind.PUBLISH, Kind.DISCONNECT, Kind.CLOSE]


def _commands(talk: HostTalk, node: str = "") -> list[tuple[Said, PayloadMessage]]:
    return [
        (each, parse(each.publish.payload))
        for each in talk.said("NCMD")
        if not node or each.publish.topic == f"spBv1.0/site-a/NCMD/{node}"
    ]


def _each_command(check: Callable[[Said, PayloadMessage], bool]) -> Check:
    return lambda talk: len(_commands(talk)) >= 4 and all(check(*each) for each in _commands(talk))


def _rebirths(talk: HostTalk, node: str) -> list[Said]:
    return [said for said, message in _commands(talk, node) if [m.name for m in message.metrics] == [REBIRTH]]


def _commit(talk: HostTalk) -> bool:
    """By the alias that the node's birth gave to its metric, and with a value of that type."""
    births = [p.publish() for p in talk.packets if not p.sent and p.kind is Kind.PUBLISH and "NBIRTH" in _topic(p)]
    aliases = [m.alias for b in births for m in parse(b.payload).metrics if m.name == COMMIT]
    sent = [m for _, message in _commands(talk, "gw-1") for m in message.metrics if m.name != REBIRTH]
    commits = [(each.run, each.n) for m in sent for each in unpack_commits(m.bytes_value)]
    return {m.alias for m in sent} == {aliases[0]} and commits[0] == (RUN, 1) and commits[-1] == (RUN, 2)


def _namesakes(talk: HostTalk) -> set[str]:
    """The nodes that have a device of one and the same id."""
    heard = [_topic(p) for p in talk.packets if not p.sent and p.kind is Kind.PUBLISH]
    return {topic[3] for topic in heard if topic[2] == "DBIRTH" and topic[4] == "freezer-1"}


def _topic(packet: Packet) -> list[str]:
    return packet.publish().topic.split("/")


def _missed(talk: HostTalk) -> bool:
    """The rebirth is asked for when the missing message has not come in the time that was set, and not before."""
    second = next(
        p
        for p in talk.packets
        if not p.sent and p.kind is Kind.PUBLISH and p.publish().topic == "spBv1.0/site-a/DDATA/gw-3/freezer-1"
    )
    (asked, *more) = _rebirths(talk, "gw-3")
    return not more and asked.packet.at_ms - second.at_ms >= REORDER_MS


# CONNECT and its will.
_prove(_each_connect(lambda _, c: c.level == 4 and c.clean), "message-flow-phid-sparkplug-clean-session-311")
_prove(
    _each_connect(lambda _, c: c.will_topic == STATE),
    "operational-behavior-host-application-connect-will",
    "operational-behavior-host-application-connect-will-topic",
    "host-topic-phid-death-required",
    "payloads-state-will-message",
)
_prove(
    _each_connect(lambda _, c: not _will(c).online),
    "operational-behavior-host-application-connect-will-payload",
    "payloads-state-will-message-payload",
)
_prove(
    _each_connect(lambda p, c: _recent(p.at_ms, _will(c).timestamp_ms)),
    "host-topic-phid-death-payload-timestamp-connect",
)
_prove(_each_connect(lambda _, c: c.will_qos == 1), "operational-behavior-host-application-connect-will-qos")
_prove(_each_connect(lambda _, c: c.will_retain), "operational-behavior-host-application-connect-will-retained")
_prove(
    _each_connect(lambda _, c: c.client_id == "frostline-cloud"),
    "operational-behavior-host-application-host-id",
)

# SUBSCRIBE, then the birth, before anything else.
_prove(
    _subscribed_first,
    "message-flow-phid-sparkplug-subscription",
    "host-topic-phid-birth-sub-required",
    "payloads-state-subscribe",
)
_prove(
    _each_birth(lambda said, _: said.publish.topic == STATE),
    "host-topic-phid-birth-message",
    "host-topic-phid-birth-required",
    "host-topic-phid-birth-topic",
    "message-flow-phid-sparkplug-state-publish",
    "operational-behavior-host-application-connect-birth",
    "payloads-state-birth",
    "intro-sparkplug-host-state",
    "components-ph-state",
    "conformance-primary-host",
)
_prove(
    _each_birth(lambda said, _: StatePayload.decode(said.publish.payload).online),
    "host-topic-phid-birth-payload",
    "message-flow-phid-sparkplug-state-publish-payload",
    "payloads-state-birth-payload",
)
_prove(
    _each_birth(lambda s, c: StatePayload.decode(s.publish.payload).timestamp_ms == _will(c).timestamp_ms),
    "host-topic-phid-birth-payload-timestamp",
    "message-flow-phid-sparkplug-state-publish-payload-timestamp",
)
_prove(_each_birth(lambda said, _: said.publish.qos == 1), "host-topic-phid-birth-qos")
_prove(_each_birth(lambda said, _: said.publish.retain), "host-topic-phid-birth-retain")
_prove(_denied_and_put_right, "message-flow-hid-sparkplug-state-message-delivered")

# A clean stop.
_prove(
    lambda t: _last(t).publish.topic == STATE,
    "operational-behavior-host-application-termination",
    "operational-behavior-host-application-death-topic",
)
_prove(
    lambda t: not StatePayload.decode(_last(t).publish.payload).online,
    "operational-behavior-host-application-death-payload",
)
_prove(
    lambda t: (
        _recent(_last(t).packet.at_ms, (ended := StatePayload.decode(_last(t).publish.payload)).timestamp_ms)
        and ended.timestamp_ms > t.states(2)[0].timestamp_ms
    ),
    "host-topic-phid-death-payload-timestamp-disconnect-clean",
    "host-topic-phid-death-payload-timestamp-disconnect-with-no-disconnect-packet",
)
_prove(lambda t: _last(t).publish.qos == 1, "operational-behavior-host-application-death-qos")
_prove(lambda t: _last(t).publish.retain, "operational-behavior-host-application-death-retained")
_prove(lambda t: t.exit_code == [0] and _goodbye(t), "operational-behavior-host-application-disconnect-intentional")

# Commands.
_prove(
    _each_command(lambda said, _: said.publish.qos == 0 and not said.publish.retain),
    "topics-ncmd-mqtt",
    "payloads-ncmd-qos",
    "payloads-ncmd-retain",
)
_prove(
    _each_command(lambda said, message: _recent(said.packet.at_ms, message.timestamp)),
    "topics-ncmd-timestamp",
    "payloads-ncmd-timestamp",
)
_prove(_each_command(lambda _, message: not message.HasField("seq")), "payloads-ncmd-seq")
_prove(
    _commit,
    "operational-behavior-data-commands-ncmd-verb",
    "operational-behavior-data-commands-ncmd-metric-name",
    "operational-behavior-data-commands-ncmd-metric-value",
)
_prove(
    lambda t: len(_rebirths(t, "gw-2")) == 1,
    "operational-behavior-data-commands-ncmd-rebirth-verb",
    "operational-behavior-data-commands-ncmd-rebirth-name",
    "payloads-name-cmd-requirement",
)
_prove(
    lambda t: all(m.boolean_value for s in _rebirths(t, "gw-2") for m in parse(s.publish.payload).metrics),
    "operational-behavior-data-commands-ncmd-rebirth-value",
)

# Messages in another order.
_prove(
    _missed,
    "operational-behavior-host-reordering-param",
    "operational-behavior-host-reordering-start",
    "operational-behavior-host-reordering-rebirth",
)
_prove(
    lambda t: _namesakes(t) >= {"gw-1", "gw-3", "gw-4"} and _rebirths(t, "gw-4") == [],
    "topic-structure-namespace-duplicate-device-id-across-edge-node",
)
_prove(lambda t: _rebirths(t, "gw-4") == [], "operational-behavior-host-reordering-success")


@pytest.mark.parametrize("assertion", sorted(CHECKS))
def test_the_ingest_keeps(talk: HostTalk, assertion: str) -> None:
    assert CHECKS[assertion](talk)


def test_a_cut_is_told_by_the_will_and_the_new_session_outdoes_it(talk: HostTalk) -> None:
    heard = [StatePayload.decode(each.payload) for each in talk.heard if each.topic == STATE]
    cut = heard.index(_will(_connects(talk)[0][1]))
    assert heard[cut + 1].online
    assert heard[cut + 1].timestamp_ms > heard[cut].timestamp_ms


def test_a_proved_node_that_goes_on_after_the_cut_need_not_be_born_again(talk: HostTalk) -> None:
    assert _rebirths(talk, "gw-1") == []
