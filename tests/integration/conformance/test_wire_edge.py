"""What the gateway's process puts on the wire, checked assertion by assertion of the specification.

Each test is named by the assertion's id (`tck-id-` left off), as in the unit tests of the sessions; here the bytes are
those that crossed a relay in front of a real broker.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from frostline_core.commit import BATCH, COMMIT, GAP, RUNS
from frostline_core.reading import DataType
from frostline_core.sparkplug import REBIRTH, parse
from frostline_core.sparkplug.births import KIND, LABELS, ZONE
from tests.integration.conformance.edge_checks import (
    BIRTHS,
    DATA,
    DBIRTH,
    DDATA,
    DDEATH,
    NBIRTH,
    NDATA,
    NDEATH,
    QUALITIES,
    Check,
    bd_seq_of,
    bd_seqs_count_on,
    bd_seqs_match,
    births_first,
    births_together,
    births_waited,
    by_exception,
    chronological,
    connects_of,
    declared_in,
    each_connect,
    each_of,
    each_rebirth,
    events_once,
    is_id,
    is_recent,
    one_at_a_time,
    property_arrays,
    property_types,
    qualities_in,
    rebirths_asked,
    reborn_after,
    says_goodbye,
    seq_counts_on,
    subscribed_before_births,
    subscribes,
    unique_aliases,
    until_birth,
    values_between,
)
from tests.integration.conformance.edge_conversation import STATE, EdgeTalk, converse
from tests.support.services import Mosquitto

CHECKS: dict[str, Check] = {}


def _prove(check: Check, *assertions: str) -> None:
    CHECKS.update(dict.fromkeys(assertions, check))


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> EdgeTalk:
    with Mosquitto(tmp_path_factory.mktemp("mosquitto")) as broker:
        return asyncio.run(converse(tmp_path_factory.mktemp("gateway"), broker))


# Who speaks, and to whom.
_prove(
    lambda t: {(each.topic.group, each.topic.node) for each in t.messages()} == {("site", "gw")},
    "topic-structure",
    "topic-structure-namespace-a",
    "payloads-nbirth-edge-node-descriptor",
    "message-flow-device-birth-publish-dbirth-match-edge-node-topic",
)
_prove(
    lambda t: all(is_id(each.topic.group) for each in t.messages()),
    "intro-group-id-string",
    "intro-group-id-chars",
)
_prove(
    lambda t: all(is_id(each.topic.node) for each in t.messages()),
    "intro-edge-node-id-string",
    "intro-edge-node-id-chars",
)
_prove(
    lambda t: all(is_id(each.topic.device) for each in t.messages() if each.topic.type.startswith("D")),
    "intro-device-id-string",
    "intro-device-id-chars",
)
_prove(
    lambda t: {each.client_id for each in connects_of(t)} == {"frostline-site-gw"},
    "topic-structure-namespace-unique-edge-node-descriptor",
    "intro-edge-node-id-uniqueness",
)
_prove(
    lambda t: all(bool(each.topic.device) is each.topic.type.startswith("D") for each in t.messages()),
    "topic-structure-namespace-device-id-associated-message-types",
    "topic-structure-namespace-device-id-non-associated-message-types",
)
_prove(
    each_of(lambda m: len({metric.name.lower() for metric in m.metrics}) == len(m.metrics), *BIRTHS),
    "case-sensitivity-metric-names",
)

# CONNECT and its will.
_prove(each_connect(lambda c: c.level == 4 and c.clean), "principles-persistence-clean-session-311")
_prove(
    each_connect(lambda c: c.will_topic == "spBv1.0/site/NDEATH/gw"),
    "message-flow-edge-node-birth-publish-will-message",
    "message-flow-edge-node-birth-publish-will-message-topic",
    "payloads-ndeath-will-message",
)
_prove(
    each_connect(lambda c: c.will_qos == 1),
    "message-flow-edge-node-birth-publish-will-message-qos",
    "payloads-ndeath-will-message-qos",
)
_prove(
    each_connect(lambda c: not c.will_retain),
    "message-flow-edge-node-birth-publish-will-message-will-retained",
    "payloads-ndeath-will-message-retain",
)
_prove(
    each_connect(lambda c: [(m.name, m.datatype) for m in parse(c.will_payload).metrics] == [("bdSeq", 4)]),
    "message-flow-edge-node-birth-publish-will-message-payload",
    "topics-ndeath-payload",
    "payloads-ndeath-bdseq",
)
_prove(each_connect(lambda c: not parse(c.will_payload).HasField("seq")), "payloads-ndeath-seq", "topics-ndeath-seq")
_prove(
    bd_seqs_count_on,
    "topics-nbirth-bdseq-increment",
    "message-flow-edge-node-birth-publish-will-message-payload-bdSeq",
)

# SUBSCRIBE.
_prove(subscribed_before_births, "message-flow-edge-node-birth-publish-connect")
_prove(subscribes("spBv1.0/site/NCMD/gw"), "message-flow-edge-node-ncmd-subscribe")
_prove(subscribes("spBv1.0/site/DCMD/gw/#"), "message-flow-device-dcmd-subscribe")
_prove(subscribes(STATE), "operational-behavior-primary-application-state-with-multiple-servers-state-subs")

# The primary host.
_prove(
    births_waited,
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
    lambda t: t.between("pause", "online again")[-1].topic.type is NDEATH and says_goodbye(t, 1),
    "message-flow-edge-node-birth-publish-phid-offline",
    "operational-behavior-edge-node-termination-host-offline",
)
_prove(
    lambda t: connects_of(t)[1] != connects_of(t)[0] and t.messages(NBIRTH, connection=2) != [],
    "operational-behavior-edge-node-termination-host-offline-reconnect",
)
_prove(
    one_at_a_time,
    "operational-behavior-primary-application-state-with-multiple-servers-single-server",
)

# Births.
_prove(births_first, "principles-birth-certificates-order")
_prove(
    each_of(lambda m: m.publish.qos == 0 and not m.publish.retain and not m.publish.dup, *BIRTHS),
    "topics-nbirth-mqtt",
    "topics-dbirth-mqtt",
)
_prove(each_of(lambda m: m.message.seq == 0, NBIRTH), "topics-nbirth-seq-num")
_prove(
    each_of(lambda m: is_recent(m.packet.at_ms, m.message.timestamp), *BIRTHS),
    "topics-nbirth-timestamp",
    "topics-dbirth-timestamp",
)
_prove(
    each_of(lambda m: all(each.name and each.datatype and each.timestamp_ms for each in m.metrics), *BIRTHS),
    "topics-nbirth-metric-reqs",
    "topics-dbirth-metric-reqs",
    "payloads-metric-datatype-req",
    "payloads-name-birth-data-requirement",
)
_prove(
    each_of(lambda m: all(each.is_null is (each.value is None) for each in m.metrics), *BIRTHS),
    "operational-behavior-data-publish-nbirth-values",
    "operational-behavior-data-publish-dbirth-values",
)
_prove(bd_seqs_match, "topics-nbirth-bdseq-included", "topics-nbirth-bdseq-matching", "payloads-nbirth-bdseq-repeat")
_prove(
    each_rebirth(lambda metric: True),
    "topics-nbirth-rebirth-metric",
    "payloads-nbirth-rebirth-req",
    "operational-behavior-data-commands-rebirth-name",
)
_prove(each_rebirth(lambda m: not m.HasField("alias")), "operational-behavior-data-commands-rebirth-name-aliases")
_prove(each_rebirth(lambda m: m.datatype == DataType.BOOLEAN), "operational-behavior-data-commands-rebirth-datatype")
_prove(
    each_rebirth(lambda m: m.HasField("boolean_value") and not m.boolean_value),
    "operational-behavior-data-commands-rebirth-value",
)
_prove(
    births_together,
    "message-flow-device-birth-publish-nbirth-wait",
    "payloads-dbirth-order",
)
_prove(
    lambda t: all(datatype is not None for *_, datatype in declared_in(t)),
    "topics-nbirth-metrics",
    "topics-dbirth-metrics",
    "operational-behavior-data-publish-nbirth",
    "operational-behavior-data-publish-dbirth",
    "payloads-ndata-order",
    "payloads-ddata-order",
)
_prove(unique_aliases, "payloads-alias-uniqueness")
_prove(
    each_of(lambda m: all(each.alias or each.name in ("bdSeq", REBIRTH) for each in m.metrics), *BIRTHS),
    "payloads-alias-birth-requirement",
)
_prove(
    each_of(lambda m: {"bdSeq", REBIRTH, COMMIT, GAP, RUNS} <= {metric.name for metric in m.metrics}, NBIRTH),
    "message-flow-edge-node-birth-publish-nbirth-payload",
)
_prove(
    each_of(lambda m: {KIND, ZONE, LABELS, BATCH} < {metric.name for metric in m.metrics}, DBIRTH),
    "message-flow-device-birth-publish-dbirth-payload",
)
_prove(
    each_of(lambda m: all(metric.datatype in set(DataType) for metric in m.message.metrics), *BIRTHS),
    "payloads-metric-datatype-value-type",
    "payloads-metric-datatype-value",
)
_prove(
    lambda t: bool(property_types(t)) and property_types(t) <= set(DataType),
    "payloads-metric-propertyvalue-type-type",
    "payloads-metric-propertyvalue-type-value",
    "payloads-metric-propertyvalue-type-req",
)
_prove(property_arrays, "payloads-propertyset-keys-array-size", "payloads-propertyset-values-array-size")
_prove(
    lambda t: {datatype for datatype, _ in qualities_in(t)} == {DataType.INT32},
    "payloads-propertyset-quality-value-type",
)
_prove(lambda t: all(value in QUALITIES for _, value in qualities_in(t)), "payloads-propertyset-quality-value-value")

# Order and data.
_prove(
    seq_counts_on,
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
    each_of(lambda m: m.publish.qos == 0 and not m.publish.retain and not m.publish.dup, DDATA),
    "topics-ddata-mqtt",
)
_prove(
    each_of(lambda m: m.publish.qos == 0 and not m.publish.retain and not m.publish.dup, NDATA),
    "topics-ndata-mqtt",
)
_prove(each_of(lambda m: is_recent(m.packet.at_ms, m.message.timestamp), NDATA), "topics-ndata-timestamp")
_prove(each_of(lambda m: is_recent(m.packet.at_ms, m.message.timestamp), DDATA), "topics-ddata-timestamp")
_prove(
    each_of(lambda m: all(is_recent(m.packet.at_ms, each.timestamp) for each in m.message.metrics), *DATA),
    "payloads-timestamp-in-UTC",
    "payloads-metric-timestamp-in-UTC",
)
_prove(
    each_of(lambda m: all(each.HasField("alias") and not each.name for each in m.message.metrics), *DATA),
    "payloads-alias-data-cmd-requirement",
    "payloads-name-requirement",
)
_prove(
    each_of(lambda m: not any(each.datatype for each in m.message.metrics), *DATA), "payloads-metric-datatype-not-req"
)
_prove(
    by_exception,
    "principles-rbe-recommended",
    "operational-behavior-data-publish-dbirth-change",
)
_prove(events_once, "operational-behavior-data-publish-nbirth-change")
_prove(chronological(NDATA), "operational-behavior-data-publish-nbirth-order")
_prove(chronological(DDATA), "operational-behavior-data-publish-dbirth-order")

# Rebirths.
_prove(
    lambda t: len(rebirths_asked(t)) == 2 and all(not until_birth(t, at) for at in rebirths_asked(t)),
    "operational-behavior-data-commands-rebirth-action-1",
)
_prove(
    lambda t: all(reborn_after(t, at) >= {"field", "brief", "room-1", "room-2"} for at in rebirths_asked(t)),
    "operational-behavior-data-commands-rebirth-action-2",
)
_prove(
    lambda t: [bd_seq_of(each.publish.payload) for each in t.messages(NBIRTH, connection=1)] == [0, 0, 0],
    "operational-behavior-data-commands-rebirth-action-3",
)

# Deaths.
_prove(
    lambda t: [each.topic.device for each in t.messages(DDEATH)] == ["gate-1"],
    "operational-behavior-device-ddeath",
)
_prove(each_of(lambda m: m.publish.qos == 0 and not m.publish.retain, DDEATH), "topics-ddeath-mqtt")
_prove(each_of(lambda m: is_recent(m.packet.at_ms, m.message.timestamp), DDEATH), "payloads-ddeath-timestamp")
_prove(
    lambda t: t.exit_code == [0] and says_goodbye(t, 4),
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
    deaths = [bd_seq_of(each.payload) for each in talk.heard if "/NDEATH/" in each.topic]
    assert deaths == [0, 1, 2, 3]
    assert len(talk.messages(NDEATH)) == 2


def test_nothing_of_the_gateway_is_retained(talk: EdgeTalk) -> None:
    assert not any(each.publish.retain for each in talk.messages())


def test_what_was_measured_while_the_host_paused_comes_when_it_is_back(talk: EdgeTalk) -> None:
    assert -30.0 in values_between(talk, "room-1", "air_temperature", "online again", "cut")
    assert all(later.at > earlier.at for earlier, later in pairwise(talk.messages()))
