"""An edge's will, its death, and the host that it waits for; names carry the ids of the specification."""

from __future__ import annotations

import pytest

from frostline_core.errors import ConfigError
from frostline_core.reading import DataType
from frostline_core.sparkplug import (
    EdgeSession,
    HostState,
    Metric,
    Refused,
    StatePayload,
    decode,
    parse,
)
from tests.unit.core.sparkplug.edge_talk import born_edge, edge_of


def test_ndeath_is_the_will_qos1_not_retained__payloads_ndeath_will_message_qos() -> None:
    will = edge_of().will()
    assert (will.topic, will.qos, will.retain) == ("spBv1.0/site/NDEATH/gw", 1, False)


def test_ndeath_has_bdseq_as_int64_and_nothing_else__topics_ndeath_payload() -> None:
    payload = decode(edge_of(255).will().payload)
    assert payload.metrics == (Metric("bdSeq", datatype=DataType.INT64, value=255),)


def test_ndeath_has_no_seq__topics_ndeath_seq() -> None:
    assert decode(edge_of().will().payload).seq is None


def test_bdseq_is_a_long_value__message_flow_edge_node_birth_publish_will_message_payload_bdseq() -> None:
    assert parse(edge_of().will().payload).metrics[0].WhichOneof("value") == "long_value"


def test_a_clean_stop_publishes_ndeath_itself__operational_behavior_edge_node_intentional_disconnect_ndeath() -> None:
    session, _ = born_edge()
    death = session.death(2000)
    payload = decode(death.payload)
    assert (death.topic, payload.seq, payload.timestamp_ms) == ("spBv1.0/site/NDEATH/gw", None, 2000)
    assert [(metric.name, metric.value) for metric in payload.metrics] == [("bdSeq", 3)]


def test_after_its_death_a_session_sends_nothing__payloads_ndata_order() -> None:
    session, _ = born_edge()
    session.death(2000)
    with pytest.raises(ValueError, match="NBIRTH comes first"):
        session.data(3000, "", [])


@pytest.mark.parametrize("bd_seq", [-1, 256])
def test_bdseq_is_0_to_255(bd_seq: int) -> None:
    with pytest.raises(ValueError, match="0 to 255"):
        EdgeSession("site", "gw", bd_seq)


@pytest.mark.parametrize("ids", [("si/te", "gw", "host"), ("site", "g+w", "host"), ("site", "gw", "h#")])
def test_ids_are_checked__topic_structure_namespace_valid_edge_node_id(ids: tuple[str, str, str]) -> None:
    with pytest.raises(ConfigError):
        EdgeSession(ids[0], ids[1], 0, ids[2])


# Subscriptions and the primary host.


def test_commands_are_subscribed_with_qos1__message_flow_edge_node_ncmd_subscribe() -> None:
    assert ("spBv1.0/site/NCMD/gw", 1) in edge_of().subscriptions()
    assert ("spBv1.0/site/DCMD/gw/#", 1) in edge_of().subscriptions()  # message-flow-device-dcmd-subscribe


def test_the_host_s_state_is_subscribed__operational_behavior_primary_application_state_state_subs() -> None:
    assert ("spBv1.0/STATE/frostline", 1) in edge_of().subscriptions()


def test_without_a_primary_host_there_is_no_wait() -> None:
    session = EdgeSession("site", "gw", 0)
    assert session.may_birth
    assert len(session.subscriptions()) == 2


def test_births_wait_for_the_host__message_flow_edge_node_birth_publish_phid_wait() -> None:
    session = edge_of()
    assert not session.may_birth
    found = session.receive("spBv1.0/STATE/frostline", StatePayload(True, 10).encode(), 20)
    assert found == [HostState(True)]
    assert session.may_birth


def test_only_the_configured_host_counts__message_flow_edge_node_birth_publish_phid_wait_id() -> None:
    session = edge_of()
    assert session.receive("spBv1.0/STATE/other", StatePayload(True, 10).encode(), 20) == []
    assert not session.may_birth


def test_an_offline_host_is_waited_for__message_flow_edge_node_birth_publish_phid_wait_online() -> None:
    session = edge_of()
    assert session.receive("spBv1.0/STATE/frostline", StatePayload(False, 10).encode(), 20) == [HostState(False)]
    assert not session.may_birth


def test_an_older_state_is_ignored__operational_behavior_edge_node_termination_host_offline_timestamp() -> None:
    session = edge_of()
    session.receive("spBv1.0/STATE/frostline", StatePayload(True, 10).encode(), 20)
    assert session.receive("spBv1.0/STATE/frostline", StatePayload(False, 9).encode(), 20) == []
    assert session.may_birth


def test_a_state_of_the_same_time_counts__operational_behavior_edge_node_termination_host_offline() -> None:
    session = edge_of()
    session.receive("spBv1.0/STATE/frostline", StatePayload(True, 10).encode(), 20)
    assert session.receive("spBv1.0/STATE/frostline", StatePayload(False, 10).encode(), 20) == [HostState(False)]
    assert not session.may_birth


def test_a_malformed_state_is_refused() -> None:
    (refused,) = edge_of().receive("spBv1.0/STATE/frostline", b"ONLINE", 20)
    assert isinstance(refused, Refused)
