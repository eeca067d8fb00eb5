"""The series table: an integer per (device, metric), and what rules, store and SQL need of it.

A birth binds every metric of a node or device to a slot; DATA then finds the slot through the alias, and everything
after decode works on integers. Slots are never reused: the table is as large as the fleet's births ever were.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from frostline_cloud.store.port import Place, RowForm
from frostline_core.reading import DeviceDescription, MetricDescription
from frostline_core.rules import Evaluator, RuleSet, Series
from frostline_core.sparkplug import Metrics, NodeView

NOT_A_SERIES = -2
"""Slot of metrics that control or describe: never stored, never ruled."""

_DESCRIBING = ("Properties/", "Node Control/", "Device Control/", "Node Info/", "Frostline/")
_CLOCK = struct.Struct("<Iq")
NODE_KIND = "gateway"


class DeviceKey(NamedTuple):
    """A device in the fleet; device is "" for what the node says of itself. A tuple, since flushes count by it."""

    site: str
    node: str
    device: str


@dataclass(frozen=True, slots=True, eq=False)
class Stamp:
    """Some series of one device whose event times move together; told apart by identity.

    Attributes:
        key: The device.
        head: Device and metrics, as `clocks` writes them.
    """

    key: DeviceKey
    head: bytes

    @classmethod
    def of(cls, key: DeviceKey, metrics: Sequence[str]) -> Stamp:
        """Of these metrics."""
        name = "\0".join(key).encode()
        hashes = struct.pack(f"<{len(metrics)}I", *map(metric_hash, metrics))
        return cls(key, struct.pack("<H", len(name)) + name + struct.pack("<H", len(metrics)) + hashes)


@dataclass(slots=True)
class RowGuard:
    """Copies of what an evaluator's lists had for the slots of a row, to see at a glance whether they still have it.

    Attributes:
        times: Event times, all the same.
        deadlines: Of the guards.
        deadline_ms: The first of them.
    """

    times: list[int] = field(default_factory=list)
    deadlines: list[int] = field(default_factory=list)
    deadline_ms: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What becomes of the values of messages of one layout.

    Attributes:
        form: Of the row in the store.
        slots: Of the values, in their order.
        first: The first slot, where the others follow without a hole; else -1.
        key: The device.
        topic: Of the messages.
        stamp: Of all these series.
        row: What was last seen of the rules' lists for these slots.
    """

    form: RowForm
    slots: tuple[int, ...]
    first: int
    key: DeviceKey
    topic: str
    stamp: Stamp
    row: RowGuard = field(default_factory=RowGuard)


@dataclass(slots=True)
class _Clock:
    """How a device's event times are packed: `entries` has metric_hash and a place for the time, by turns."""

    slots: Sequence[int]
    entries: list[int]
    packer: struct.Struct


class SeriesTable:
    """Slots of every series that was ever born, by birth.

    Args:
        evaluator: Holds what rules know of each slot.
        most_forms: Forms of rows that are remembered; a device that sends another selection of its metrics each time
            has more than anybody wants to keep. At the bound it starts anew.
    """

    def __init__(self, evaluator: Evaluator, most_forms: int = 65_536) -> None:
        self._evaluator, self._most_forms = evaluator, most_forms
        self._slots: dict[DeviceKey, dict[str, int]] = {}
        self._clocks: dict[DeviceKey, _Clock] = {}
        self._forms: dict[tuple[Place, tuple[str, ...]], RowForm] = {}
        self._single: dict[int, RowForm] = {}
        self._stamps: dict[int, Stamp] = {}
        self._series: dict[int, Series] = {}
        self.places: dict[int, Place] = {}
        self.fields: dict[int, str] = {}

    def bind(
        self,
        view: NodeView,
        description: DeviceDescription,
        states: Mapping[str, Mapping[str, dict[str, object]]],
        clock: Mapping[int, int],
    ) -> None:
        """Gives each metric of a device its slot; a series that is known keeps its own.

        Args:
            view: The node as born.
            description: The device; id "" for the node itself.
            states: Metric name to rule id to saved rule state.
            clock: Saved event times, by `metric_hash`.
        """
        key = DeviceKey(view.site, view.node, description.id)
        place = Place(description.kind, view.site, view.node, description.id, description.zone)
        known = self._slots.setdefault(key, {})
        self._clocks.pop(key, None)
        for metric in description.metrics:
            bound = view.by_name.get((description.id, metric.name))
            slot = NOT_A_SERIES
            if metric.name != "bdSeq" and not metric.name.startswith(_DESCRIBING):
                slot = self._slot(key, place, metric, description, known, states, clock)
            if bound is not None:  # else a device of an earlier session: its rules go on, its silence counts
                bound.slot = slot

    def _slot(  # noqa: PLR0913 - one call site, in the loop above
        self,
        key: DeviceKey,
        place: Place,
        described: MetricDescription,
        description: DeviceDescription,
        known: dict[str, int],
        states: Mapping[str, Mapping[str, dict[str, object]]],
        clock: Mapping[int, int],
    ) -> int:
        metric, about = described.name, description
        series = Series(*key, about.kind, about.zone, metric, dict(about.labels), unit=described.unit)
        if metric in known:
            slot = self._evaluator.bind(series)
        else:
            slot = self._evaluator.bind(series, states.get(metric, {}), clock.get(metric_hash(metric), -1))
            known[metric] = slot
        self.places[slot], self.fields[slot], self._series[slot] = place, metric, series
        self._single.pop(slot, None)
        return slot

    def _form(self, place: Place, names: tuple[str, ...]) -> RowForm:
        """One object for each form, through all births, because stores remember forms by identity."""
        form = self._forms.get((place, names))
        if form is None:
            if len(self._forms) >= self._most_forms:
                self._forms.clear()
            form = self._forms[place, names] = RowForm(place, names)
        return form

    def single(self, slot: int) -> RowForm:
        """The form of a row that holds nothing but this series."""
        form = self._single.get(slot)
        if form is None:
            form = self._single[slot] = self._form(self.places[slot], (self.fields[slot],))
        return form

    def plan(self, metrics: Metrics) -> Plan | None:
        """What becomes of the values of such messages; None where not all of them are series."""
        slots = tuple([bound.slot for bound in metrics.bound])
        if min(slots) < 0:
            return None
        block = slots == tuple(range(slots[0], slots[0] + len(slots)))
        names = tuple([self.fields[slot] for slot in slots])
        topic = metrics.topic
        form = self._form(self.places[slots[0]], names)
        key = DeviceKey(topic.group, topic.node, topic.device)
        return Plan(form, slots, slots[0] if block else -1, key, str(topic), Stamp.of(key, names))

    def stamp(self, slot: int) -> Stamp:
        """Of one series."""
        found = self._stamps.get(slot)
        if found is None:
            series = self._series[slot]
            key = DeviceKey(series.site, series.node, series.device)
            found = self._stamps[slot] = Stamp.of(key, (series.metric,))
        return found

    def retire(self, key: DeviceKey) -> None:
        """No rule applies to the device until it is born again; what is open resolves."""
        for slot in self._slots.get(key, {}).values():
            self._series[slot] = replace(self._series[slot], retired=True)
            self._evaluator.bind(self._series[slot])

    def devices_of(self, site: str, node: str) -> list[DeviceKey]:
        """Every device of a gateway that was bound, and the gateway itself."""
        return [key for key in self._slots if (key.site, key.node) == (site, node)]

    def renew(
        self,
        states: Mapping[DeviceKey, Mapping[str, Mapping[str, dict[str, object]]]],
        clocks: Mapping[DeviceKey, bytes],
        rules: RuleSet | None = None,
    ) -> Evaluator:
        """A new evaluator with what SQL holds; every series keeps its slot.

        Args:
            states: Saved rule states: device to metric to rule id to state.
            clocks: Saved event times by device, as `clock` gives them.
            rules: In place of those before.
        """
        evaluator = Evaluator(rules or self._evaluator.rules)
        times = {key: read_clock(raw) for key, raw in clocks.items()}
        for slot in range(len(self._series)):  # in order, so that they are numbered as before
            series = self._series[slot]
            key = DeviceKey(series.site, series.node, series.device)
            saved = states.get(key, {}).get(series.metric, {})
            evaluator.bind(series, saved, times.get(key, {}).get(metric_hash(series.metric), -1))
        self._evaluator = evaluator
        return evaluator

    def knows(self, key: DeviceKey) -> bool:
        """Whether a birth of this device was bound in this process."""
        return key in self._slots

    def clock(self, key: DeviceKey) -> bytes:
        """The device's event times as bytes for SQL: (metric_hash u32, UTC ms i64) each, little endian."""
        clock = self._clocks.get(key)
        if clock is None:
            clock = self._clocks[key] = _clock(self._slots.get(key, {}))
        last_ms = self._evaluator.last_ms
        slots = clock.slots
        if isinstance(slots, range):
            clock.entries[1::2] = last_ms[slots.start : slots.stop]
        else:
            clock.entries[1::2] = [last_ms[slot] for slot in slots]
        return clock.packer.pack(*clock.entries)


def _clock(slots: Mapping[str, int]) -> _Clock:
    entries = [entry for name in slots for entry in (metric_hash(name), 0)]
    found: Sequence[int] = list(slots.values())
    if found and found == list(block := range(found[0], found[0] + len(found))):
        found = block
    return _Clock(found, entries, struct.Struct("<" + "Iq" * len(slots)))


def metric_hash(name: str) -> int:
    """CRC-32 of a metric's name: stable over restarts and births, enough to tell the metrics of one device apart."""
    return zlib.crc32(name.encode())


def read_clock(raw: bytes) -> dict[int, int]:
    """What `SeriesTable.clock` wrote; a damaged tail is ignored."""
    whole = len(raw) // _CLOCK.size * _CLOCK.size
    return dict(_CLOCK.iter_unpack(raw[:whole]))


def write_clock(times: Mapping[int, int]) -> bytes:
    """What `read_clock` reads."""
    return b"".join([_CLOCK.pack(*each) for each in times.items()])
