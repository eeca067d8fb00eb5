"""Rows as messages: whatever a birth does not declare is declared first, and a host can read all of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from frostline_core.commit import BatchMark, Row, Runs, Send, pack_batch
from frostline_core.reading import DataType, DeviceDescription, Lane, MetricDescription, Reading, Stream
from frostline_core.sparkplug import (
    DataCame,
    DeviceBorn,
    DeviceDied,
    EdgeSession,
    Event,
    HostSession,
    Metric,
    NodeBorn,
    Outgoing,
    Payload,
    encode,
    value_of,
)
from frostline_gateway.devices import Devices
from frostline_gateway.spool import Lost, Spool, gaps
from frostline_gateway.uplink_births import PROOF, Births
from frostline_gateway.uplink_rows import RowMessages

T0 = 1_700_000_000_000
ROOM = DeviceDescription(
    "room", "cold_room", "freezer-1", (MetricDescription("air_temperature", DataType.FLOAT, "Cel"),)
)


class Pair:
    """An edge session and a host session, back to back."""

    def __init__(self, spool: Spool, *known: DeviceDescription, proved: bool = True) -> None:
        self.devices = Devices()
        for description in known:
            self.devices.born(description, T0)
        self.spool = spool
        self.births = Births(self.devices, spool)
        self.edge = EdgeSession("site", "gw", 0, proved=proved)
        self.host = HostSession("frostline")
        self.rows = RowMessages(self.edge, self.births, lambda: T0)

    def born(self) -> list[Event]:
        runs = Runs(1, {}) if self.edge.proved else None
        return self.deliver(self.edge.birth(T0, self.births.node(runs), self.births.live()))

    def deliver(self, messages: Sequence[Outgoing]) -> list[Event]:
        return [event for each in messages for event in self.host.receive(each.topic, each.payload, T0)]

    def send(self, *metrics: Metric, device: str = "room", lane: Lane = Lane.LIVE, reason: str = "") -> list[Event]:
        payload = b"" if reason else encode(Payload(T0, None, metrics))
        row = Row(9, 4, 2 if reason else 4, device, payload, 3, T0, T0 + 5, reason)
        mark = BatchMark(9, Stream.SAMPLES, row.n, row.first, 2, row.gap)
        return self.deliver(self.rows.of(Send(lane, row, mark)))


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool.open(tmp_path / "spool.db", 1 << 20, lambda: T0) as opened:
        yield opened


def temperature(value: float = -18.0) -> Metric:
    return Metric("air_temperature", None, T0, DataType.FLOAT, value)


def values(came: DataCame) -> dict[str, object]:
    bound = [(came.view.aliases[metric.alias].description, metric) for metric in came.message.metrics]
    return {each.name: value_of(metric, each.datatype) for each, metric in bound if "/" not in each.name}


def data(events: Sequence[Event]) -> DataCame:
    (came,) = [event for event in events if isinstance(event, DataCame)]
    return came


def test_a_row_goes_out_as_stored_with_its_mark(spool: Spool) -> None:
    pair = Pair(spool, ROOM)
    pair.born()
    came = data(pair.send(temperature()))
    assert values(came) == {"air_temperature": -18.0}
    assert came.batch == pack_batch(BatchMark(9, Stream.SAMPLES, 4, 4, 2))
    assert not any(metric.is_historical for metric in came.message.metrics)
    assert all(not metric.name for metric in came.message.metrics)


def test_backlog_is_historical(spool: Spool) -> None:
    pair = Pair(spool, ROOM)
    pair.born()
    came = data(pair.send(temperature(), lane=Lane.BACKLOG))
    assert all(metric.is_historical for metric in came.message.metrics)


def test_a_gap_row_is_of_the_node_and_tells_reason_count_and_span(spool: Spool) -> None:
    pair = Pair(spool, ROOM)
    pair.born()
    came = data(pair.send(reason="spool budget"))
    assert came.device == ""
    assert came.gap == f'{{"reason":"spool budget","samples":3,"from_ms":{T0},"to_ms":{T0 + 5}}}'
    assert came.batch == pack_batch(BatchMark(9, Stream.SAMPLES, 4, 2, 2, gap=True))


def test_a_gap_row_of_several_reasons_tells_each(spool: Spool) -> None:
    pair = Pair(spool, ROOM)
    pair.born()
    parts = [Lost("spool budget", 2, T0, T0 + 5), Lost("spool budget: thinned", 1, T0 + 1, T0 + 1)]
    row = Row(9, 4, 2, "", gaps.pack(parts), 3, T0, T0 + 5, "spool budget")
    came = data(pair.deliver(pair.rows.of(Send(Lane.LIVE, row, BatchMark(9, Stream.SAMPLES, 4, 2, 2, gap=True)))))
    told = json.loads(came.gap or "")
    assert (told["reason"], told["samples"]) == ("spool budget", 3)
    assert [(part["reason"], part["samples"], part["from_ms"]) for part in told["parts"]] == [
        ("spool budget", 2, T0),
        ("spool budget: thinned", 1, T0 + 1),
    ]


def test_a_metric_that_the_device_no_longer_has_is_added_to_its_birth(spool: Spool) -> None:
    pair = Pair(spool, ROOM)
    pair.born()
    born, came = pair.send(temperature(), Metric("humidity", None, T0, DataType.INT16, 70))
    assert isinstance(born, DeviceBorn)
    assert [metric.name for metric in born.device_view.description.metrics] == ["air_temperature", "humidity"]
    assert values(data([came])) == {"air_temperature": -18.0, "humidity": 70}
    assert [each.description.metric("humidity") for each in pair.births.live()] == [
        MetricDescription("humidity", DataType.INT16)
    ]


def test_a_metric_stored_under_another_type_is_declared_as_it_was_stored(spool: Spool) -> None:
    pair = Pair(spool, ROOM)
    pair.devices.keep([Reading("room", "air_temperature", -18.0, T0)])
    pair.born()
    events = pair.send(Metric("air_temperature", None, T0, DataType.STRING, "cold"))
    assert values(data(events)) == {"air_temperature": "cold"}
    again = pair.send(temperature(-17.5))
    assert values(data(again)) == {"air_temperature": -17.5}


def test_a_device_that_is_gone_is_born_as_the_spool_remembers_it_and_dies_at_once(spool: Spool) -> None:
    spool.remember(ROOM)
    pair = Pair(spool)
    pair.born()
    born, died, came = pair.send(temperature())
    assert isinstance(born, DeviceBorn)
    assert born.device_view.description == ROOM
    assert isinstance(died, DeviceDied)
    assert all(metric.is_historical for metric in data([came]).message.metrics)


def test_a_device_that_nobody_remembers_is_a_device(spool: Spool) -> None:
    pair = Pair(spool)
    pair.born()
    born = pair.send(temperature())[0]
    assert isinstance(born, DeviceBorn)
    assert (born.device_view.description.kind, born.device_view.description.zone) == ("device", "")


def test_an_unknown_metric_of_the_node_waits_for_the_birth_that_declares_it(spool: Spool) -> None:
    pair = Pair(spool)
    pair.born()
    restarts = Metric("restarts", None, T0, DataType.INT64, 5)
    assert pair.send(restarts, device="") == []
    pair.born()
    assert values(data(pair.send(restarts, device=""))) == {"restarts": 5}


def test_a_metric_of_the_node_stored_under_another_type_is_declared_as_it_was_stored(spool: Spool) -> None:
    pair = Pair(spool)
    pair.born()
    audit = Metric("command", None, T0, DataType.INT64, 5)  # a String today
    assert pair.send(audit, device="") == []
    pair.born()
    assert values(data(pair.send(audit, device=""))) == {"command": 5}


def test_a_damaged_row_goes_out_as_a_gap_of_its_own_number(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    pair = Pair(spool, ROOM)
    pair.born()
    row = Row(9, 4, 4, "room", b"\xff\xff", 3, T0, T0 + 5)
    messages = pair.rows.of(Send(Lane.LIVE, row, BatchMark(9, Stream.SAMPLES, 4, 4, 2)))
    came = data(pair.deliver(messages))
    assert came.batch == pack_batch(BatchMark(9, Stream.SAMPLES, 4, 4, 2, gap=True))
    assert came.gap is not None
    assert "not readable in the spool" in came.gap
    assert "row 4 of run 0000000000000009 is listed as lost" in caplog.text


def test_without_proof_there_is_no_mark_and_the_birth_says_so(spool: Spool) -> None:
    pair = Pair(spool, replace(ROOM, zone="dock"), proved=False)
    born = pair.born()[0]
    assert isinstance(born, NodeBorn)
    assert {metric.name: metric.value for metric in born.payload.metrics}[PROOF] == "none"
    assert data(pair.send(temperature())).batch is None
