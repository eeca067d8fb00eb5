"""DATA into samples: whatever a node sends, ingest lives on, and what cannot be kept says why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostline_cloud.ingest.decode import Batch, batch_of, count_of, decode, owner_of
from frostline_cloud.ingest.registry import node_description
from frostline_cloud.ingest.series import Plan, SeriesTable
from frostline_core.commit import BATCH, BatchMark, Regular, pack_batch
from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Quality, Stream
from frostline_core.rules import Evaluator
from frostline_core.sparkplug import (
    QUALITY,
    DataCame,
    DeviceBirth,
    EdgeSession,
    HostSession,
    Metric,
    Property,
    Skimmed,
    parse,
)

NOW_MS = 1_700_000_000_000
TYPES = {
    "air_temperature": DataType.DOUBLE,
    "count": DataType.INT32,
    "door_open": DataType.BOOLEAN,
    "movement": DataType.STRING,
    "curve": DataType.DOUBLE_ARRAY,
    "blob": DataType.BYTES,
    "table": DataType.DATASET,
}


class Wire:
    """An edge node and a host that have heard each other's births."""

    def __init__(self, proved: bool = True, devices: Sequence[str] = ("d",)) -> None:
        self.edge = EdgeSession("site-a", "gw-1", 0, proved=proved)
        self.host = HostSession("frostline")
        self.host.will(NOW_MS)
        self.series = SeriesTable(Evaluator([]))
        self.host.prepare(self.series.plan)
        metrics = tuple(MetricDescription(name, datatype) for name, datatype in TYPES.items())
        born = [DeviceBirth(DeviceDescription(name, "cold_room", metrics=metrics), {}) for name in devices]
        births = self.edge.birth(NOW_MS, (), born)
        for birth in births:
            self.host.receive(birth.topic, birth.payload, NOW_MS)
        view = self.host.node("site-a", "gw-1")
        assert view is not None
        for description in (node_description(view), *(each.description for each in view.devices.values())):
            self.series.bind(view, description, {}, {})
        self.n = 0

    def send(self, *metrics: Metric) -> tuple[str, bytes]:
        self.n += 1
        mark = pack_batch(BatchMark(7, Stream.SAMPLES, self.n, self.n, 1, False))
        marked = (*metrics, Metric(BATCH, None, NOW_MS, None, mark, is_transient=True))
        sent = self.edge.data(NOW_MS, "d", marked if self.edge.proved else metrics)
        return sent.topic, sent.payload

    def skim(self, topic: str, raw: bytes) -> Regular | None:
        found = Skimmed()
        self.host.skim([(topic, raw)], 0, NOW_MS + 300_000, found)
        return next(iter(found.batches + found.plain), None)

    def hear(self, topic: str, raw: bytes) -> list[Batch]:
        """As ingest does: the short way, else the long way."""
        self.skim(topic, b"")  # from now on it learns
        regular = self.skim(topic, raw)
        if regular is not None:
            return [batch_of(regular)]
        events = self.host.receive(topic, raw, NOW_MS)
        return [decode(event, NOW_MS + 300_000) for event in events if isinstance(event, DataCame)]

    def taken(self, *metrics: Metric) -> Batch:
        (batch,) = self.hear(*self.send(*metrics))
        return batch


def values(wire: Wire, batch: Batch) -> dict[str, Any]:
    return {wire.series.fields[slot]: value for slot, value, _, _ in batch.samples}


def at(name: str, value: Any) -> Metric:
    return Metric(name, None, NOW_MS, TYPES[name], value)


@pytest.mark.parametrize("repeat", [1, 5])
def test_numbers_and_flags_become_floats_and_text_stays_text(repeat: int) -> None:
    wire = Wire()
    for _ in range(repeat):  # a layout is learned from the first messages
        batch = wire.taken(at("air_temperature", -20.5), at("count", 7), at("door_open", True), at("movement", "{}"))
    assert values(wire, batch) == {"air_temperature": -20.5, "count": 7.0, "door_open": 1.0, "movement": "{}"}
    assert batch.count == 4


def test_a_message_of_a_learned_form_is_one_row_of_numbers() -> None:
    wire = Wire()
    for _ in range(2):
        wire.taken(at("air_temperature", -20.5), at("count", 7))
    topic, raw = wire.send(at("air_temperature", -21.5), at("count", 8))
    regular = wire.skim(topic, raw)
    assert regular is not None
    plan = regular[3]
    assert isinstance(plan, Plan)
    assert (owner_of(regular), count_of(regular), plan.topic) == (("site-a", "gw-1"), 2, topic)
    assert (plan.form.names, regular[5]) == (("air_temperature", "count"), (-21.5, 8.0))
    place = plan.form.place
    assert (place.site, place.node, place.device) == ("site-a", "gw-1", "d")


def test_a_learned_form_from_the_future_is_refused_too() -> None:
    wire = Wire()
    late = NOW_MS + 3_600_000
    metrics = [Metric(name, None, late, TYPES[name], value) for name, value in (("air_temperature", 1.0), ("count", 7))]
    batches = [wire.taken(*metrics) for _ in range(3)]
    assert [each.samples for each in batches] == [[], [], []]
    assert {tuple(each.refused) for each in batches} == {tuple(batches[0].refused)}


def test_an_array_is_kept_as_text_and_bytes_as_hex() -> None:
    wire = Wire()
    batch = wire.taken(at("curve", (1.5, 2.5)), at("blob", b"\x01\xff"))
    assert values(wire, batch) == {"curve": "[1.5, 2.5]", "blob": "01ff"}


@pytest.mark.parametrize("repeat", [1, 5])
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_no_value_and_bad(number: float, repeat: int) -> None:
    wire = Wire()
    for _ in range(repeat - 1):
        wire.taken(at("air_temperature", -20.5))
    batch = wire.taken(at("air_temperature", number))
    assert [(value, quality) for _, value, _, quality in batch.samples] == [(None, Quality.BAD)]


@pytest.mark.parametrize(
    ("code", "kept"),
    [(192, (1.5, 192)), (0, (None, 0)), (500, (1.5, 500)), (64, (1.5, 500)), (2**31 - 1, (1.5, 500))],
)
def test_a_quality_that_sparkplug_does_not_know_is_uncertain(code: int, kept: tuple[float | None, int]) -> None:
    said = replace(at("air_temperature", 1.5), properties={QUALITY: Property(DataType.INT32, code)})
    ((_, value, _, quality),) = Wire().taken(said).samples
    assert (value, quality) == kept


def test_a_value_of_another_type_than_declared_is_refused_and_the_rest_is_kept() -> None:
    wire = Wire()
    topic, raw = wire.send(at("air_temperature", -20.5), at("count", 7))
    message = parse(raw)
    message.metrics[1].ClearField("int_value")
    message.metrics[1].string_value = "seven"
    (batch,) = wire.hear(topic, message.SerializeToString())
    assert values(wire, batch) == {"air_temperature": -20.5}
    assert [name for name, _ in batch.refused] == ["count"]
    assert batch.count == 2


def test_a_sample_from_the_future_is_refused_with_its_stamp() -> None:
    wire = Wire()
    batch = wire.taken(Metric("count", None, NOW_MS + 3_600_000, None, 7))
    assert batch.refused == [("count", f"stamped in the future: {NOW_MS + 3_600_000} ms")]


def test_a_metric_of_another_device_is_refused_and_the_rest_is_kept() -> None:
    wire = Wire(devices=("d", "e"))
    view = wire.host.node("site-a", "gw-1")
    assert view is not None
    of_e = next(alias for alias, each in view.aliases.items() if (each.device, each.description.name) == ("e", "count"))
    topic, raw = wire.send(at("air_temperature", -20.5), at("count", 7))
    message = parse(raw)
    message.metrics[1].alias = of_e
    (batch,) = wire.hear(topic, message.SerializeToString())
    assert values(wire, batch) == {"air_temperature": -20.5}
    assert batch.refused == [("count", "is a metric of 'e', not of 'd'")]


@settings(max_examples=300, deadline=None)
@given(st.data(), st.booleans())
def test_no_bytes_of_a_node_stop_ingest(data: st.DataObject, proved: bool) -> None:
    wire = Wire(proved)
    learned = [at("air_temperature", -20.5), at("count", 7)]
    for _ in range(data.draw(st.integers(0, 4))):
        wire.taken(*learned)
    topic, raw = wire.send(*learned, at("movement", "text"), at("curve", (1.0,)))
    broken = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 6))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    for batch in wire.hear(topic, bytes(broken)):
        assert batch.count == batch.good + len(batch.refused)
        assert all(math.isfinite(value) for value in values(wire, batch).values() if isinstance(value, float))
