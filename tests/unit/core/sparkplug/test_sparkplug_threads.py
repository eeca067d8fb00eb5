"""What others have stumbled over in Sparkplug, by the number of the thread that tells of it."""

from __future__ import annotations

import pytest

from frostline_core.reading import DataType
from frostline_core.sparkplug import DeviceBirth, Metric, NodeBorn, Payload, decode, encode
from tests.unit.core.sparkplug.host_talk import NODE, ROOM, edge_session, host_session, kinds_of, met, room_data, tell


@pytest.mark.parametrize("seq", [0, 1, 7, 255])
def test_sparkplug_178_and_tahu_373_a_birth_may_begin_at_any_seq(seq: int) -> None:
    metrics = (Metric("bdSeq", datatype=DataType.INT64, value=0), Metric("t", 1, 5, DataType.DOUBLE, 1.0))

    events = host_session().receive("spBv1.0/site/NBIRTH/plc", encode(Payload(5, seq, metrics)), 5)

    assert [type(event) for event in events] == [NodeBorn]


def test_sparkplug_178_ours_begin_at_0() -> None:
    births = [decode(edge_session().birth(1500, NODE, [])[0].payload) for _ in range(2)]

    assert [birth.seq for birth in births] == [0, 0]


def test_benthos_umh_345_an_alias_that_nobody_declared_is_read_after_the_birth_that_it_asks_for() -> None:
    host, edge = host_session(), edge_session()
    edge.birth(1500, NODE, [DeviceBirth(ROOM)])  # lost on its way
    assert kinds_of(tell(host, room_data(edge, -18.0))) == ["Unresolved", "RebirthWanted"]

    tell(host, *edge.birth(2500, NODE, [DeviceBirth(ROOM)]))

    assert kinds_of(tell(host, room_data(edge, -18.0))) == ["DataCame"]


def test_node_red_sparkplug_plus_89_a_rebirth_is_births_only_and_ends_nothing() -> None:
    host, edge = met()

    births = edge.birth(2500, NODE, [DeviceBirth(ROOM)])

    assert [each.topic.split("/")[2] for each in births] == ["NBIRTH", "DBIRTH"]
    assert not {"NodeDied", "DeviceDied"} & set(kinds_of(tell(host, *births)))
    assert kinds_of(tell(host, room_data(edge, -18.0))) == ["DataCame"]
