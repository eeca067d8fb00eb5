"""DATA of an edge, and commands to it; names carry the ids of the specification."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.commit import COMMIT
from frostline_core.reading import DataType
from frostline_core.sparkplug import (
    REBIRTH,
    CommitCame,
    DeviceBirth,
    HostState,
    Metric,
    MismatchError,
    Payload,
    PayloadMessage,
    RebirthAsked,
    Refused,
    UndeclaredError,
    WriteAsked,
    decode,
    encode,
    parse,
    parse_topic,
)
from tests.unit.core.sparkplug.edge_talk import ROOM, born_edge, command_of, metrics_of


def test_data_is_qos0_not_retained_with_the_next_seq__topics_ddata_mqtt__topics_ddata_seq_num() -> None:
    session, _ = born_edge()
    data = session.data(2000, "door-1", [Metric("door_open", value=True, timestamp_ms=1990)])
    assert (data.topic, data.qos, data.retain) == ("spBv1.0/site/DDATA/gw/door-1", 0, False)
    assert decode(data.payload, dict.fromkeys(range(100), DataType.BOOLEAN)).seq == 3


def test_seq_wraps_after_255_over_node_and_devices__payloads_sequence_num_incrementing() -> None:
    session, _ = born_edge()
    sent = [session.data(2000, device, []) for device in ["", "door-1"] * 150]
    assert [parse(each.payload).seq for each in sent] == [(3 + i) % 256 for i in range(300)]


def test_data_carries_alias_and_time_no_name_no_type__payloads_alias_data_cmd_requirement() -> None:
    session, births = born_edge()
    data = session.data(2000, "door-1", [Metric("door_open", value=True, timestamp_ms=1990)])
    (metric,) = parse(data.payload).metrics
    assert metric.alias == metrics_of(births[2])["door_open"].alias
    assert (metric.timestamp, metric.boolean_value) == (1990, True)
    assert not metric.HasField("name")
    assert not metric.HasField("datatype")  # payloads-metric-datatype-not-req


def test_data_carries_the_time_of_sending__topics_ddata_timestamp() -> None:
    session, _ = born_edge()
    assert parse(session.data(2000, "", []).payload).timestamp == 2000


def test_data_of_an_undeclared_metric_is_not_sent__topics_dbirth_metrics() -> None:
    session, _ = born_edge()
    with pytest.raises(UndeclaredError) as caught:
        session.data(2000, "door-1", [Metric("door_open", value=True), Metric("other", value=1)])
    assert (caught.value.device, caught.value.names) == ("door-1", ("other",))
    assert parse(session.data(2000, "", []).payload).seq == 3  # no number was used up


def test_data_of_a_device_that_is_not_born_is_not_sent__payloads_dbirth_order() -> None:
    session, _ = born_edge(DeviceBirth(ROOM))
    with pytest.raises(UndeclaredError, match="the device is not born"):
        session.data(2000, "door-1", [Metric("door_open", value=True)])


def test_a_value_that_does_not_fit_is_not_sent() -> None:
    session, _ = born_edge()
    with pytest.raises(ValueError, match="is no BOOLEAN"):
        session.data(2000, "door-1", [Metric("door_open", value=3.5)])


def _stored(*metrics: Metric) -> PayloadMessage:
    return parse(encode(Payload(1900, None, metrics)))


def test_a_stored_payload_goes_out_with_aliases_and_a_new_time() -> None:
    session, births = born_edge()
    stored = _stored(Metric("air_temperature", None, 1880, DataType.DOUBLE, -18.0))
    message = parse(session.data_message(2000, "room-1", stored).payload)
    (metric,) = message.metrics
    assert (message.timestamp, message.seq) == (2000, 3)
    assert (metric.alias, metric.timestamp) == (metrics_of(births[1])["air_temperature"].alias, 1880)
    assert metric.double_value == -18.0
    assert not metric.is_historical


def test_a_stored_metric_without_time_keeps_the_stored_payload_s() -> None:
    session, _ = born_edge()
    stored = _stored(Metric("air_temperature", None, None, DataType.DOUBLE, -18.0))
    assert parse(session.data_message(2000, "room-1", stored).payload).metrics[0].timestamp == 1900


def test_backlog_is_marked_as_historical() -> None:
    session, _ = born_edge()
    stored = _stored(Metric("air_temperature", None, 1880, DataType.DOUBLE, -18.0))
    message = parse(session.data_message(2000, "room-1", stored, historical=True).payload)
    assert message.metrics[0].is_historical


def test_a_stored_value_of_another_type_is_converted_where_nothing_is_lost() -> None:
    session, _ = born_edge()
    stored = _stored(Metric("air_temperature", None, 1880, DataType.INT32, -18))
    assert parse(session.data_message(2000, "room-1", stored).payload).metrics[0].double_value == -18.0


def test_a_stored_null_of_another_type_stays_null() -> None:
    session, _ = born_edge()
    stored = _stored(Metric("air_temperature", None, 1880, DataType.INT32, None, True))
    assert parse(session.data_message(2000, "room-1", stored).payload).metrics[0].is_null


def test_a_stored_value_that_would_be_changed_is_not_sent() -> None:
    session, _ = born_edge()
    with pytest.raises(MismatchError):
        session.data_message(2000, "door-1", _stored(Metric("door_open", None, 1880, DataType.DOUBLE, 0.5)))


def test_a_lost_device_dies_with_seq_and_time__operational_behavior_device_ddeath__payloads_ddeath_seq_inc() -> None:
    session, _ = born_edge()
    death = session.device_death(2000, "room-1")
    payload = decode(death.payload)
    assert (death.topic, death.qos, death.retain) == ("spBv1.0/site/DDEATH/gw/room-1", 0, False)
    assert (payload.seq, payload.timestamp_ms) == (3, 2000)


def test_a_device_that_was_never_born_does_not_die() -> None:
    session, _ = born_edge(DeviceBirth(ROOM))
    with pytest.raises(UndeclaredError):
        session.device_death(2000, "door-1")


def test_what_a_dead_device_measured_before_goes_out_as_historical() -> None:
    session, _ = born_edge()
    session.device_death(2000, "room-1")
    stored = _stored(Metric("air_temperature", None, 1880, DataType.DOUBLE, -18.0))
    assert parse(session.data_message(2100, "room-1", stored).payload).metrics[0].is_historical


# Commands.


@pytest.mark.parametrize("at_ms", [5, None])
def test_a_rebirth_is_understood_with_or_without_time__operational_behavior_data_commands_rebirth_action_1(
    at_ms: int | None,
) -> None:
    session, _ = born_edge()
    command = command_of(Metric(REBIRTH, datatype=DataType.BOOLEAN, value=True), at_ms=at_ms)
    assert session.receive(*command, 2000) == [RebirthAsked()]


def test_rebirth_false_asks_for_nothing() -> None:
    session, _ = born_edge()
    assert session.receive(*command_of(Metric(REBIRTH, datatype=DataType.BOOLEAN, value=False)), 2000) == []


def test_a_rebirth_asked_of_a_device_is_refused() -> None:
    session, _ = born_edge()
    command = command_of(Metric(REBIRTH, datatype=DataType.BOOLEAN, value=True), device="room-1")
    assert isinstance(session.receive(*command, 2000)[0], Refused)


def test_a_write_by_name_is_understood() -> None:
    session, _ = born_edge()
    command = command_of(Metric("setpoint", datatype=DataType.DOUBLE, value=-20.0), device="room-1")
    assert session.receive(*command, 2000) == [WriteAsked("room-1", "setpoint", -20.0)]


def test_a_write_by_alias_without_type_is_understood__payloads_alias_data_cmd_requirement() -> None:
    session, births = born_edge()
    message = PayloadMessage(timestamp=5)
    message.metrics.add(alias=metrics_of(births[1])["setpoint"].alias, double_value=-20.0)
    found = session.receive("spBv1.0/site/DCMD/gw/room-1", message.SerializeToString(), 2000)
    assert found == [WriteAsked("room-1", "setpoint", -20.0)]


def test_every_metric_of_a_command_counts() -> None:
    session, _ = born_edge()
    writes = (
        Metric("setpoint", datatype=DataType.DOUBLE, value=-20.0),
        Metric("nothing", datatype=DataType.DOUBLE, value=1.0),
    )
    first, second = session.receive(*command_of(*writes, device="room-1"), 2000)
    assert first == WriteAsked("room-1", "setpoint", -20.0)
    assert isinstance(second, Refused)
    assert "'nothing' of room-1: no birth declared it" in second.reason


def test_a_commit_is_handed_on_as_bytes() -> None:
    session, _ = born_edge()
    assert session.receive(*command_of(Metric(COMMIT, datatype=DataType.BYTES, value=b"\x10")), 2000) == [
        CommitCame(b"\x10")
    ]


def test_a_commit_without_bytes_is_refused() -> None:
    session, _ = born_edge()
    (refused,) = session.receive(*command_of(Metric(COMMIT, datatype=DataType.BYTES, is_null=True)), 2000)
    assert isinstance(refused, Refused)


def test_an_alias_of_another_device_is_refused() -> None:
    session, births = born_edge()
    message = PayloadMessage()
    message.metrics.add(alias=metrics_of(births[1])["setpoint"].alias, double_value=-20.0)
    (refused,) = session.receive("spBv1.0/site/DCMD/gw/door-1", message.SerializeToString(), 2000)
    assert isinstance(refused, Refused)


@pytest.mark.parametrize(
    "topic", ["spBv1.0/site/NCMD/other", "spBv1.0/other/NCMD/gw", "spBv1.0/site/NDATA/gw", "spBv1.0/site/NBIRTH/gw"]
)
def test_what_is_not_for_this_node_means_nothing(topic: str) -> None:
    session, _ = born_edge()
    raw = command_of(Metric(REBIRTH, datatype=DataType.BOOLEAN, value=True))[1]
    assert session.receive(topic, raw, 2000) == []


@given(st.text(max_size=30) | st.sampled_from(["spBv1.0/site/NCMD/gw", "spBv1.0/site/DCMD/gw/room-1"]), st.binary())
def test_nothing_received_raises(topic: str, raw: bytes) -> None:
    session, _ = born_edge()
    for command in session.receive(topic, raw, 2000):
        assert command == RebirthAsked() or isinstance(command, Refused | WriteAsked | CommitCame | HostState)


def test_every_topic_of_a_session_is_of_one_group_and_node__payloads_dbirth_match_edge_node_topic() -> None:
    session, births = born_edge()
    sent = [*births, session.data(2, "room-1", []), session.data(2, "", []), session.device_death(3, "room-1")]
    assert {(parse_topic(each.topic).group, parse_topic(each.topic).node) for each in sent} == {("site", "gw")}
