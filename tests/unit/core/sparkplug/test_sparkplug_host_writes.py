"""Commands of a host; names carry the ids of the specification."""

from __future__ import annotations

import pytest

from frostline_core.reading import DataType
from frostline_core.sparkplug import (
    REBIRTH,
    CommitCame,
    Metric,
    Payload,
    RebirthAsked,
    WriteAsked,
    decode,
    encode,
)
from tests.unit.core.sparkplug.host_talk import host_session, met


def test_a_rebirth_command_has_time_and_no_seq__payloads_ncmd_seq__topics_ncmd_timestamp() -> None:
    topic, raw = host_session().rebirth_command("site", "gw", 4000)
    payload = decode(raw)
    assert topic == "spBv1.0/site/NCMD/gw"
    assert (payload.timestamp_ms, payload.seq) == (4000, None)
    assert [(m.name, m.value) for m in payload.metrics] == [(REBIRTH, True)]  # ...-ncmd-rebirth-name, -value


def test_an_edge_understands_our_rebirth__operational_behavior_data_commands_ncmd_rebirth_verb() -> None:
    host, edge = met()
    assert edge.receive(*host.rebirth_command("site", "gw", 4000), 4000) == [RebirthAsked()]


def test_a_device_command_goes_by_alias_with_time_and_no_seq__payloads_dcmd_seq__topics_dcmd_timestamp() -> None:
    host, edge = met()
    topic, raw = host.command("site", "gw", "room-1", [Metric("setpoint", value=-20.0)], 4000)
    assert topic == "spBv1.0/site/DCMD/gw/room-1"
    payload = decode(raw, dict.fromkeys(range(100), DataType.DOUBLE))
    assert (payload.timestamp_ms, payload.seq) == (4000, None)
    assert payload.metrics[0].alias is not None
    assert edge.receive(topic, raw, 4000) == [WriteAsked("room-1", "setpoint", -20.0)]


def test_a_command_to_a_node_without_aliases_goes_by_name__payloads_name_cmd_requirement() -> None:
    host = host_session()
    names = (Metric("bdSeq", datatype=DataType.INT64, value=0), Metric("t", None, 5, DataType.DOUBLE, 1.0))
    host.receive("spBv1.0/site/NBIRTH/plc", encode(Payload(5, 0, names)), 5)
    _, raw = host.command("site", "plc", "", [Metric("t", value=2.0)], 6)
    (metric,) = decode(raw, names={"t": DataType.DOUBLE}).metrics
    assert (metric.name, metric.alias) == ("t", None)


def test_a_command_for_what_no_birth_declared_is_not_made__operational_behavior_data_commands_dcmd_metric_name() -> (
    None
):
    host, _ = met()
    with pytest.raises(ValueError, match="no birth declared 'other'"):
        host.command("site", "gw", "room-1", [Metric("other", value=1.0)], 4000)


def test_a_command_of_another_type_is_not_made__operational_behavior_data_commands_dcmd_metric_value() -> None:
    host, _ = met()
    with pytest.raises(ValueError, match="is no DOUBLE"):
        host.command("site", "gw", "room-1", [Metric("setpoint", value="cold")], 4000)


def test_a_commit_reaches_the_edge_as_bytes() -> None:
    host, edge = met()
    assert edge.receive(*host.commit_command("site", "gw", b"\x10abc", 4000), 4000) == [CommitCame(b"\x10abc")]
