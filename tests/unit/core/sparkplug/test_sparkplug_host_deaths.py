"""Deaths, and what comes after a restart, at the host; names carry the ids of the specification."""

from __future__ import annotations

from dataclasses import replace

from frostline_core.sparkplug import (
    DataCame,
    DeviceBirth,
    DeviceDied,
    EdgeSession,
    HostSession,
    NodeDied,
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


def test_ndeath_takes_node_and_devices_offline_at_the_host_s_time__termination_host_action_ndeath_node_offline() -> (
    None
):
    host, edge = met()
    will = edge.will()
    (died,) = tell(host, will, at_ms=7000)
    assert isinstance(died, NodeDied)
    assert died.at_ms == 7000  # ...-ndeath-node-tags-stale
    assert not died.view.online
    assert not died.view.devices["room-1"].online  # ...-ndeath-devices-offline


def test_an_ndeath_of_another_session_is_ignored() -> None:
    host, _ = met()
    assert tell(host, edge_session(bd_seq=2).will()) == []
    view = host.node("site", "gw")
    assert view is not None
    assert view.online


def test_an_ndeath_without_type_is_understood() -> None:
    host, _ = met()
    raw = b"\x12\x09\x0a\x05bdSeq\x58\x03"
    assert kinds_of(host.receive("spBv1.0/site/NDEATH/gw", raw, 5000)) == ["NodeDied"]


def test_ddeath_takes_the_device_offline_at_the_payload_s_time__termination_host_action_ddeath_devices_offline() -> (
    None
):
    host, edge = met()
    (died,) = tell(host, edge.device_death(6500, "room-1"), at_ms=7000)
    assert isinstance(died, DeviceDied)
    assert died.at_ms == 6500  # ...-ddeath-devices-tags-stale
    assert not died.device_view.online
    assert died.view.online


def test_rows_of_a_dead_device_still_come_from_a_proved_node() -> None:
    host, edge = met()
    tell(host, edge.device_death(6500, "room-1"))
    (came,) = tell(host, room_data(edge, -18.0))
    assert isinstance(came, DataCame)
    assert not came.view.devices["room-1"].online


def test_data_of_a_dead_device_of_another_node_is_unresolved() -> None:
    host, edge = met(proved=False)
    tell(host, edge.device_death(6500, "room-1"))
    assert kinds_of(tell(host, room_data(edge, -18.0))) == ["Unresolved", "RebirthWanted"]


def test_data_after_death_asks_for_a_rebirth_and_proved_data_passes_all_the_same() -> None:
    host, edge = met()
    tell(host, edge.will())
    assert kinds_of(tell(host, room_data(edge, 1.0))) == ["DataCame", "RebirthWanted"]


def test_data_after_death_of_another_node_is_unresolved() -> None:
    host, edge = met(proved=False)
    tell(host, edge.will())
    assert kinds_of(tell(host, room_data(edge, 1.0))) == ["Unresolved", "RebirthWanted"]


def test_a_lost_connection_makes_every_node_stale() -> None:
    host, _ = met()
    (died,) = host.connection_lost(8000)
    assert isinstance(died, NodeDied)
    assert died.at_ms == 8000
    assert host.connection_lost(8001) == []


# After a restart of the host.


def _restored(edge: EdgeSession) -> HostSession:
    births = edge.birth(1500, NODE, [DeviceBirth(ROOM)])
    host = host_session()
    host.restore("site", "gw", births[0].payload, {"room-1": births[1].payload})
    return host


def test_a_restored_node_is_offline_until_its_session_is_heard_and_needs_no_birth() -> None:
    edge = edge_session()
    host = _restored(edge)
    view = host.node("site", "gw")
    assert view is not None
    assert not view.online
    events = tell(host, room_data(edge, -18.0))
    assert kinds_of(events) == ["NodeBack", "DataCame"]
    assert values_of(events) == [-18.0]
    assert view.online
    assert view.devices["room-1"].online


def test_after_a_restart_order_is_watched_from_the_first_message_on() -> None:
    edge = edge_session()
    host = _restored(edge)
    for _ in range(5):
        room_data(edge, 1.0)
    assert kinds_of(tell(host, room_data(edge, -18.0))) == ["NodeBack", "DataCame"]
    assert kinds_of(tell(host, room_data(edge, -18.1))) == ["DataCame"]
    assert host.tick(60_000) == []


def test_a_device_that_was_dead_before_the_restart_stays_dead() -> None:
    edge = edge_session()
    host = _restored(edge)
    view = host.node("site", "gw")
    assert view is not None
    view.living = frozenset()
    tell(host, room_data(edge, -18.0))
    assert view.online
    assert not view.devices["room-1"].online


def test_a_death_heard_after_the_restart_ends_the_session() -> None:
    edge = edge_session()
    host = _restored(edge)
    assert tell(host, edge.will()) == []
    assert kinds_of(tell(host, room_data(edge, -18.0))) == ["DataCame", "RebirthWanted"]


def test_a_node_goes_on_after_the_host_s_own_connection_was_lost() -> None:
    host, edge = met(True, DeviceBirth(ROOM))
    host.connection_lost(8000)
    assert kinds_of(tell(host, room_data(edge, -18.0))) == ["NodeBack", "DataCame"]
    view = host.node("site", "gw")
    assert view is not None
    assert view.devices["room-1"].online


def test_a_device_birth_of_an_earlier_session_is_left_out_where_it_does_not_fit() -> None:
    """Devices are kept for ever, and a session gives its aliases anew: one that is gone must not stop the host."""
    old, edge = edge_session(3), edge_session(4)
    gone = replace(ROOM, id="gone")
    stale = old.birth(1500, NODE, [DeviceBirth(gone)])[1].payload
    births = edge.birth(1600, NODE, [DeviceBirth(ROOM)])
    host = host_session()
    view = host.restore("site", "gw", births[0].payload, {"room-1": births[1].payload, "gone": stale})
    assert set(view.devices) == {"room-1"}
    assert kinds_of(tell(host, room_data(edge, -18.0))) == ["NodeBack", "DataCame"]


def test_restored_births_of_another_session_let_nothing_pass() -> None:
    old, edge = edge_session(3), edge_session(4)
    births = old.birth(1500, NODE, [DeviceBirth(ROOM)])
    edge.birth(1600, NODE, [DeviceBirth(ROOM)])
    host = host_session()
    host.restore("site", "gw", births[0].payload, {"room-1": births[1].payload})
    assert kinds_of(tell(host, room_data(edge, -18.0))) == ["Unresolved", "RebirthWanted"]


def test_restored_births_of_a_node_that_is_not_proved_let_nothing_pass() -> None:
    edge = edge_session(proved=False)
    births = edge.birth(1500, NODE, [DeviceBirth(ROOM)])
    host = host_session()
    host.restore("site", "gw", births[0].payload, {"room-1": births[1].payload})
    assert kinds_of(tell(host, room_data(edge, -18.0))) == ["Unresolved", "RebirthWanted"]
