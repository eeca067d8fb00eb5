"""What births make of a node, at the host; names carry the ids of the specification."""

from __future__ import annotations

import pytest

from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Reading
from frostline_core.sparkplug import (
    DeviceBirth,
    DeviceBorn,
    Event,
    HostSession,
    Metric,
    NodeBorn,
    Payload,
    Refused,
    encode,
)
from tests.unit.core.sparkplug.host_talk import NODE, ROOM, edge_session, host_session, met, tell


def test_births_make_node_and_device_known() -> None:
    host, edge = host_session(), edge_session()
    values = {"air_temperature": Reading("room-1", "air_temperature", -18.5, 1400)}
    node_born, device_born = tell(host, *edge.birth(1500, NODE, [DeviceBirth(ROOM, values)]))
    assert isinstance(node_born, NodeBorn)
    assert isinstance(device_born, DeviceBorn)
    view = host.node("site", "gw")
    assert view is node_born.view
    assert (view.online, view.proved, view.bd_seq, view.birth_ms) == (True, True, 3, 1500)
    assert device_born.device_view.online
    assert device_born.device_view.description == ROOM


def test_metrics_are_bound_by_alias_and_by_name() -> None:
    host, _ = met()
    view = host.node("site", "gw")
    assert view is not None
    bound = view.by_name["room-1", "air_temperature"]
    assert view.aliases[bound.alias] is bound
    assert (bound.device, bound.description, bound.slot) == ("room-1", ROOM.metrics[0], -1)


def test_a_node_without_batches_is_not_proved() -> None:
    host, _ = met(proved=False)
    view = host.node("site", "gw")
    assert view is not None
    assert not view.proved


def test_a_third_party_s_device_has_no_kind_of_ours() -> None:
    host = host_session()
    metrics = (Metric("bdSeq", datatype=DataType.INT64, value=0), Metric("t", 1, 5, DataType.DOUBLE, 1.0))
    host.receive("spBv1.0/site/NBIRTH/plc", encode(Payload(5, 0, metrics)), 5)
    host.receive("spBv1.0/site/DBIRTH/plc/pump", encode(Payload(5, 1, (Metric("t", 2, 5, DataType.DOUBLE, 1.0),))), 5)
    view = host.node("site", "plc")
    assert view is not None
    assert view.devices["pump"].description == DeviceDescription(
        "pump", "device", "", (MetricDescription("t", DataType.DOUBLE),)
    )


def test_a_birth_without_bdseq_is_refused() -> None:
    (refused,) = host_session().receive("spBv1.0/site/NBIRTH/gw", encode(Payload(5, 0)), 5)
    assert isinstance(refused, Refused)
    assert "bdSeq" in refused.reason


def _plain_birth(host: HostSession, *metrics: Metric, device: str = "") -> list[Event]:
    kind, tail = ("DBIRTH", f"/{device}") if device else ("NBIRTH", "")
    first = () if device else (Metric("bdSeq", datatype=DataType.INT64, value=0),)
    return host.receive(f"spBv1.0/site/{kind}/plc{tail}", encode(Payload(5, int(bool(device)), (*first, *metrics))), 5)


@pytest.mark.parametrize("name", ["a\nb", "x" * 513, "a\0"])
def test_a_name_that_would_break_a_store_is_refused(name: str) -> None:
    (refused,) = _plain_birth(host_session(), Metric(name, 1, 5, DataType.INT32, 1))
    assert isinstance(refused, Refused)


@pytest.mark.parametrize(
    ("said", "kind"),
    [("cold_room", "cold_room"), ("a b", "device"), ("x,y=z\n", "device"), ("", "device"), ("k" * 65, "device")],
)
def test_a_kind_that_is_no_plain_name_is_not_taken_over(said: str, kind: str) -> None:
    host = host_session()
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
    host = host_session()
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
    (refused,) = host_session().receive("spBv1.0/site/NBIRTH/gw", encode(Payload(5, 0, metrics)), 5)
    assert isinstance(refused, Refused)


def test_an_alias_of_another_device_is_refused() -> None:
    host, _ = met()
    view = host.node("site", "gw")
    assert view is not None
    taken = view.by_name["room-1", "setpoint"].alias
    raw = encode(Payload(5, 2, (Metric("x", taken, 5, DataType.INT32, 1),)))
    (refused,) = host.receive("spBv1.0/site/DBIRTH/gw/room-2", raw, 5)
    assert isinstance(refused, Refused)
    assert view.aliases[taken].device == "room-1"


def test_after_nbirth_devices_are_offline_until_their_own_births() -> None:
    host, edge = met()
    view = host.node("site", "gw")
    assert view is not None
    births = edge.birth(2500, NODE, [DeviceBirth(ROOM)])
    tell(host, births[0])
    assert not view.devices["room-1"].online
    tell(host, births[1])
    assert view.devices["room-1"].online


def test_a_device_born_with_other_metrics_is_bound_anew() -> None:
    host, edge = met()
    view = host.node("site", "gw")
    assert view is not None
    other = DeviceDescription("room-1", "cold_room", "", (MetricDescription("humidity", DataType.DOUBLE, "%"),))
    tell(host, edge.device_birth(2500, DeviceBirth(other)))
    assert ("room-1", "air_temperature") not in view.by_name
    assert ("room-1", "humidity") in view.by_name
    assert all(view.aliases[each.alias] is each for each in view.by_name.values())
