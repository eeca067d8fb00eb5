"""The clock of the host's machine is set while something waits: it waits as long as it would have."""

from __future__ import annotations

import pytest

from frostline_core.sparkplug import DeviceBirth, DeviceBorn, Event, HostSession, NodeDied, Outgoing
from tests.unit.core.sparkplug.host_talk import NODE, ROOM, edge_session, host_session, kinds_of, met, room_data

HOUR_MS = 3_600_000
SET = pytest.mark.parametrize("off_ms", [-HOUR_MS, HOUR_MS])


def hear(host: HostSession, message: Outgoing, utc_ms: int, steady_ms: int) -> list[Event]:
    return host.receive(message.topic, message.payload, utc_ms, steady_ms)


@SET
def test_a_missing_message_of_a_plain_node_is_waited_for_as_long(off_ms: int) -> None:
    host, edge = met(proved=False)
    missing, came = room_data(edge, 1.0), room_data(edge, 2.0)
    assert hear(host, came, 2_000, 50_000) == []
    assert host.tick(2_000 + off_ms, 51_999) == []
    assert kinds_of(hear(host, missing, 2_000 + off_ms, 51_999)) == ["DataCame", "DataCame"]
    assert host.tick(9_000 + off_ms, 59_000) == []


@SET
def test_it_is_given_up_no_later_either(off_ms: int) -> None:
    host, edge = met(proved=False)
    room_data(edge, 1.0)  # lost
    hear(host, room_data(edge, 2.0), 2_000, 50_000)
    assert kinds_of(host.tick(2_000 + off_ms, 52_000)) == ["SequenceGap", "DataCame", "RebirthWanted"]


@SET
def test_births_are_asked_for_neither_more_often_nor_more_seldom(off_ms: int) -> None:
    host, edge = host_session(), edge_session()
    edge.birth(1_500, NODE, [DeviceBirth(ROOM)])
    assert kinds_of(hear(host, room_data(edge, 1.0), 2_000, 50_000)) == ["Unresolved", "RebirthWanted"]
    assert kinds_of(hear(host, room_data(edge, 2.0), 2_000 + off_ms, 50_001)) == ["Unresolved"]
    assert host.tick(2_000 + off_ms, 79_999) == []
    assert kinds_of(host.tick(2_000 + off_ms, 80_000)) == ["RebirthWanted"]


@SET
def test_a_storm_of_requests_is_spread_over_as_many_seconds(off_ms: int) -> None:
    host = HostSession("frostline", rebirths_per_s=2)
    asked = []
    for number in range(6):
        edge = edge_session()
        edge.birth(1_500, NODE, [DeviceBirth(ROOM)])
        data = room_data(edge, 1.0)
        topic = data.topic.replace("/gw/", f"/gw-{number}/")
        asked += host.receive(topic, data.payload, 2_000 + number * off_ms, 50_000)
    assert kinds_of(asked).count("RebirthWanted") == 2
    assert kinds_of(host.tick(2_000, 51_000)) == ["RebirthWanted"] * 2


def test_what_is_told_is_told_in_utc() -> None:
    host, edge = host_session(), edge_session()
    (_, born) = [event for each in edge.birth(1_500, NODE, [DeviceBirth(ROOM)]) for event in hear(host, each, 7_000, 5)]
    assert isinstance(born, DeviceBorn)
    (died,) = host.connection_lost(8_000, 6)
    assert isinstance(died, NodeDied)
    assert died.at_ms == 8_000
