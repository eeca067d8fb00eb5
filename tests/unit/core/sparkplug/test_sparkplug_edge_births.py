"""Births of an edge, and rebirths; names carry the ids of the specification."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.commit import BATCH, COMMIT, GAP, RUNS
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Quality, Reading
from frostline_core.sparkplug import (
    REBIRTH,
    DeviceBirth,
    EdgeSession,
    Metric,
    Property,
    decode,
    parse,
)
from tests.unit.core.sparkplug.edge_talk import DOOR, NODE, ROOM, VALUES, born_edge, edge_of, metrics_of


def test_nbirth_comes_first_then_each_dbirth__principles_birth_certificates_order() -> None:
    _, births = born_edge()
    assert [each.topic for each in births] == [
        "spBv1.0/site/NBIRTH/gw",
        "spBv1.0/site/DBIRTH/gw/room-1",
        "spBv1.0/site/DBIRTH/gw/door-1",
    ]


def test_births_are_qos0_and_not_retained__topics_nbirth_mqtt__topics_dbirth_mqtt() -> None:
    _, births = born_edge()
    assert {(each.qos, each.retain) for each in births} == {(0, False)}


def test_seq_starts_at_0_and_goes_on_over_the_devices__topics_nbirth_seq_num__payloads_dbirth_seq_inc() -> None:
    _, births = born_edge()
    assert [decode(each.payload).seq for each in births] == [0, 1, 2]


def test_births_carry_the_time__topics_nbirth_timestamp__topics_dbirth_timestamp() -> None:
    _, births = born_edge()
    assert {decode(each.payload).timestamp_ms for each in births} == {1000}


def test_every_metric_has_name_type_and_time__topics_nbirth_metric_reqs__payloads_metric_datatype_req() -> None:
    _, births = born_edge()
    for birth in births:
        for metric in parse(birth.payload).metrics:
            assert metric.name
            assert metric.datatype
            assert metric.timestamp


def test_nbirth_repeats_the_will_s_bdseq__topics_nbirth_bdseq_matching__payloads_nbirth_bdseq_repeat() -> None:
    _, births = born_edge(bd_seq=77)
    assert metrics_of(births[0])["bdSeq"].value == 77


def test_nbirth_declares_rebirth_false_without_alias__operational_behavior_data_commands_rebirth_name_aliases() -> None:
    _, births = born_edge()
    rebirth = metrics_of(births[0])[REBIRTH]
    assert (rebirth.datatype, rebirth.value, rebirth.alias) == (DataType.BOOLEAN, False, None)


def test_aliases_are_unique_over_node_and_devices__payloads_alias_uniqueness() -> None:
    _, births = born_edge()
    aliases = [metric.alias for each in births for metric in decode(each.payload).metrics if metric.alias is not None]
    assert len(aliases) == len(set(aliases))


def test_births_carry_name_and_alias__payloads_alias_birth_requirement() -> None:
    _, births = born_edge()
    without = [m.name for each in births for m in decode(each.payload).metrics if m.alias is None]
    assert without == ["bdSeq", REBIRTH]


def test_every_birth_declares_the_batch_metric() -> None:
    _, births = born_edge()
    for birth in births:
        batch = metrics_of(birth)[BATCH]
        assert (batch.datatype, batch.is_null) == (DataType.BYTES, True)


def test_a_session_that_is_not_proved_declares_no_batch_metric() -> None:
    session = EdgeSession("site", "gw", 0, proved=False)
    assert all(BATCH not in metrics_of(each) for each in session.birth(1, NODE, [DeviceBirth(ROOM)]))


def test_nbirth_carries_what_the_caller_adds() -> None:
    _, births = born_edge()
    node = metrics_of(births[0])
    assert node[RUNS].value == b"\x10"
    assert node[COMMIT].is_null
    assert node[GAP].is_null


def test_dbirth_says_what_the_device_is() -> None:
    _, births = born_edge()
    room = metrics_of(births[1])
    assert room["Properties/Kind"].value == "cold_room"
    assert room["Properties/Zone"].value == "freezer"
    assert room["Properties/Labels"].value == '{"product": "vaccines"}'


def test_dbirth_carries_unit_limits_quality_and_permission_as_properties() -> None:
    _, births = born_edge()
    room = metrics_of(births[1])
    assert room["air_temperature"].properties == {
        "engUnit": Property(DataType.STRING, "Cel"),
        "engLow": Property(DataType.DOUBLE, -50.0),
        "engHigh": Property(DataType.DOUBLE, 60.0),
        "Quality": Property(DataType.INT32, 192),
    }
    assert room["setpoint"].properties["writable"] == Property(DataType.BOOLEAN, True)


def test_a_birth_carries_the_current_value_and_when_it_was_measured__topics_dbirth_metrics() -> None:
    _, births = born_edge()
    metric = metrics_of(births[1])["air_temperature"]
    assert (metric.value, metric.timestamp_ms) == (-18.5, 900)


def test_a_metric_never_read_is_born_null_and_stale__operational_behavior_data_publish_dbirth_values() -> None:
    _, births = born_edge()
    metric = metrics_of(births[1])["setpoint"]
    assert (metric.is_null, metric.properties["Quality"].value) == (True, 500)


def test_a_bad_reading_is_born_null_and_bad() -> None:
    bad = {"air_temperature": Reading("room-1", "air_temperature", None, 900, Quality.BAD)}
    _, births = born_edge(DeviceBirth(ROOM, bad))
    metric = metrics_of(births[1])["air_temperature"]
    assert (metric.is_null, metric.properties["Quality"].value) == (True, 0)


def test_a_device_is_not_born_before_the_node__message_flow_device_birth_publish_nbirth_wait() -> None:
    with pytest.raises(ValueError, match="NBIRTH comes first"):
        edge_of().device_birth(1000, DeviceBirth(ROOM))


def test_a_late_device_is_born_with_the_next_seq__message_flow_device_birth_publish_dbirth_payload_seq() -> None:
    session, _ = born_edge(DeviceBirth(ROOM))
    birth = session.device_birth(5000, DeviceBirth(DOOR))
    assert (birth.topic, decode(birth.payload).seq) == ("spBv1.0/site/DBIRTH/gw/door-1", 2)


def test_two_metrics_of_one_name_are_refused() -> None:
    twice = DeviceDescription("d", "door", "", (DOOR.metrics[0], DOOR.metrics[0]))
    with pytest.raises(ValueError, match="one name"):
        born_edge(DeviceBirth(twice))


# Rebirth.


def test_a_rebirth_starts_at_seq_0_with_the_same_bdseq__operational_behavior_data_commands_rebirth_action_3() -> None:
    session, _ = born_edge()
    session.data(1500, "door-1", [Metric("door_open", value=True)])
    births = session.birth(2000, NODE, [DeviceBirth(ROOM), DeviceBirth(DOOR)])
    assert [decode(each.payload).seq for each in births] == [0, 1, 2]
    assert metrics_of(births[0])["bdSeq"].value == 3


def test_aliases_stay_in_a_session() -> None:
    session, first = born_edge()
    again = session.birth(2000, NODE, [DeviceBirth(DOOR), DeviceBirth(ROOM, VALUES)])
    before = {each.topic: {n: m.alias for n, m in metrics_of(each).items()} for each in first}
    after = {each.topic: {n: m.alias for n, m in metrics_of(each).items()} for each in again}
    assert before == after


def test_a_metric_of_another_type_gets_another_alias() -> None:
    session, first = born_edge(DeviceBirth(DOOR))
    changed = DeviceDescription("door-1", "door", "", (MetricDescription("door_open", DataType.INT32),))
    after = session.device_birth(2000, DeviceBirth(changed))
    assert metrics_of(first[1])["door_open"].alias != metrics_of(after)["door_open"].alias


@given(st.integers(0, 255), st.integers(0, 255))
def test_the_batch_alias_belongs_to_one_session(one: int, other: int) -> None:
    aliases = [
        {
            metric.alias
            for each in born_edge(bd_seq=n)[1]
            for metric in decode(each.payload).metrics
            if metric.name == BATCH
        }
        for n in (one, other)
    ]
    assert (aliases[0] == aliases[1]) is (one == other)
    assert one == other or not aliases[0] & aliases[1]
