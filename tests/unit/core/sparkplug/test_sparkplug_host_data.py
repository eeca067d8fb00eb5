"""DATA and its order, at the host; names carry the ids of the specification."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frostline_core.commit import BATCH, GAP
from frostline_core.reading import DataType, DeviceDescription
from frostline_core.sparkplug import (
    DataCame,
    DeviceBirth,
    HostSession,
    Metric,
    Payload,
    RebirthWanted,
    Refused,
    SequenceGap,
    Unresolved,
    encode,
)
from tests.unit.core.sparkplug.host_talk import (
    NODE,
    ROOM,
    edge_session,
    host_session,
    kinds_of,
    met,
    room_data,
    tell,
    values_of,
)


def test_data_comes_with_its_batch_mark_and_values() -> None:
    host, edge = met()
    (came,) = tell(host, room_data(edge, -18.0))
    assert isinstance(came, DataCame)
    assert (came.device, came.batch, came.gap) == ("room-1", b"mark", None)
    assert values_of([came]) == [-18.0]


def test_a_gap_message_comes_with_its_text() -> None:
    host, edge = met()
    (came,) = tell(host, edge.data(1900, "", [Metric(BATCH, value=b"m"), Metric(GAP, value='{"reason": "x"}')]))
    assert isinstance(came, DataCame)
    assert (came.batch, came.gap) == (b"m", '{"reason": "x"}')


def test_metrics_sent_by_name_get_the_alias_of_their_birth() -> None:
    host = host_session()
    names = (Metric("bdSeq", datatype=DataType.INT64, value=0), Metric("t", None, 5, DataType.DOUBLE, 1.0))
    host.receive("spBv1.0/site/NBIRTH/plc", encode(Payload(5, 0, names)), 5)
    raw = encode(Payload(6, 1, (Metric("t", None, 6, DataType.DOUBLE, 2.5),)))
    (came,) = host.receive("spBv1.0/site/NDATA/plc", raw, 6)
    assert isinstance(came, DataCame)
    bound = came.view.aliases[came.message.metrics[0].alias]
    assert (bound.description.name, came.message.metrics[0].double_value) == ("t", 2.5)


def test_alias_0_is_an_alias_but_its_absence_is_not() -> None:
    host = host_session()
    births = (Metric("bdSeq", datatype=DataType.INT64, value=0), Metric("a", 0, 5, DataType.INT32, 1))
    host.receive("spBv1.0/site/NBIRTH/plc", encode(Payload(5, 0, births)), 5)
    by_alias = encode(Payload(6, 1, (Metric("", 0, 6, DataType.INT32, 7),)))
    unnamed = encode(Payload(6, 2, (Metric("b", None, 6, DataType.INT32, 7),)))
    assert kinds_of(host.receive("spBv1.0/site/NDATA/plc", by_alias, 6)) == ["DataCame"]
    assert kinds_of(host.receive("spBv1.0/site/NDATA/plc", unnamed, 6)) == ["Unresolved", "RebirthWanted"]


def test_data_of_an_unknown_node_is_unresolved_and_asks_for_a_rebirth() -> None:
    edge = edge_session()
    edge.birth(1500, NODE, [DeviceBirth(ROOM)])
    sent = room_data(edge, -18.0)
    unresolved, wanted = tell(host_session(), sent)
    assert unresolved == Unresolved("site", "gw", sent.topic, sent.payload, "no NBIRTH of this node was heard")
    assert wanted == RebirthWanted("site", "gw", "no NBIRTH of this node was heard")


def test_a_rebirth_is_asked_for_once_in_30_seconds() -> None:
    host, edge = host_session(), edge_session()
    edge.birth(1500, NODE, [DeviceBirth(ROOM)])
    found = [kinds_of(tell(host, room_data(edge, 1.0), at_ms=at_ms)) for at_ms in (2000, 3000, 31_999)]
    assert found == [["Unresolved", "RebirthWanted"], ["Unresolved"], ["Unresolved"]]
    assert kinds_of(host.tick(32_000)) == ["RebirthWanted"]


def test_an_alias_that_no_birth_declared_is_unresolved() -> None:
    host, edge = met()
    late = DeviceDescription("room-2", "cold_room", "", ROOM.metrics)
    edge.device_birth(1600, DeviceBirth(late))  # lost on its way
    events = tell(host, edge.data(1900, "room-2", [Metric("setpoint", value=1.0), Metric(BATCH, value=b"m")]))
    assert kinds_of(events) == ["Unresolved", "RebirthWanted"]


def test_data_of_a_new_session_is_never_read_with_the_old_session_s_aliases() -> None:
    host, _ = met()
    swapped = DeviceDescription("room-1", "cold_room", "", tuple(reversed(ROOM.metrics)))
    edge = edge_session(bd_seq=4)
    edge.birth(3000, NODE, [DeviceBirth(swapped)])  # lost on its way
    events = tell(host, edge.data(3100, "room-1", [Metric("setpoint", value=-20.0), Metric(BATCH, value=b"m")]))
    assert kinds_of(events) == ["Unresolved", "RebirthWanted"]


def test_malformed_bytes_are_refused_with_topic_and_bytes() -> None:
    host, _ = met()
    (refused,) = host.receive("spBv1.0/site/NDATA/gw", b"\xff", 2000)
    assert isinstance(refused, Refused)
    assert (refused.topic, refused.raw) == ("spBv1.0/site/NDATA/gw", b"\xff")


@pytest.mark.parametrize("topic", ["spBv1.0/site/NCMD/gw", "spBv1.0/site/DCMD/gw/room-1"])
def test_commands_mean_nothing_to_a_host(topic: str) -> None:
    assert host_session().receive(topic, b"\xff", 2000) == []


@given(st.sampled_from(["NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH", "STATE"]), st.binary(max_size=80))
def test_nothing_received_raises(kind: str, raw: bytes) -> None:
    host, _ = met()
    topic = "spBv1.0/STATE/frostline" if kind == "STATE" else f"spBv1.0/site/{kind}/gw"
    host.receive(f"{topic}/room-1" if kind.startswith("D") else topic, raw, 2000)


# Order.


def test_proved_data_out_of_order_passes_at_once_and_a_loss_asks_for_a_rebirth() -> None:
    host, edge = met()
    lost, came = room_data(edge, 1.0), room_data(edge, 2.0)
    assert values_of(tell(host, came, at_ms=2000)) == [2.0]
    assert host.tick(3999) == []
    gap, wanted = host.tick(4000)
    assert isinstance(gap, SequenceGap)
    assert (gap.expected, gap.got, gap.view.proved) == (2, 3, True)
    assert isinstance(wanted, RebirthWanted)
    assert values_of(tell(host, lost, at_ms=5000)) == [1.0]


def test_other_data_waits_for_the_missing_message__operational_behavior_host_reordering_success() -> None:
    host, edge = met(proved=False)
    first, second = room_data(edge, 1.0), room_data(edge, 2.0)
    assert tell(host, second, at_ms=2000) == []
    assert values_of(tell(host, first, at_ms=3000)) == [1.0, 2.0]
    assert host.tick(9000) == []


def test_after_the_time_out_the_gap_is_told_and_a_rebirth_asked__operational_behavior_host_reordering_rebirth() -> None:
    host, edge = met(proved=False)
    room_data(edge, 1.0)  # lost
    tell(host, room_data(edge, 2.0), at_ms=2000)
    assert host.tick(3999) == []
    events = host.tick(4000)
    assert kinds_of(events) == ["SequenceGap", "DataCame", "RebirthWanted"]
    assert values_of(events) == [2.0]


def test_the_reorder_time_out_is_a_parameter__operational_behavior_host_reordering_param() -> None:
    host, edge = HostSession("frostline", reorder_timeout_ms=100), edge_session(proved=False)
    tell(host, *edge.birth(1500, NODE, [DeviceBirth(ROOM)]))
    room_data(edge, 1.0)
    tell(host, room_data(edge, 2.0), at_ms=2000)
    assert "SequenceGap" in kinds_of(host.tick(2100))


def test_a_dbirth_waits_its_turn_for_a_node_that_is_not_proved() -> None:
    host, edge = met(proved=False)
    other = DeviceDescription("room-2", "cold_room", "", ROOM.metrics)
    data, birth = room_data(edge, 1.0), edge.device_birth(1950, DeviceBirth(other))
    assert tell(host, birth) == []
    assert kinds_of(tell(host, data)) == ["DataCame", "DeviceBorn"]


def test_more_than_a_hundred_waiting_messages_end_the_wait() -> None:
    host, edge = met(proved=False)
    room_data(edge, 0.0)  # lost
    events = [event for i in range(101) for event in tell(host, room_data(edge, float(i)))]
    assert kinds_of(events).count("SequenceGap") == 1
    assert values_of(events) == [float(i) for i in range(101)]


def test_what_waits_when_a_new_session_begins_is_refused_and_not_lost_silently() -> None:
    host, edge = met(proved=False)
    room_data(edge, 1.0)  # lost
    waiting = room_data(edge, 2.0)
    tell(host, waiting)
    events = tell(host, *edge_session(4, proved=False).birth(3000, NODE, [DeviceBirth(ROOM)]))
    assert kinds_of(events) == ["Refused", "NodeBorn", "DeviceBorn"]
    assert isinstance(events[0], Refused)
    assert events[0].raw == waiting.payload


def test_seq_wraps_without_a_gap__payloads_sequence_num_incrementing() -> None:
    host, edge = met(proved=False)
    events = [event for i in range(600) for event in tell(host, room_data(edge, float(i)))]
    assert values_of(events) == [float(i) for i in range(600)]
