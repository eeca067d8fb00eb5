"""The host's checklist of the specification, as far as a state machine can prove it; names carry the ids."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.commit import BATCH, COMMIT, GAP
from frostline_core.errors import ConfigError
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Reading
from frostline_core.sparkplug import (
    REBIRTH,
    BirthMetric,
    CommitCame,
    DataCame,
    DeviceBirth,
    DeviceBorn,
    DeviceDied,
    EdgeSession,
    Event,
    HostSession,
    Metric,
    NodeBorn,
    NodeDied,
    Outgoing,
    Payload,
    RebirthAsked,
    RebirthWanted,
    Refused,
    SequenceGap,
    StatePayload,
    StateWrong,
    Unresolved,
    WriteAsked,
    decode,
    encode,
    value_of,
)

ROOM = DeviceDescription(
    "room-1",
    "cold_room",
    "freezer",
    (
        MetricDescription("air_temperature", DataType.DOUBLE, "Cel", -50.0, 60.0),
        MetricDescription("setpoint", DataType.DOUBLE, "Cel", writable=True),
    ),
    {"product": "vaccines"},
)
NODE = (BirthMetric(COMMIT, DataType.BYTES), BirthMetric(GAP, DataType.STRING))


def _host() -> HostSession:
    host = HostSession("frostline")
    host.will(1000)
    host.online(1001)
    return host


def _edge(bd_seq: int = 3, proved: bool = True) -> EdgeSession:
    return EdgeSession("site", "gw", bd_seq, "frostline", proved=proved)


def _tell(host: HostSession, *messages: Outgoing, at_ms: int = 2000) -> list[Event]:
    return [event for each in messages for event in host.receive(each.topic, each.payload, at_ms)]


def _met(proved: bool = True, *devices: DeviceBirth) -> tuple[HostSession, EdgeSession]:
    host, edge = _host(), _edge(proved=proved)
    _tell(host, *edge.birth(1500, NODE, devices or [DeviceBirth(ROOM)]))
    return host, edge


def _reading(edge: EdgeSession, value: float, at_ms: int = 1900) -> Outgoing:
    metrics = [Metric("air_temperature", value=value, timestamp_ms=at_ms)]
    if edge.proved:
        metrics.append(Metric(BATCH, value=b"mark"))
    return edge.data(at_ms, "room-1", metrics)


def _kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def _values(events: list[Event]) -> list[object]:
    return [
        value_of(metric, event.view.aliases[metric.alias].description.datatype)
        for event in events
        if isinstance(event, DataCame)
        for metric in event.message.metrics
        if event.view.aliases[metric.alias].description.name == "air_temperature"
    ]


# STATE.


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
    assert _host().offline(5000) == Outgoing("spBv1.0/STATE/frostline", StatePayload(False, 5000).encode(), 1, True)


def test_after_offline_only_a_new_will_leads_back_online() -> None:
    host = _host()
    host.offline(5000)
    with pytest.raises(ValueError, match="new will"):
        host.online(6000)
    host.will(7000)
    assert StatePayload.decode(host.online(7001).payload) == StatePayload(True, 7000)


def test_a_pause_keeps_the_time_so_that_edges_heed_online_and_the_will_afterwards() -> None:
    host, edge = HostSession("frostline"), _edge()
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
    assert _host().receive("spBv1.0/STATE/frostline", seen.encode(), 2000) == [StateWrong(seen)]


def test_own_state_as_said_means_nothing() -> None:
    assert _host().receive("spBv1.0/STATE/frostline", StatePayload(True, 1000).encode(), 2000) == []


def test_after_goodbye_a_second_host_under_our_id_may_say_what_it_likes() -> None:
    host = _host()
    host.offline(3000)
    assert _own_state_heard(host, online=True) == []


def _own_state_heard(host: HostSession, *, online: bool) -> list[Event]:
    return host.receive("spBv1.0/STATE/frostline", StatePayload(online, 4000).encode(), 4000)


def test_a_retained_state_before_our_birth_means_nothing() -> None:
    host = HostSession("frostline")
    host.will(1000)
    assert host.receive("spBv1.0/STATE/frostline", StatePayload(False, 1).encode(), 2000) == []


def test_a_newer_state_under_our_id_is_outdone_so_that_edges_come_back() -> None:
    host, edge = HostSession("frostline"), _edge()
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
    host, edge = HostSession("frostline"), _edge()
    host.will(1000)
    retained = StatePayload(False, 50_000).encode()
    edge.receive("spBv1.0/STATE/frostline", retained, 0)
    assert host.receive("spBv1.0/STATE/frostline", retained, 0) == []
    born = host.online(1001)
    edge.receive(born.topic, born.payload, 0)
    assert edge.may_birth


def test_another_host_s_state_means_nothing() -> None:
    assert _host().receive("spBv1.0/STATE/other", StatePayload(False, 1).encode(), 2000) == []


def test_the_host_id_is_checked__operational_behavior_host_application_host_id() -> None:
    with pytest.raises(ConfigError, match="host_id"):
        HostSession("a/b")


# Births.


def test_births_make_node_and_device_known() -> None:
    host, edge = _host(), _edge()
    values = {"air_temperature": Reading("room-1", "air_temperature", -18.5, 1400)}
    node_born, device_born = _tell(host, *edge.birth(1500, NODE, [DeviceBirth(ROOM, values)]))
    assert isinstance(node_born, NodeBorn)
    assert isinstance(device_born, DeviceBorn)
    view = host.node("site", "gw")
    assert view is node_born.view
    assert (view.online, view.proved, view.bd_seq, view.birth_ms) == (True, True, 3, 1500)
    assert device_born.device_view.online
    assert device_born.device_view.description == ROOM


def test_metrics_are_bound_by_alias_and_by_name() -> None:
    host, _ = _met()
    view = host.node("site", "gw")
    assert view is not None
    bound = view.by_name["room-1", "air_temperature"]
    assert view.aliases[bound.alias] is bound
    assert (bound.device, bound.description, bound.slot) == ("room-1", ROOM.metrics[0], -1)


def test_a_node_without_batches_is_not_proved() -> None:
    host, _ = _met(proved=False)
    view = host.node("site", "gw")
    assert view is not None
    assert not view.proved


def test_a_third_party_s_device_has_no_kind_of_ours() -> None:
    host = _host()
    metrics = (Metric("bdSeq", datatype=DataType.INT64, value=0), Metric("t", 1, 5, DataType.DOUBLE, 1.0))
    host.receive("spBv1.0/site/NBIRTH/plc", encode(Payload(5, 0, metrics)), 5)
    host.receive("spBv1.0/site/DBIRTH/plc/pump", encode(Payload(5, 1, (Metric("t", 2, 5, DataType.DOUBLE, 1.0),))), 5)
    view = host.node("site", "plc")
    assert view is not None
    assert view.devices["pump"].description == DeviceDescription(
        "pump", "device", "", (MetricDescription("t", DataType.DOUBLE),)
    )


def test_a_birth_without_bdseq_is_refused() -> None:
    (refused,) = _host().receive("spBv1.0/site/NBIRTH/gw", encode(Payload(5, 0)), 5)
    assert isinstance(refused, Refused)
    assert "bdSeq" in refused.reason


def _plain_birth(host: HostSession, *metrics: Metric, device: str = "") -> list[Event]:
    kind, tail = ("DBIRTH", f"/{device}") if device else ("NBIRTH", "")
    first = () if device else (Metric("bdSeq", datatype=DataType.INT64, value=0),)
    return host.receive(f"spBv1.0/site/{kind}/plc{tail}", encode(Payload(5, int(bool(device)), (*first, *metrics))), 5)


@pytest.mark.parametrize("name", ["a\nb", "x" * 513, "a\0"])
def test_a_name_that_would_break_a_store_is_refused(name: str) -> None:
    (refused,) = _plain_birth(_host(), Metric(name, 1, 5, DataType.INT32, 1))
    assert isinstance(refused, Refused)


@pytest.mark.parametrize(
    ("said", "kind"),
    [("cold_room", "cold_room"), ("a b", "device"), ("x,y=z\n", "device"), ("", "device"), ("k" * 65, "device")],
)
def test_a_kind_that_is_no_plain_name_is_not_taken_over(said: str, kind: str) -> None:
    host = _host()
    _plain_birth(host)
    _plain_birth(host, Metric("Properties/Kind", None, 5, DataType.STRING, said), device="pump")
    view = host.node("site", "plc")
    assert view is not None
    assert view.devices["pump"].description.kind == kind


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ('{"product": "fish", "n": 3}', {"product": "fish", "n": "3"}),
        ('{"a\\nb": "c", "d": "e\\nf", "g": ""}', {"g": ""}),
        ("[1]", {}),
        ("no json", {}),
        ("[" * 5000, {}),
    ],
)
def test_labels_are_short_texts_or_are_left_out(text: str, labels: dict[str, str]) -> None:
    host = _host()
    _plain_birth(host)
    _plain_birth(host, Metric("Properties/Labels", None, 5, DataType.STRING, text), device="pump")
    view = host.node("site", "plc")
    assert view is not None
    assert view.devices["pump"].description.labels == labels


def test_an_alias_used_twice_is_refused__payloads_alias_uniqueness() -> None:
    metrics = (
        Metric("bdSeq", datatype=DataType.INT64, value=0),
        Metric("a", 1, 5, DataType.INT32, 1),
        Metric("b", 1, 5, DataType.INT32, 1),
    )
    (refused,) = _host().receive("spBv1.0/site/NBIRTH/gw", encode(Payload(5, 0, metrics)), 5)
    assert isinstance(refused, Refused)


def test_an_alias_of_another_device_is_refused() -> None:
    host, _ = _met()
    view = host.node("site", "gw")
    assert view is not None
    taken = view.by_name["room-1", "setpoint"].alias
    raw = encode(Payload(5, 2, (Metric("x", taken, 5, DataType.INT32, 1),)))
    (refused,) = host.receive("spBv1.0/site/DBIRTH/gw/room-2", raw, 5)
    assert isinstance(refused, Refused)
    assert view.aliases[taken].device == "room-1"


def test_after_nbirth_devices_are_offline_until_their_own_births() -> None:
    host, edge = _met()
    view = host.node("site", "gw")
    assert view is not None
    births = edge.birth(2500, NODE, [DeviceBirth(ROOM)])
    _tell(host, births[0])
    assert not view.devices["room-1"].online
    _tell(host, births[1])
    assert view.devices["room-1"].online


def test_a_device_born_with_other_metrics_is_bound_anew() -> None:
    host, edge = _met()
    view = host.node("site", "gw")
    assert view is not None
    other = DeviceDescription("room-1", "cold_room", "", (MetricDescription("humidity", DataType.DOUBLE, "%"),))
    _tell(host, edge.device_birth(2500, DeviceBirth(other)))
    assert ("room-1", "air_temperature") not in view.by_name
    assert ("room-1", "humidity") in view.by_name
    assert all(view.aliases[each.alias] is each for each in view.by_name.values())


# Data.


def test_data_comes_with_its_batch_mark_and_values() -> None:
    host, edge = _met()
    (came,) = _tell(host, _reading(edge, -18.0))
    assert isinstance(came, DataCame)
    assert (came.device, came.batch, came.gap) == ("room-1", b"mark", None)
    assert _values([came]) == [-18.0]


def test_a_gap_message_comes_with_its_text() -> None:
    host, edge = _met()
    (came,) = _tell(host, edge.data(1900, "", [Metric(BATCH, value=b"m"), Metric(GAP, value='{"reason": "x"}')]))
    assert isinstance(came, DataCame)
    assert (came.batch, came.gap) == (b"m", '{"reason": "x"}')


def test_metrics_sent_by_name_get_the_alias_of_their_birth() -> None:
    host = _host()
    names = (Metric("bdSeq", datatype=DataType.INT64, value=0), Metric("t", None, 5, DataType.DOUBLE, 1.0))
    host.receive("spBv1.0/site/NBIRTH/plc", encode(Payload(5, 0, names)), 5)
    raw = encode(Payload(6, 1, (Metric("t", None, 6, DataType.DOUBLE, 2.5),)))
    (came,) = host.receive("spBv1.0/site/NDATA/plc", raw, 6)
    assert isinstance(came, DataCame)
    bound = came.view.aliases[came.message.metrics[0].alias]
    assert (bound.description.name, came.message.metrics[0].double_value) == ("t", 2.5)


def test_alias_0_is_an_alias_but_its_absence_is_not() -> None:
    host = _host()
    births = (Metric("bdSeq", datatype=DataType.INT64, value=0), Metric("a", 0, 5, DataType.INT32, 1))
    host.receive("spBv1.0/site/NBIRTH/plc", encode(Payload(5, 0, births)), 5)
    by_alias = encode(Payload(6, 1, (Metric("", 0, 6, DataType.INT32, 7),)))
    unnamed = encode(Payload(6, 2, (Metric("b", None, 6, DataType.INT32, 7),)))
    assert _kinds(host.receive("spBv1.0/site/NDATA/plc", by_alias, 6)) == ["DataCame"]
    assert _kinds(host.receive("spBv1.0/site/NDATA/plc", unnamed, 6)) == ["Unresolved", "RebirthWanted"]


def test_data_of_an_unknown_node_is_unresolved_and_asks_for_a_rebirth() -> None:
    edge = _edge()
    edge.birth(1500, NODE, [DeviceBirth(ROOM)])
    sent = _reading(edge, -18.0)
    unresolved, wanted = _tell(_host(), sent)
    assert unresolved == Unresolved("site", "gw", sent.topic, sent.payload, "no NBIRTH of this node was heard")
    assert wanted == RebirthWanted("site", "gw", "no NBIRTH of this node was heard")


def test_a_rebirth_is_asked_for_once_in_30_seconds() -> None:
    host, edge = _host(), _edge()
    edge.birth(1500, NODE, [DeviceBirth(ROOM)])
    found = [_kinds(_tell(host, _reading(edge, 1.0), at_ms=at_ms)) for at_ms in (2000, 3000, 31_999)]
    assert found == [["Unresolved", "RebirthWanted"], ["Unresolved"], ["Unresolved"]]
    assert _kinds(host.tick(32_000)) == ["RebirthWanted"]


def test_an_alias_that_no_birth_declared_is_unresolved() -> None:
    host, edge = _met()
    late = DeviceDescription("room-2", "cold_room", "", ROOM.metrics)
    edge.device_birth(1600, DeviceBirth(late))  # lost on its way
    events = _tell(host, edge.data(1900, "room-2", [Metric("setpoint", value=1.0), Metric(BATCH, value=b"m")]))
    assert _kinds(events) == ["Unresolved", "RebirthWanted"]


def test_data_of_a_new_session_is_never_read_with_the_old_session_s_aliases() -> None:
    host, _ = _met()
    swapped = DeviceDescription("room-1", "cold_room", "", tuple(reversed(ROOM.metrics)))
    edge = _edge(bd_seq=4)
    edge.birth(3000, NODE, [DeviceBirth(swapped)])  # lost on its way
    events = _tell(host, edge.data(3100, "room-1", [Metric("setpoint", value=-20.0), Metric(BATCH, value=b"m")]))
    assert _kinds(events) == ["Unresolved", "RebirthWanted"]


def test_malformed_bytes_are_refused_with_topic_and_bytes() -> None:
    host, _ = _met()
    (refused,) = host.receive("spBv1.0/site/NDATA/gw", b"\xff", 2000)
    assert isinstance(refused, Refused)
    assert (refused.topic, refused.raw) == ("spBv1.0/site/NDATA/gw", b"\xff")


@pytest.mark.parametrize("topic", ["spBv1.0/site/NCMD/gw", "spBv1.0/site/DCMD/gw/room-1"])
def test_commands_mean_nothing_to_a_host(topic: str) -> None:
    assert _host().receive(topic, b"\xff", 2000) == []


@given(st.sampled_from(["NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH", "STATE"]), st.binary(max_size=80))
def test_nothing_received_raises(kind: str, raw: bytes) -> None:
    host, _ = _met()
    topic = "spBv1.0/STATE/frostline" if kind == "STATE" else f"spBv1.0/site/{kind}/gw"
    host.receive(f"{topic}/room-1" if kind.startswith("D") else topic, raw, 2000)


# Order.


def test_proved_data_out_of_order_passes_at_once_and_a_loss_asks_for_a_rebirth() -> None:
    host, edge = _met()
    lost, came = _reading(edge, 1.0), _reading(edge, 2.0)
    assert _values(_tell(host, came, at_ms=2000)) == [2.0]
    assert host.tick(3999) == []
    gap, wanted = host.tick(4000)
    assert isinstance(gap, SequenceGap)
    assert (gap.expected, gap.got, gap.view.proved) == (2, 3, True)
    assert isinstance(wanted, RebirthWanted)
    assert _values(_tell(host, lost, at_ms=5000)) == [1.0]


def test_other_data_waits_for_the_missing_message__operational_behavior_host_reordering_success() -> None:
    host, edge = _met(proved=False)
    first, second = _reading(edge, 1.0), _reading(edge, 2.0)
    assert _tell(host, second, at_ms=2000) == []
    assert _values(_tell(host, first, at_ms=3000)) == [1.0, 2.0]
    assert host.tick(9000) == []


def test_after_the_time_out_the_gap_is_told_and_a_rebirth_asked__operational_behavior_host_reordering_rebirth() -> None:
    host, edge = _met(proved=False)
    _reading(edge, 1.0)  # lost
    _tell(host, _reading(edge, 2.0), at_ms=2000)
    assert host.tick(3999) == []
    events = host.tick(4000)
    assert _kinds(events) == ["SequenceGap", "DataCame", "RebirthWanted"]
    assert _values(events) == [2.0]


def test_the_reorder_time_out_is_a_parameter__operational_behavior_host_reordering_param() -> None:
    host, edge = HostSession("frostline", reorder_timeout_ms=100), _edge(proved=False)
    _tell(host, *edge.birth(1500, NODE, [DeviceBirth(ROOM)]))
    _reading(edge, 1.0)
    _tell(host, _reading(edge, 2.0), at_ms=2000)
    assert "SequenceGap" in _kinds(host.tick(2100))


def test_a_dbirth_waits_its_turn_for_a_node_that_is_not_proved() -> None:
    host, edge = _met(proved=False)
    other = DeviceDescription("room-2", "cold_room", "", ROOM.metrics)
    data, birth = _reading(edge, 1.0), edge.device_birth(1950, DeviceBirth(other))
    assert _tell(host, birth) == []
    assert _kinds(_tell(host, data)) == ["DataCame", "DeviceBorn"]


def test_more_than_a_hundred_waiting_messages_end_the_wait() -> None:
    host, edge = _met(proved=False)
    _reading(edge, 0.0)  # lost
    events = [event for i in range(101) for event in _tell(host, _reading(edge, float(i)))]
    assert _kinds(events).count("SequenceGap") == 1
    assert _values(events) == [float(i) for i in range(101)]


def test_what_waits_when_a_new_session_begins_is_refused_and_not_lost_silently() -> None:
    host, edge = _met(proved=False)
    _reading(edge, 1.0)  # lost
    waiting = _reading(edge, 2.0)
    _tell(host, waiting)
    events = _tell(host, *_edge(4, proved=False).birth(3000, NODE, [DeviceBirth(ROOM)]))
    assert _kinds(events) == ["Refused", "NodeBorn", "DeviceBorn"]
    assert isinstance(events[0], Refused)
    assert events[0].raw == waiting.payload


def test_seq_wraps_without_a_gap__payloads_sequence_num_incrementing() -> None:
    host, edge = _met(proved=False)
    events = [event for i in range(600) for event in _tell(host, _reading(edge, float(i)))]
    assert _values(events) == [float(i) for i in range(600)]


# Deaths.


def test_ndeath_takes_node_and_devices_offline_at_the_host_s_time__termination_host_action_ndeath_node_offline() -> (
    None
):
    host, edge = _met()
    will = edge.will()
    (died,) = _tell(host, will, at_ms=7000)
    assert isinstance(died, NodeDied)
    assert died.at_ms == 7000  # ...-ndeath-node-tags-stale
    assert not died.view.online
    assert not died.view.devices["room-1"].online  # ...-ndeath-devices-offline


def test_an_ndeath_of_another_session_is_ignored() -> None:
    host, _ = _met()
    assert _tell(host, _edge(bd_seq=2).will()) == []
    view = host.node("site", "gw")
    assert view is not None
    assert view.online


def test_an_ndeath_without_type_is_understood() -> None:
    host, _ = _met()
    raw = b"\x12\x09\x0a\x05bdSeq\x58\x03"
    assert _kinds(host.receive("spBv1.0/site/NDEATH/gw", raw, 5000)) == ["NodeDied"]


def test_ddeath_takes_the_device_offline_at_the_payload_s_time__termination_host_action_ddeath_devices_offline() -> (
    None
):
    host, edge = _met()
    (died,) = _tell(host, edge.device_death(6500, "room-1"), at_ms=7000)
    assert isinstance(died, DeviceDied)
    assert died.at_ms == 6500  # ...-ddeath-devices-tags-stale
    assert not died.device_view.online
    assert died.view.online


def test_rows_of_a_dead_device_still_come_from_a_proved_node() -> None:
    host, edge = _met()
    _tell(host, edge.device_death(6500, "room-1"))
    (came,) = _tell(host, _reading(edge, -18.0))
    assert isinstance(came, DataCame)
    assert not came.view.devices["room-1"].online


def test_data_of_a_dead_device_of_another_node_is_unresolved() -> None:
    host, edge = _met(proved=False)
    _tell(host, edge.device_death(6500, "room-1"))
    assert _kinds(_tell(host, _reading(edge, -18.0))) == ["Unresolved", "RebirthWanted"]


def test_data_after_death_asks_for_a_rebirth_and_proved_data_passes_all_the_same() -> None:
    host, edge = _met()
    _tell(host, edge.will())
    assert _kinds(_tell(host, _reading(edge, 1.0))) == ["DataCame", "RebirthWanted"]


def test_data_after_death_of_another_node_is_unresolved() -> None:
    host, edge = _met(proved=False)
    _tell(host, edge.will())
    assert _kinds(_tell(host, _reading(edge, 1.0))) == ["Unresolved", "RebirthWanted"]


def test_a_lost_connection_makes_every_node_stale() -> None:
    host, _ = _met()
    (died,) = host.connection_lost(8000)
    assert isinstance(died, NodeDied)
    assert died.at_ms == 8000
    assert host.connection_lost(8001) == []


# After a restart of the host.


def _restored(edge: EdgeSession) -> HostSession:
    births = edge.birth(1500, NODE, [DeviceBirth(ROOM)])
    host = _host()
    host.restore("site", "gw", births[0].payload, {"room-1": births[1].payload})
    return host


def test_a_restored_node_is_offline_until_its_session_is_heard_and_needs_no_birth() -> None:
    edge = _edge()
    host = _restored(edge)
    view = host.node("site", "gw")
    assert view is not None
    assert not view.online
    events = _tell(host, _reading(edge, -18.0))
    assert _kinds(events) == ["NodeBack", "DataCame"]
    assert _values(events) == [-18.0]
    assert view.online
    assert view.devices["room-1"].online


def test_after_a_restart_order_is_watched_from_the_first_message_on() -> None:
    edge = _edge()
    host = _restored(edge)
    for _ in range(5):
        _reading(edge, 1.0)
    assert _kinds(_tell(host, _reading(edge, -18.0))) == ["NodeBack", "DataCame"]
    assert _kinds(_tell(host, _reading(edge, -18.1))) == ["DataCame"]
    assert host.tick(60_000) == []


def test_a_device_that_was_dead_before_the_restart_stays_dead() -> None:
    edge = _edge()
    host = _restored(edge)
    view = host.node("site", "gw")
    assert view is not None
    view.living = frozenset()
    _tell(host, _reading(edge, -18.0))
    assert view.online
    assert not view.devices["room-1"].online


def test_a_death_heard_after_the_restart_ends_the_session() -> None:
    edge = _edge()
    host = _restored(edge)
    assert _tell(host, edge.will()) == []
    assert _kinds(_tell(host, _reading(edge, -18.0))) == ["DataCame", "RebirthWanted"]


def test_a_node_goes_on_after_the_host_s_own_connection_was_lost() -> None:
    host, edge = _met(True, DeviceBirth(ROOM))
    host.connection_lost(8000)
    assert _kinds(_tell(host, _reading(edge, -18.0))) == ["NodeBack", "DataCame"]
    view = host.node("site", "gw")
    assert view is not None
    assert view.devices["room-1"].online


def test_a_device_birth_of_an_earlier_session_is_left_out_where_it_does_not_fit() -> None:
    """Devices are kept for ever, and a session gives its aliases anew: one that is gone must not stop the host."""
    old, edge = _edge(3), _edge(4)
    gone = replace(ROOM, id="gone")
    stale = old.birth(1500, NODE, [DeviceBirth(gone)])[1].payload
    births = edge.birth(1600, NODE, [DeviceBirth(ROOM)])
    host = _host()
    view = host.restore("site", "gw", births[0].payload, {"room-1": births[1].payload, "gone": stale})
    assert set(view.devices) == {"room-1"}
    assert _kinds(_tell(host, _reading(edge, -18.0))) == ["NodeBack", "DataCame"]


def test_restored_births_of_another_session_let_nothing_pass() -> None:
    old, edge = _edge(3), _edge(4)
    births = old.birth(1500, NODE, [DeviceBirth(ROOM)])
    edge.birth(1600, NODE, [DeviceBirth(ROOM)])
    host = _host()
    host.restore("site", "gw", births[0].payload, {"room-1": births[1].payload})
    assert _kinds(_tell(host, _reading(edge, -18.0))) == ["Unresolved", "RebirthWanted"]


def test_restored_births_of_a_node_that_is_not_proved_let_nothing_pass() -> None:
    edge = _edge(proved=False)
    births = edge.birth(1500, NODE, [DeviceBirth(ROOM)])
    host = _host()
    host.restore("site", "gw", births[0].payload, {"room-1": births[1].payload})
    assert _kinds(_tell(host, _reading(edge, -18.0))) == ["Unresolved", "RebirthWanted"]


# Commands.


def test_a_rebirth_command_has_time_and_no_seq__payloads_ncmd_seq__topics_ncmd_timestamp() -> None:
    topic, raw = _host().rebirth_command("site", "gw", 4000)
    payload = decode(raw)
    assert topic == "spBv1.0/site/NCMD/gw"
    assert (payload.timestamp_ms, payload.seq) == (4000, None)
    assert [(m.name, m.value) for m in payload.metrics] == [(REBIRTH, True)]  # ...-ncmd-rebirth-name, -value


def test_an_edge_understands_our_rebirth__operational_behavior_data_commands_ncmd_rebirth_verb() -> None:
    host, edge = _met()
    assert edge.receive(*host.rebirth_command("site", "gw", 4000), 4000) == [RebirthAsked()]


def test_a_device_command_goes_by_alias_with_time_and_no_seq__payloads_dcmd_seq__topics_dcmd_timestamp() -> None:
    host, edge = _met()
    topic, raw = host.command("site", "gw", "room-1", [Metric("setpoint", value=-20.0)], 4000)
    assert topic == "spBv1.0/site/DCMD/gw/room-1"
    payload = decode(raw, dict.fromkeys(range(100), DataType.DOUBLE))
    assert (payload.timestamp_ms, payload.seq) == (4000, None)
    assert payload.metrics[0].alias is not None
    assert edge.receive(topic, raw, 4000) == [WriteAsked("room-1", "setpoint", -20.0)]


def test_a_command_to_a_node_without_aliases_goes_by_name__payloads_name_cmd_requirement() -> None:
    host = _host()
    names = (Metric("bdSeq", datatype=DataType.INT64, value=0), Metric("t", None, 5, DataType.DOUBLE, 1.0))
    host.receive("spBv1.0/site/NBIRTH/plc", encode(Payload(5, 0, names)), 5)
    _, raw = host.command("site", "plc", "", [Metric("t", value=2.0)], 6)
    (metric,) = decode(raw, names={"t": DataType.DOUBLE}).metrics
    assert (metric.name, metric.alias) == ("t", None)


def test_a_command_for_what_no_birth_declared_is_not_made__operational_behavior_data_commands_dcmd_metric_name() -> (
    None
):
    host, _ = _met()
    with pytest.raises(ValueError, match="no birth declared 'other'"):
        host.command("site", "gw", "room-1", [Metric("other", value=1.0)], 4000)


def test_a_command_of_another_type_is_not_made__operational_behavior_data_commands_dcmd_metric_value() -> None:
    host, _ = _met()
    with pytest.raises(ValueError, match="is no DOUBLE"):
        host.command("site", "gw", "room-1", [Metric("setpoint", value="cold")], 4000)


def test_a_commit_reaches_the_edge_as_bytes() -> None:
    host, edge = _met()
    assert edge.receive(*host.commit_command("site", "gw", b"\x10abc", 4000), 4000) == [CommitCame(b"\x10abc")]
