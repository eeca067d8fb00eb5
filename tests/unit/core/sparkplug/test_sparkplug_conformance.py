"""One whole conversation of an edge node and a host, checked assertion by assertion of the specification.

Each test is named by the assertion's id (`tck-id-` left off). What needs a socket (clean session, the order of CONNECT
and SUBSCRIBE, several servers) is proved where the sockets are.
"""

from __future__ import annotations

import pytest

from frostline_core.reading import DataType
from frostline_core.sparkplug import (
    REBIRTH,
    MessageType,
    Payload,
    RebirthAsked,
    StatePayload,
    WriteAsked,
    decode,
)
from tests.unit.core.sparkplug.conformance_talk import (
    BIRTHS,
    DATA,
    DEATH,
    TALK,
    Check,
    Talk,
    bd_seq_of,
    births_first,
    chronological,
    command_is,
    command_number,
    data_metric,
    deaths_in,
    declared_in,
    each_of,
    folded_once,
    goes_as_asked,
    has_no_seq,
    has_valid_ids,
    is_timed,
    metrics_of,
    rebirth_metric_of,
    seq_counts_on,
    unique_aliases,
)

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
    lambda t: all(has_valid_ids(each) for each in t.said),
    "topic-structure-namespace-valid-group-id",
    "topic-structure-namespace-valid-edge-node-id",
    "topic-structure-namespace-valid-device-id",
)
_prove(folded_once, "case-sensitivity-metric-names")
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
    lambda t: bd_seq_of(t.will) == 7 and t.will.message.metrics[0].datatype == DataType.INT64,
    "message-flow-edge-node-birth-publish-will-message-payload-bdSeq",
    "topics-nbirth-bdseq-increment",
)
_prove(
    lambda t: t.said[-1].topic.type is MessageType.NDEATH and bd_seq_of(t.said[-1]) == 7,
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
_prove(births_first, "principles-birth-certificates-order", "message-flow-device-birth-publish-nbirth-wait")
_prove(
    each_of(goes_as_asked, *BIRTHS),
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
    each_of(lambda s: s.outgoing.topic == "spBv1.0/site/NBIRTH/gw", MessageType.NBIRTH),
    "topics-nbirth-topic",
    "message-flow-edge-node-birth-publish-nbirth-topic",
)
_prove(
    each_of(lambda s: s.outgoing.topic == f"spBv1.0/site/DBIRTH/gw/{s.topic.device}", MessageType.DBIRTH),
    "topics-dbirth-topic",
    "message-flow-device-birth-publish-dbirth-topic",
)
_prove(
    each_of(lambda s: s.message.HasField("seq") and s.message.seq == 0, MessageType.NBIRTH),
    "topics-nbirth-seq-num",
    "payloads-nbirth-seq",
    "payloads-sequence-num-req-nbirth",
    "message-flow-edge-node-birth-publish-nbirth-payload-seq",
)
_prove(
    each_of(lambda s: s.message.timestamp >= 1100, *BIRTHS),
    "topics-nbirth-timestamp",
    "topics-dbirth-timestamp",
    "payloads-nbirth-timestamp",
    "payloads-dbirth-timestamp",
)
_prove(
    metrics_of(lambda m: bool(m.name) and m.datatype is not None and bool(m.timestamp_ms), *BIRTHS),
    "topics-nbirth-metric-reqs",
    "topics-dbirth-metric-reqs",
    "payloads-metric-datatype-req",
    "payloads-name-birth-data-requirement",
    "payloads-metric-timestamp-in-UTC",
)
_prove(
    metrics_of(lambda m: m.is_null is (m.value is None), *BIRTHS),
    "operational-behavior-data-publish-nbirth-values",
    "operational-behavior-data-publish-dbirth-values",
)
_prove(
    each_of(lambda s: bd_seq_of(s) == 7, MessageType.NBIRTH),
    "topics-nbirth-bdseq-included",
    "topics-nbirth-bdseq-matching",
    "payloads-nbirth-bdseq",
    "payloads-nbirth-bdseq-repeat",
    "message-flow-edge-node-birth-publish-nbirth-payload-bdSeq",
)
_prove(
    lambda t: rebirth_metric_of(t).name == REBIRTH,
    "topics-nbirth-rebirth-metric",
    "payloads-nbirth-rebirth-req",
    "operational-behavior-data-commands-rebirth-name",
)
_prove(lambda t: rebirth_metric_of(t).alias is None, "operational-behavior-data-commands-rebirth-name-aliases")
_prove(
    lambda t: rebirth_metric_of(t).datatype is DataType.BOOLEAN, "operational-behavior-data-commands-rebirth-datatype"
)
_prove(lambda t: rebirth_metric_of(t).value is False, "operational-behavior-data-commands-rebirth-value")
_prove(
    declared_in,
    "topics-nbirth-metrics",
    "topics-dbirth-metrics",
    "operational-behavior-data-publish-nbirth",
    "operational-behavior-data-publish-dbirth",
    "payloads-dbirth-order",
    "payloads-ndata-order",
    "payloads-ddata-order",
)
_prove(unique_aliases, "payloads-alias-uniqueness")
_prove(
    metrics_of(lambda m: m.name in ("bdSeq", REBIRTH) or m.alias is not None, *BIRTHS),
    "payloads-alias-birth-requirement",
)

# Sequence numbers.
_prove(
    seq_counts_on,
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
_prove(each_of(lambda s: s.message.HasField("seq"), *BIRTHS, *DATA, DEATH), "payloads-sequence-num-always-included")

# Data.
_prove(
    each_of(goes_as_asked, *DATA),
    "topics-ndata-mqtt",
    "topics-ddata-mqtt",
    "payloads-ndata-qos",
    "payloads-ndata-retain",
    "payloads-ddata-qos",
    "payloads-ddata-retain",
)
_prove(
    each_of(lambda s: str(s.topic) == s.outgoing.topic, *DATA),
    "topics-ndata-topic",
    "topics-ddata-topic",
    "topics-ndata-payload",
    "topics-ddata-payload",
)
_prove(
    data_metric(lambda m: m.timestamp >= 2000 and all(each.timestamp <= m.timestamp for each in m.metrics)),
    "topics-ndata-timestamp",
    "topics-ddata-timestamp",
    "payloads-ndata-timestamp",
    "payloads-ddata-timestamp",
    "payloads-timestamp-in-UTC",
)
_prove(
    data_metric(lambda m: all(each.HasField("alias") and not each.HasField("name") for each in m.metrics)),
    "payloads-alias-data-cmd-requirement",
    "payloads-name-requirement",
)
_prove(data_metric(lambda m: not any(each.datatype for each in m.metrics)), "payloads-metric-datatype-not-req")
_prove(chronological(MessageType.NDATA), "operational-behavior-data-publish-nbirth-order")
_prove(chronological(MessageType.DDATA), "operational-behavior-data-publish-dbirth-order")

# Deaths of devices, and the rebirth.
_prove(
    lambda t: [each.topic.device for each in t.of(DEATH)] == ["door-1"] and goes_as_asked(t.of(DEATH)[0]),
    "operational-behavior-device-ddeath",
    "topics-ddeath-mqtt",
    "topics-ddeath-topic",
)
_prove(each_of(lambda s: s.message.timestamp == 3200, DEATH), "payloads-ddeath-timestamp")
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
    lambda t: {bd_seq_of(each) for each in t.of(MessageType.NBIRTH)} == {7},
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
    lambda t: not deaths_in(t)[0].view.online,
    "operational-behavior-edge-node-termination-host-action-ndeath-node-offline",
)
_prove(
    lambda t: deaths_in(t)[0].at_ms == 3550,
    "operational-behavior-edge-node-termination-host-action-ndeath-node-tags-stale",
)
_prove(
    lambda t: not any(each.online for each in deaths_in(t)[0].view.devices.values()),
    "operational-behavior-edge-node-termination-host-action-ndeath-devices-offline",
    "operational-behavior-edge-node-termination-host-action-ndeath-devices-tags-stale",
)
_prove(
    lambda t: not deaths_in(t)[1].device_view.online,
    "operational-behavior-edge-node-termination-host-action-ddeath-devices-offline",
)
_prove(
    lambda t: deaths_in(t)[1].at_ms == 3200,
    "operational-behavior-edge-node-termination-host-action-ddeath-devices-tags-stale",
)

# Commands.
_prove(command_is(MessageType.DCMD, 0), "operational-behavior-data-commands-dcmd-verb", "topics-dcmd-topic")
_prove(command_is(MessageType.NCMD, 1), "operational-behavior-data-commands-ncmd-verb", "topics-ncmd-topic")
_prove(command_is(MessageType.NCMD, 2), "operational-behavior-data-commands-ncmd-rebirth-verb")
_prove(is_timed(0), "topics-dcmd-timestamp", "payloads-dcmd-timestamp")
_prove(is_timed(1), "topics-ncmd-timestamp", "payloads-ncmd-timestamp")
_prove(has_no_seq(0), "payloads-dcmd-seq")
_prove(has_no_seq(1), "payloads-ncmd-seq")
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
    lambda t: command_number(2)(t)[1].metrics[0].name == REBIRTH,
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
