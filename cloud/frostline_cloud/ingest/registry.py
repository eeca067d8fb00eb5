"""Births and deaths: what they say goes to SQL, and every metric that they declare gets its slot.

Slots are given at once, so that the next message can be read. SQL hears of it with the next `write`: all births of a
burst in one transaction. Ingest writes before it commits anything, so that no row is durable before the births by which
it was read.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, Engine

from frostline_cloud.ingest import clocks, journal
from frostline_cloud.ingest.refusal import RefusedDataError, legible, refusals
from frostline_cloud.ingest.series import NODE_KIND, DeviceKey, SeriesTable, read_clock
from frostline_cloud.sql import births, translated
from frostline_cloud.sql.changes import BornDevice, BornNode, Changes, Key, NodeKey
from frostline_core.commit import RUNS, Commit, Runs, answered, asked, run_text, unpack_runs
from frostline_core.errors import ProtocolError
from frostline_core.reading import DeviceDescription
from frostline_core.rules import Evaluator, RuleSet
from frostline_core.sparkplug import (
    DeviceBorn,
    DeviceDied,
    HostSession,
    MessageType,
    NodeBack,
    NodeBorn,
    NodeDied,
    NodeView,
    Payload,
    Topic,
    decode,
    describe,
)

log = logging.getLogger("frostline.ingest")


@dataclass(slots=True)
class Registered:
    """What a write has done.

    Attributes:
        answers: For each node that was born, what is committed of the newest runs that it holds.
        refused: Topic, bytes and reason of births that SQL cannot take; the others are written.
    """

    answers: dict[NodeKey, list[Commit]] = field(default_factory=dict)
    refused: list[tuple[str, bytes, str]] = field(default_factory=list)


class Registry:
    """Keeps SQL and the series table in step with what gateways declare."""

    def __init__(self, engine: Engine, series: SeriesTable) -> None:
        self._engine, self._series = engine, series
        self._changes = Changes()
        self._known: dict[Key, DeviceDescription] = {}
        self._states: dict[DeviceKey, dict[str, dict[str, dict[str, object]]]] = {}
        self._clocks: dict[DeviceKey, bytes] = {}

    @property
    def pending(self) -> bool:
        """Whether there is something to write; bounded by the fleet, since only the newest of each device is kept."""
        return bool(self._changes)

    def restore(self, session: HostSession, now_ms: int) -> int:
        """Alias tables and rule states as they were before this process; returns the number of nodes.

        All are offline until they are heard: while nobody listened, deaths may have been missed.

        Raises:
            UnavailableError: SQL does not answer, or what it keeps cannot be read.
        """
        with legible(), translated("SQL"), self._engine.begin() as connection:
            known = births.read(connection)
            births.nobody_listened(connection, now_ms)
            self._read_states(connection)
        for row, devices in known:
            kept = {each.device: each.birth for each in devices}
            try:
                view = session.restore(row.site, row.node, row.birth, kept)
            except ProtocolError as error:
                log.warning("%s/%s must be born anew: its kept birth cannot be read: %s", row.site, row.node, error)
                view = NodeView(row.site, row.node)
            else:
                view.living = births.living(row, devices)
            for description in self._described(view, kept):
                self._bind(view, description)
        return len(known)

    def renew(self, rules: RuleSet | None = None) -> Evaluator:
        """An evaluator with the rule states of SQL: after another ingest has written, or with other rules.

        Every series keeps its slot.

        Raises:
            UnavailableError: SQL does not answer, or what it keeps cannot be read.
        """
        with legible(), translated("SQL"), self._engine.begin() as connection:
            self._read_states(connection)
        self._known.clear()  # the other may have written other births
        evaluator = self._series.renew(self._states, self._clocks, rules)
        self._forget_known_states()
        return evaluator

    def node_born(self, event: NodeBorn, now_ms: int) -> None:
        """Gives slots to what the node itself measures; its devices are offline until they are born.

        Raises:
            RefusedDataError: What it says of its spool cannot be read; the rest is taken.
        """
        view = event.view
        self._bind(view, node_description(view))
        runs, wrong = None, ""
        try:
            runs = _runs(event.payload)
        except ProtocolError as error:
            wrong = str(error)
        self._changes.born(BornNode(view.site, view.node, view.proved, view.bd_seq, now_ms, runs, event.raw))
        if wrong:
            raise RefusedDataError(wrong)

    def device_born(self, event: DeviceBorn, now_ms: int) -> None:
        """Gives slots to what the device measures."""
        view, description = event.view, event.device_view.description
        self._changes.device_born(BornDevice(view.site, view.node, description, now_ms, event.raw))
        self._bind(view, description)

    def back(self, event: NodeBack) -> None:
        """A node goes on with its devices."""
        view = event.view
        self._changes.back((view.site, view.node), [each.id for each in view.devices.values() if each.online])

    def died(self, event: NodeDied | DeviceDied) -> None:
        """A node with all its devices, or one device, is offline."""
        owner = (event.view.site, event.view.node)
        if isinstance(event, NodeDied):
            self._changes.died(owner, event.at_ms)
        else:
            self._changes.lost_device((*owner, event.device_view.description.id), event.at_ms)

    def retire(self, owner: NodeKey, device: str | None) -> None:
        """A device (None: the gateway with all of them) is gone for good: its rules end, its births are forgotten."""
        keys = self._series.devices_of(*owner) if device is None else [DeviceKey(*owner, device)]
        for key in keys:
            self._series.retire(key)
            self._known.pop((key.site, key.node, key.device), None)
        self._changes.retire(owner, device)

    def write(self, now_ms: int) -> Registered:
        """Everything since the last write, in one transaction; what SQL refuses is found by writing one by one.

        Raises:
            UnavailableError: SQL cannot write; everything is kept for the next time.
        """
        done, changes = Registered(), self._changes
        if not changes:
            return done
        try:
            self._transact(changes, done, now_ms)
        except RefusedDataError as error:
            log.warning("%s; writing births one by one", error)
            for piece in changes.each():
                try:
                    self._transact(piece, done, now_ms)
                except RefusedDataError as refused:
                    done.refused += [(topic, raw, str(refused)) for topic, raw in _messages(piece)]
        self._changes = Changes()
        return done

    def _transact(self, changes: Changes, done: Registered, now_ms: int) -> None:
        with refusals(), translated("SQL"), self._engine.begin() as connection:
            births.write(connection, changes, self._known, now_ms)
            answers = _answers(connection, changes)
        done.answers |= answers
        self._known |= {key: birth.description for key, birth in changes.devices.items()}

    def _described(self, view: NodeView, kept: dict[str, bytes]) -> Iterator[DeviceDescription]:
        """The node itself and every device of it, those too whose births do not go together with the present ones."""
        if view.birth_ms:
            yield node_description(view)
        for device, raw in kept.items():
            known = view.devices.get(device)
            try:
                description = describe(device, decode(raw)) if known is None else known.description
            except ProtocolError:
                continue  # of a version that read more
            self._known[view.site, view.node, device] = description
            yield description

    def _read_states(self, connection: Connection) -> None:
        self._states = journal.all_rule_states(connection)
        self._clocks = clocks.read(connection)

    def _forget_known_states(self) -> None:
        """What is bound has its state in the evaluator; the rest waits here for a device that comes back."""
        self._states = {key: states for key, states in self._states.items() if not self._series.knows(key)}
        self._clocks = {key: clock for key, clock in self._clocks.items() if not self._series.knows(key)}

    def _bind(self, view: NodeView, description: DeviceDescription) -> None:
        key = DeviceKey(view.site, view.node, description.id)
        if self._series.knows(key):
            self._series.bind(view, description, {}, {})
        else:
            clock = read_clock(self._clocks.pop(key, b""))
            self._series.bind(view, description, self._states.pop(key, {}), clock)


def node_description(view: NodeView) -> DeviceDescription:
    """What a node says of itself, as a device with the id "" and the kind `gateway`."""
    return replace(view.description, kind=NODE_KIND)


def _runs(payload: Payload) -> Runs | None:
    raw = next((each.value for each in payload.metrics if each.name == RUNS), None)
    return unpack_runs(raw) if isinstance(raw, bytes) else None


def _messages(changes: Changes) -> Iterator[tuple[str, bytes]]:
    for node in changes.nodes.values():
        yield str(Topic(MessageType.NBIRTH, node.site, node.node)), node.raw
    for device in changes.devices.values():
        yield str(Topic(MessageType.DBIRTH, device.site, device.node, device.description.id)), device.raw


def _answers(connection: Connection, changes: Changes) -> dict[NodeKey, list[Commit]]:
    told = {owner: birth.runs for owner, birth in changes.nodes.items() if birth.runs is not None}
    texts = {run_text(run): run for runs in told.values() for run in asked(runs)}
    committed = {texts[text]: n for text, n in journal.committed(connection, texts).items()}
    return {owner: answered(runs, committed) for owner, runs in told.items()}
