"""STATE, as far as a state machine can prove it; names carry the ids of the specification."""

from __future__ import annotations

import pytest

from frostline_core.errors import ConfigError
from frostline_core.sparkplug import (
    Event,
    HostSession,
    Outgoing,
    StatePayload,
    StateWrong,
)
from tests.unit.core.sparkplug.host_talk import edge_session, host_session


def test_the_will_is_state_offline_qos1_retained__operational_behavior_host_application_connect_will() -> None:
    will = HostSession("frostline").will(1000)
    assert will == Outgoing("spBv1.0/STATE/frostline", StatePayload(False, 1000).encode(), 1, True)


def test_birth_has_the_will_s_time__host_topic_phid_birth_payload_timestamp() -> None:
    host = HostSession("frostline")
    host.will(1000)
    assert host.online(9999) == Outgoing("spBv1.0/STATE/frostline", StatePayload(True, 1000).encode(), 1, True)


def test_there_is_no_birth_without_a_will__host_topic_phid_death_required() -> None:
    with pytest.raises(ValueError, match="new will"):
        HostSession("frostline").online(1)


def test_a_clean_stop_says_offline_with_the_time_of_now__host_topic_phid_death_payload_timestamp_disconnect_clean() -> (
    None
):
    assert host_session().offline(5000) == Outgoing(
        "spBv1.0/STATE/frostline", StatePayload(False, 5000).encode(), 1, True
    )


def test_after_offline_only_a_new_will_leads_back_online() -> None:
    host = host_session()
    host.offline(5000)
    with pytest.raises(ValueError, match="new will"):
        host.online(6000)
    host.will(7000)
    assert StatePayload.decode(host.online(7001).payload) == StatePayload(True, 7000)


def test_a_pause_keeps_the_time_so_that_edges_heed_online_and_the_will_afterwards() -> None:
    host, edge = HostSession("frostline"), edge_session()
    will = host.will(1000)
    for message, online in ((host.online(1001), True), (host.pause(5000), False), (host.online(6000), True)):
        edge.receive(message.topic, message.payload, 0)
        assert edge.may_birth is online
    edge.receive(will.topic, will.payload, 0)
    assert not edge.may_birth


def test_own_state_and_everything_are_subscribed__message_flow_phid_sparkplug_subscription() -> None:
    assert HostSession("frostline").subscriptions() == [("spBv1.0/STATE/frostline", 1), ("spBv1.0/#", 1)]


def test_own_state_offline_while_up_is_to_be_put_right__message_flow_hid_sparkplug_state_message_delivered() -> None:
    seen = StatePayload(False, 1)
    assert host_session().receive("spBv1.0/STATE/frostline", seen.encode(), 2000) == [StateWrong(seen)]


def test_own_state_as_said_means_nothing() -> None:
    assert host_session().receive("spBv1.0/STATE/frostline", StatePayload(True, 1000).encode(), 2000) == []


def test_after_goodbye_a_second_host_under_our_id_may_say_what_it_likes() -> None:
    host = host_session()
    host.offline(3000)
    assert _own_state_heard(host, online=True) == []


def _own_state_heard(host: HostSession, *, online: bool) -> list[Event]:
    return host.receive("spBv1.0/STATE/frostline", StatePayload(online, 4000).encode(), 4000)


def test_a_retained_state_before_our_birth_means_nothing() -> None:
    host = HostSession("frostline")
    host.will(1000)
    assert host.receive("spBv1.0/STATE/frostline", StatePayload(False, 1).encode(), 2000) == []


def test_a_newer_state_under_our_id_is_outdone_so_that_edges_come_back() -> None:
    host, edge = HostSession("frostline"), edge_session()
    host.will(1000)
    for message in (
        host.online(1001),
        Outgoing("spBv1.0/STATE/frostline", StatePayload(False, 9000).encode(), 1, True),
    ):
        edge.receive(message.topic, message.payload, 0)
        host.receive(message.topic, message.payload, 0)
    assert not edge.may_birth
    again = host.online(1002)
    edge.receive(again.topic, again.payload, 0)
    assert edge.may_birth
    assert StatePayload.decode(host.will(1003).payload) == StatePayload(False, 9000)


def test_a_retained_state_from_a_clock_that_was_ahead_is_outdone_by_our_birth() -> None:
    host, edge = HostSession("frostline"), edge_session()
    host.will(1000)
    retained = StatePayload(False, 50_000).encode()
    edge.receive("spBv1.0/STATE/frostline", retained, 0)
    assert host.receive("spBv1.0/STATE/frostline", retained, 0) == []
    born = host.online(1001)
    edge.receive(born.topic, born.payload, 0)
    assert edge.may_birth


def test_another_host_s_state_means_nothing() -> None:
    assert host_session().receive("spBv1.0/STATE/other", StatePayload(False, 1).encode(), 2000) == []


def test_the_host_id_is_checked__operational_behavior_host_application_host_id() -> None:
    with pytest.raises(ConfigError, match="host_id"):
        HostSession("a/b")
