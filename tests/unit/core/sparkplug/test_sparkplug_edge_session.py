"""The edge node's checklist of the specification, as far as a state machine can prove it; names carry the ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.commit import BATCH, COMMIT, GAP, RUNS
from frostline_core.errors import ConfigError
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Quality, Reading
from frostline_core.sparkplug import (
    REBIRTH,
    BirthMetric,
    CommitCame,
    DeviceBirth,
    EdgeSession,
    HostState,
    Metric,
    MismatchError,
    Outgoing,
    Payload,
    PayloadMessage,
    Property,
    RebirthAsked,
    Refused,
    StatePayload,
    UndeclaredError,
    WriteAsked,
    decode,
    encode,
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
        MetricDescription("door_open", DataType.BOOLEAN),
    ),
    {"product": "vaccines"},
)
DOOR = DeviceDescription("door-1", "door", "", (MetricDescription("door_open", DataType.BOOLEAN),))
NODE = (
    BirthMetric(RUNS, DataType.BYTES, b"\x10"),
    BirthMetric(COMMIT, DataType.BYTES),
    BirthMetric(GAP, DataType.STRING),
)
VALUES = {"air_temperature": Reading("room-1", "air_temperature", -18.5, 900)}


def _session(bd_seq: int = 3) -> EdgeSession:
    return EdgeSession("site", "gw", bd_seq, "frostline")


def _born(*devices: DeviceBirth, bd_seq: int = 3) -> tuple[EdgeSession, list[Outgoing]]:
    session = _session(bd_seq)
    return session, session.birth(1000, NODE, devices or (DeviceBirth(ROOM, VALUES), DeviceBirth(DOOR)))


def _metrics(outgoing: Outgoing) -> dict[str, Metric]:
    return {metric.name: metric for metric in decode(outgoing.payload).metrics}


def _command(*metrics: Metric, device: str = "", at_ms: int | None = 5, seq: int | None = None) -> tuple[str, bytes]:
    topic = f"spBv1.0/site/DCMD/gw/{device}" if device else "spBv1.0/site/NCMD/gw"
    return topic, encode(Payload(at_ms, seq, metrics))


# The will and the death.


def test_ndeath_is_the_will_qos1_not_retained__payloads_ndeath_will_message_qos() -> None:
    will = _session().will()
    assert (will.topic, will.qos, will.retain) == ("spBv1.0/site/NDEATH/gw", 1, False)


def test_ndeath_has_bdseq_as_int64_and_nothing_else__topics_ndeath_payload() -> None:
    payload = decode(_session(255).will().payload)
    assert payload.metrics == (Metric("bdSeq", datatype=DataType.INT64, value=255),)


def test_ndeath_has_no_seq__topics_ndeath_seq() -> None:
    assert decode(_session().will().payload).seq is None


def test_bdseq_is_a_long_value__message_flow_edge_node_birth_publish_will_message_payload_bdseq() -> None:
    assert parse(_session().will().payload).metrics[0].WhichOneof("value") == "long_value"


def test_a_clean_stop_publishes_ndeath_itself__operational_behavior_edge_node_intentional_disconnect_ndeath() -> None:
    session, _ = _born()
    death = session.death(2000)
    payload = decode(death.payload)
    assert (death.topic, payload.seq, payload.timestamp_ms) == ("spBv1.0/site/NDEATH/gw", None, 2000)
    assert [(metric.name, metric.value) for metric in payload.metrics] == [("bdSeq", 3)]


def test_after_its_death_a_session_sends_nothing__payloads_ndata_order() -> None:
    session, _ = _born()
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
    assert ("spBv1.0/site/NCMD/gw", 1) in _session().subscriptions()
    assert ("spBv1.0/site/DCMD/gw/#", 1) in _session().subscriptions()  # message-flow-device-dcmd-subscribe


def test_the_host_s_state_is_subscribed__operational_behavior_primary_application_state_state_subs() -> None:
    assert ("spBv1.0/STATE/frostline", 1) in _session().subscriptions()


def test_without_a_primary_host_there_is_no_wait() -> None:
    session = EdgeSession("site", "gw", 0)
    assert session.may_birth
    assert len(session.subscriptions()) == 2


def test_births_wait_for_the_host__message_flow_edge_node_birth_publish_phid_wait() -> None:
    session = _session()
    assert not session.may_birth
    found = session.receive("spBv1.0/STATE/frostline", StatePayload(True, 10).encode(), 20)
    assert found == [HostState(True)]
    assert session.may_birth


def test_only_the_configured_host_counts__message_flow_edge_node_birth_publish_phid_wait_id() -> None:
    session = _session()
    assert session.receive("spBv1.0/STATE/other", StatePayload(True, 10).encode(), 20) == []
    assert not session.may_birth


def test_an_offline_host_is_waited_for__message_flow_edge_node_birth_publish_phid_wait_online() -> None:
    session = _session()
    assert session.receive("spBv1.0/STATE/frostline", StatePayload(False, 10).encode(), 20) == [HostState(False)]
    assert not session.may_birth


def test_an_older_state_is_ignored__operational_behavior_edge_node_termination_host_offline_timestamp() -> None:
    session = _session()
    session.receive("spBv1.0/STATE/frostline", StatePayload(True, 10).encode(), 20)
    assert session.receive("spBv1.0/STATE/frostline", StatePayload(False, 9).encode(), 20) == []
    assert session.may_birth


def test_a_state_of_the_same_time_counts__operational_behavior_edge_node_termination_host_offline() -> None:
    session = _session()
    session.receive("spBv1.0/STATE/frostline", StatePayload(True, 10).encode(), 20)
    assert session.receive("spBv1.0/STATE/frostline", StatePayload(False, 10).encode(), 20) == [HostState(False)]
    assert not session.may_birth


def test_a_malformed_state_is_refused() -> None:
    (refused,) = _session().receive("spBv1.0/STATE/frostline", b"ONLINE", 20)
    assert isinstance(refused, Refused)


# Births.


def test_nbirth_comes_first_then_each_dbirth__principles_birth_certificates_order() -> None:
    _, births = _born()
    assert [each.topic for each in births] == [
        "spBv1.0/site/NBIRTH/gw",
        "spBv1.0/site/DBIRTH/gw/room-1",
        "spBv1.0/site/DBIRTH/gw/door-1",
    ]


def test_births_are_qos0_and_not_retained__topics_nbirth_mqtt__topics_dbirth_mqtt() -> None:
    _, births = _born()
    assert {(each.qos, each.retain) for each in births} == {(0, False)}


def test_seq_starts_at_0_and_goes_on_over_the_devices__topics_nbirth_seq_num__payloads_dbirth_seq_inc() -> None:
    _, births = _born()
    assert [decode(each.payload).seq for each in births] == [0, 1, 2]


def test_births_carry_the_time__topics_nbirth_timestamp__topics_dbirth_timestamp() -> None:
    _, births = _born()
    assert {decode(each.payload).timestamp_ms for each in births} == {1000}


def test_every_metric_has_name_type_and_time__topics_nbirth_metric_reqs__payloads_metric_datatype_req() -> None:
    _, births = _born()
    for birth in births:
        for metric in parse(birth.payload).metrics:
            assert metric.name
            assert metric.datatype
            assert metric.timestamp


def test_nbirth_repeats_the_will_s_bdseq__topics_nbirth_bdseq_matching__payloads_nbirth_bdseq_repeat() -> None:
    _, births = _born(bd_seq=77)
    assert _metrics(births[0])["bdSeq"].value == 77


def test_nbirth_declares_rebirth_false_without_alias__operational_behavior_data_commands_rebirth_name_aliases() -> None:
    _, births = _born()
    rebirth = _metrics(births[0])[REBIRTH]
    assert (rebirth.datatype, rebirth.value, rebirth.alias) == (DataType.BOOLEAN, False, None)


def test_aliases_are_unique_over_node_and_devices__payloads_alias_uniqueness() -> None:
    _, births = _born()
    aliases = [metric.alias for each in births for metric in decode(each.payload).metrics if metric.alias is not None]
    assert len(aliases) == len(set(aliases))


def test_births_carry_name_and_alias__payloads_alias_birth_requirement() -> None:
    _, births = _born()
    without = [m.name for each in births for m in decode(each.payload).metrics if m.alias is None]
    assert without == ["bdSeq", REBIRTH]


def test_every_birth_declares_the_batch_metric() -> None:
    _, births = _born()
    for birth in births:
        batch = _metrics(birth)[BATCH]
        assert (batch.datatype, batch.is_null) == (DataType.BYTES, True)


def test_a_session_that_is_not_proved_declares_no_batch_metric() -> None:
    session = EdgeSession("site", "gw", 0, proved=False)
    assert all(BATCH not in _metrics(each) for each in session.birth(1, NODE, [DeviceBirth(ROOM)]))


def test_nbirth_carries_what_the_caller_adds() -> None:
    _, births = _born()
    node = _metrics(births[0])
    assert node[RUNS].value == b"\x10"
    assert node[COMMIT].is_null
    assert node[GAP].is_null


def test_dbirth_says_what_the_device_is() -> None:
    _, births = _born()
    room = _metrics(births[1])
    assert room["Properties/Kind"].value == "cold_room"
    assert room["Properties/Zone"].value == "freezer"
    assert room["Properties/Labels"].value == '{"product": "vaccines"}'


def test_dbirth_carries_unit_limits_quality_and_permission_as_properties() -> None:
    _, births = _born()
    room = _metrics(births[1])
    assert room["air_temperature"].properties == {
        "engUnit": Property(DataType.STRING, "Cel"),
        "engLow": Property(DataType.DOUBLE, -50.0),
        "engHigh": Property(DataType.DOUBLE, 60.0),
        "Quality": Property(DataType.INT32, 192),
    }
    assert room["setpoint"].properties["writable"] == Property(DataType.BOOLEAN, True)


def test_a_birth_carries_the_current_value_and_when_it_was_measured__topics_dbirth_metrics() -> None:
    _, births = _born()
    metric = _metrics(births[1])["air_temperature"]
    assert (metric.value, metric.timestamp_ms) == (-18.5, 900)


def test_a_metric_never_read_is_born_null_and_stale__operational_behavior_data_publish_dbirth_values() -> None:
    _, births = _born()
    metric = _metrics(births[1])["setpoint"]
    assert (metric.is_null, metric.properties["Quality"].value) == (True, 500)


def test_a_bad_reading_is_born_null_and_bad() -> None:
    bad = {"air_temperature": Reading("room-1", "air_temperature", None, 900, Quality.BAD)}
    _, births = _born(DeviceBirth(ROOM, bad))
    metric = _metrics(births[1])["air_temperature"]
    assert (metric.is_null, metric.properties["Quality"].value) == (True, 0)


def test_a_device_is_not_born_before_the_node__message_flow_device_birth_publish_nbirth_wait() -> None:
    with pytest.raises(ValueError, match="NBIRTH comes first"):
        _session().device_birth(1000, DeviceBirth(ROOM))


def test_a_late_device_is_born_with_the_next_seq__message_flow_device_birth_publish_dbirth_payload_seq() -> None:
    session, _ = _born(DeviceBirth(ROOM))
    birth = session.device_birth(5000, DeviceBirth(DOOR))
    assert (birth.topic, decode(birth.payload).seq) == ("spBv1.0/site/DBIRTH/gw/door-1", 2)


def test_two_metrics_of_one_name_are_refused() -> None:
    twice = DeviceDescription("d", "door", "", (DOOR.metrics[0], DOOR.metrics[0]))
    with pytest.raises(ValueError, match="one name"):
        _born(DeviceBirth(twice))


# Rebirth.


def test_a_rebirth_starts_at_seq_0_with_the_same_bdseq__operational_behavior_data_commands_rebirth_action_3() -> None:
    session, _ = _born()
    session.data(1500, "door-1", [Metric("door_open", value=True)])
    births = session.birth(2000, NODE, [DeviceBirth(ROOM), DeviceBirth(DOOR)])
    assert [decode(each.payload).seq for each in births] == [0, 1, 2]
    assert _metrics(births[0])["bdSeq"].value == 3


def test_aliases_stay_in_a_session() -> None:
    session, first = _born()
    again = session.birth(2000, NODE, [DeviceBirth(DOOR), DeviceBirth(ROOM, VALUES)])
    before = {each.topic: {n: m.alias for n, m in _metrics(each).items()} for each in first}
    after = {each.topic: {n: m.alias for n, m in _metrics(each).items()} for each in again}
    assert before == after


def test_a_metric_of_another_type_gets_another_alias() -> None:
    session, first = _born(DeviceBirth(DOOR))
    changed = DeviceDescription("door-1", "door", "", (MetricDescription("door_open", DataType.INT32),))
    after = session.device_birth(2000, DeviceBirth(changed))
    assert _metrics(first[1])["door_open"].alias != _metrics(after)["door_open"].alias


@given(st.integers(0, 255), st.integers(0, 255))
def test_the_batch_alias_belongs_to_one_session(one: int, other: int) -> None:
    aliases = [
        {metric.alias for each in _born(bd_seq=n)[1] for metric in decode(each.payload).metrics if metric.name == BATCH}
        for n in (one, other)
    ]
    assert (aliases[0] == aliases[1]) is (one == other)
    assert one == other or not aliases[0] & aliases[1]


# Data.


def test_data_is_qos0_not_retained_with_the_next_seq__topics_ddata_mqtt__topics_ddata_seq_num() -> None:
    session, _ = _born()
    data = session.data(2000, "door-1", [Metric("door_open", value=True, timestamp_ms=1990)])
    assert (data.topic, data.qos, data.retain) == ("spBv1.0/site/DDATA/gw/door-1", 0, False)
    assert decode(data.payload, dict.fromkeys(range(100), DataType.BOOLEAN)).seq == 3


def test_seq_wraps_after_255_over_node_and_devices__payloads_sequence_num_incrementing() -> None:
    session, _ = _born()
    sent = [session.data(2000, device, []) for device in ["", "door-1"] * 150]
    assert [parse(each.payload).seq for each in sent] == [(3 + i) % 256 for i in range(300)]


def test_data_carries_alias_and_time_no_name_no_type__payloads_alias_data_cmd_requirement() -> None:
    session, births = _born()
    data = session.data(2000, "door-1", [Metric("door_open", value=True, timestamp_ms=1990)])
    (metric,) = parse(data.payload).metrics
    assert metric.alias == _metrics(births[2])["door_open"].alias
    assert (metric.timestamp, metric.boolean_value) == (1990, True)
    assert not metric.HasField("name")
    assert not metric.HasField("datatype")  # payloads-metric-datatype-not-req


def test_data_carries_the_time_of_sending__topics_ddata_timestamp() -> None:
    session, _ = _born()
    assert parse(session.data(2000, "", []).payload).timestamp == 2000


def test_data_of_an_undeclared_metric_is_not_sent__topics_dbirth_metrics() -> None:
    session, _ = _born()
    with pytest.raises(UndeclaredError) as caught:
        session.data(2000, "door-1", [Metric("door_open", value=True), Metric("other", value=1)])
    assert (caught.value.device, caught.value.names) == ("door-1", ("other",))
    assert parse(session.data(2000, "", []).payload).seq == 3  # no number was used up


def test_data_of_a_device_that_is_not_born_is_not_sent__payloads_dbirth_order() -> None:
    session, _ = _born(DeviceBirth(ROOM))
    with pytest.raises(UndeclaredError, match="the device is not born"):
        session.data(2000, "door-1", [Metric("door_open", value=True)])


def test_a_value_that_does_not_fit_is_not_sent() -> None:
    session, _ = _born()
    with pytest.raises(ValueError, match="is no BOOLEAN"):
        session.data(2000, "door-1", [Metric("door_open", value=3.5)])


def _stored(*metrics: Metric) -> PayloadMessage:
    return parse(encode(Payload(1900, None, metrics)))


def test_a_stored_payload_goes_out_with_aliases_and_a_new_time() -> None:
    session, births = _born()
    stored = _stored(Metric("air_temperature", None, 1880, DataType.DOUBLE, -18.0))
    message = parse(session.data_message(2000, "room-1", stored).payload)
    (metric,) = message.metrics
    assert (message.timestamp, message.seq) == (2000, 3)
    assert (metric.alias, metric.timestamp) == (_metrics(births[1])["air_temperature"].alias, 1880)
    assert metric.double_value == -18.0
    assert not metric.is_historical


def test_a_stored_metric_without_time_keeps_the_stored_payload_s() -> None:
    session, _ = _born()
    stored = _stored(Metric("air_temperature", None, None, DataType.DOUBLE, -18.0))
    assert parse(session.data_message(2000, "room-1", stored).payload).metrics[0].timestamp == 1900


def test_backlog_is_marked_as_historical() -> None:
    session, _ = _born()
    stored = _stored(Metric("air_temperature", None, 1880, DataType.DOUBLE, -18.0))
    message = parse(session.data_message(2000, "room-1", stored, historical=True).payload)
    assert message.metrics[0].is_historical


def test_a_stored_value_of_another_type_is_converted_where_nothing_is_lost() -> None:
    session, _ = _born()
    stored = _stored(Metric("air_temperature", None, 1880, DataType.INT32, -18))
    assert parse(session.data_message(2000, "room-1", stored).payload).metrics[0].double_value == -18.0


def test_a_stored_null_of_another_type_stays_null() -> None:
    session, _ = _born()
    stored = _stored(Metric("air_temperature", None, 1880, DataType.INT32, None, True))
    assert parse(session.data_message(2000, "room-1", stored).payload).metrics[0].is_null


def test_a_stored_value_that_would_be_changed_is_not_sent() -> None:
    session, _ = _born()
    with pytest.raises(MismatchError):
        session.data_message(2000, "door-1", _stored(Metric("door_open", None, 1880, DataType.DOUBLE, 0.5)))


def test_a_lost_device_dies_with_seq_and_time__operational_behavior_device_ddeath__payloads_ddeath_seq_inc() -> None:
    session, _ = _born()
    death = session.device_death(2000, "room-1")
    payload = decode(death.payload)
    assert (death.topic, death.qos, death.retain) == ("spBv1.0/site/DDEATH/gw/room-1", 0, False)
    assert (payload.seq, payload.timestamp_ms) == (3, 2000)


def test_a_device_that_was_never_born_does_not_die() -> None:
    session, _ = _born(DeviceBirth(ROOM))
    with pytest.raises(UndeclaredError):
        session.device_death(2000, "door-1")


def test_what_a_dead_device_measured_before_goes_out_as_historical() -> None:
    session, _ = _born()
    session.device_death(2000, "room-1")
    stored = _stored(Metric("air_temperature", None, 1880, DataType.DOUBLE, -18.0))
    assert parse(session.data_message(2100, "room-1", stored).payload).metrics[0].is_historical


# Commands.


@pytest.mark.parametrize("at_ms", [5, None])
def test_a_rebirth_is_understood_with_or_without_time__operational_behavior_data_commands_rebirth_action_1(
    at_ms: int | None,
) -> None:
    session, _ = _born()
    command = _command(Metric(REBIRTH, datatype=DataType.BOOLEAN, value=True), at_ms=at_ms)
    assert session.receive(*command, 2000) == [RebirthAsked()]


def test_rebirth_false_asks_for_nothing() -> None:
    session, _ = _born()
    assert session.receive(*_command(Metric(REBIRTH, datatype=DataType.BOOLEAN, value=False)), 2000) == []


def test_a_rebirth_asked_of_a_device_is_refused() -> None:
    session, _ = _born()
    command = _command(Metric(REBIRTH, datatype=DataType.BOOLEAN, value=True), device="room-1")
    assert isinstance(session.receive(*command, 2000)[0], Refused)


def test_a_write_by_name_is_understood() -> None:
    session, _ = _born()
    command = _command(Metric("setpoint", datatype=DataType.DOUBLE, value=-20.0), device="room-1")
    assert session.receive(*command, 2000) == [WriteAsked("room-1", "setpoint", -20.0)]


def test_a_write_by_alias_without_type_is_understood__payloads_alias_data_cmd_requirement() -> None:
    session, births = _born()
    message = PayloadMessage(timestamp=5)
    message.metrics.add(alias=_metrics(births[1])["setpoint"].alias, double_value=-20.0)
    found = session.receive("spBv1.0/site/DCMD/gw/room-1", message.SerializeToString(), 2000)
    assert found == [WriteAsked("room-1", "setpoint", -20.0)]


def test_every_metric_of_a_command_counts() -> None:
    session, _ = _born()
    writes = (
        Metric("setpoint", datatype=DataType.DOUBLE, value=-20.0),
        Metric("nothing", datatype=DataType.DOUBLE, value=1.0),
    )
    first, second = session.receive(*_command(*writes, device="room-1"), 2000)
    assert first == WriteAsked("room-1", "setpoint", -20.0)
    assert isinstance(second, Refused)
    assert "'nothing' of room-1: no birth declared it" in second.reason


def test_a_commit_is_handed_on_as_bytes() -> None:
    session, _ = _born()
    assert session.receive(*_command(Metric(COMMIT, datatype=DataType.BYTES, value=b"\x10")), 2000) == [
        CommitCame(b"\x10")
    ]


def test_a_commit_without_bytes_is_refused() -> None:
    session, _ = _born()
    (refused,) = session.receive(*_command(Metric(COMMIT, datatype=DataType.BYTES, is_null=True)), 2000)
    assert isinstance(refused, Refused)


def test_an_alias_of_another_device_is_refused() -> None:
    session, births = _born()
    message = PayloadMessage()
    message.metrics.add(alias=_metrics(births[1])["setpoint"].alias, double_value=-20.0)
    (refused,) = session.receive("spBv1.0/site/DCMD/gw/door-1", message.SerializeToString(), 2000)
    assert isinstance(refused, Refused)


@pytest.mark.parametrize(
    "topic", ["spBv1.0/site/NCMD/other", "spBv1.0/other/NCMD/gw", "spBv1.0/site/NDATA/gw", "spBv1.0/site/NBIRTH/gw"]
)
def test_what_is_not_for_this_node_means_nothing(topic: str) -> None:
    session, _ = _born()
    raw = _command(Metric(REBIRTH, datatype=DataType.BOOLEAN, value=True))[1]
    assert session.receive(topic, raw, 2000) == []


@given(st.text(max_size=30) | st.sampled_from(["spBv1.0/site/NCMD/gw", "spBv1.0/site/DCMD/gw/room-1"]), st.binary())
def test_nothing_received_raises(topic: str, raw: bytes) -> None:
    session, _ = _born()
    for command in session.receive(topic, raw, 2000):
        assert command == RebirthAsked() or isinstance(command, Refused | WriteAsked | CommitCame | HostState)


def test_every_topic_of_a_session_is_of_one_group_and_node__payloads_dbirth_match_edge_node_topic() -> None:
    session, births = _born()
    sent = [*births, session.data(2, "room-1", []), session.data(2, "", []), session.device_death(3, "room-1")]
    assert {(parse_topic(each.topic).group, parse_topic(each.topic).node) for each in sent} == {("site", "gw")}
