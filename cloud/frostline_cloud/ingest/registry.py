"""Births and deaths: what they say goes to SQL, and every metric that they declare gets its slot."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, Engine

from frostline_cloud.ingest import journal
from frostline_cloud.ingest.refusal import refusals
from frostline_cloud.ingest.series import NODE_KIND, DeviceKey, SeriesTable, read_clock
from frostline_cloud.sql import read_only, translated
from frostline_core.commit import RUNS, Commit, run_number, run_text, unpack_runs
from frostline_core.reading import DeviceDescription
from frostline_core.rules import Evaluator
from frostline_core.sparkplug import (
    DeviceBorn,
    DeviceDied,
    HostSession,
    NodeBorn,
    NodeDied,
    NodeView,
    Payload,
)

_MOST_ANSWERED = 8


class Registry:
    """Keeps SQL and the series table in step with what gateways declare."""

    def __init__(self, engine: Engine, series: SeriesTable) -> None:
        self._engine, self._series = engine, series

    def restore(self, session: HostSession) -> int:
        """Alias tables and rule states as they were before this process; returns the number of nodes.

        Raises:
            UnavailableError: SQL does not answer.
        """
        with refusals(), translated("SQL"), self._engine.begin() as connection:
            known = journal.births(connection)
            for row, devices in known:
                view = session.restore(row.site, row.node, row.birth, {each.device: each.birth for each in devices})
                self._bind(connection, view, node_description(view))
                for device in view.devices.values():
                    self._bind(connection, view, device.description)
        return len(known)

    def renew(self) -> Evaluator:
        """After another ingest has written: an evaluator with the rule states of SQL; every series keeps its slot.

        Raises:
            UnavailableError: SQL does not answer.
        """
        with refusals(), translated("SQL"), read_only(self._engine).connect() as connection:
            return self._series.renew(journal.all_rule_states(connection), journal.all_clocks(connection))

    def node_born(self, event: NodeBorn, now_ms: int) -> list[Commit]:
        """One transaction; returns what is committed of the newest runs that the gateway holds, as the answer.

        Raises:
            UnavailableError: SQL cannot write.
            RefusedDataError: SQL refuses what the birth says.
        """
        view = event.view
        owner = (view.site, view.node)
        row = {
            "site": view.site,
            "node": view.node,
            "online": True,
            "proved": view.proved,
            "bd_seq": view.bd_seq,
            "birth_ms": now_ms,
            "death_ms": None,
            "birth": event.raw,
        }
        with refusals(), translated("SQL"), self._engine.begin() as connection:
            journal.node_born(connection, row)
            answers = self._announce(connection, owner, event.payload, now_ms)
            self._bind(connection, view, node_description(view))
        return answers

    def device_born(self, event: DeviceBorn, now_ms: int) -> None:
        """Writes the device and its metrics.

        Raises:
            UnavailableError: SQL cannot write.
            RefusedDataError: SQL refuses what the birth says.
        """
        view, description = event.view, event.device_view.description
        key = DeviceKey(view.site, view.node, description.id)
        with refusals(), translated("SQL"), self._engine.begin() as connection:
            journal.device_born(connection, key, description, now_ms, event.raw)
            self._bind(connection, view, description)

    def died(self, event: NodeDied | DeviceDied) -> None:
        """Marks a node with all its devices, or one device, as offline.

        Raises:
            UnavailableError: SQL cannot write.
            RefusedDataError: SQL refuses what the birth says.
        """
        view = event.view
        with refusals(), translated("SQL"), self._engine.begin() as connection:
            if isinstance(event, NodeDied):
                journal.node_died(connection, (view.site, view.node), event.at_ms)
            else:
                key = DeviceKey(view.site, view.node, event.device_view.description.id)
                journal.device_died(connection, key, event.at_ms)

    def _announce(self, connection: Connection, owner: tuple[str, str], payload: Payload, now_ms: int) -> list[Commit]:
        raw = next((each.value for each in payload.metrics if each.name == RUNS), None)
        if not isinstance(raw, bytes):
            return []
        runs = unpack_runs(raw)
        journal.announce(connection, owner, runs, now_ms)
        newest = [run_text(number) for number in list(runs.held)[-_MOST_ANSWERED:]]
        done = journal.committed(connection, newest)
        return [Commit(run_number(text), done.get(text, 0)) for text in newest]

    def _bind(self, connection: Connection, view: NodeView, description: DeviceDescription) -> None:
        key = DeviceKey(view.site, view.node, description.id)
        if self._series.knows(key):
            self._series.bind(view, description, {}, {})
        else:
            states = journal.rule_states(connection, key)
            self._series.bind(view, description, states, read_clock(journal.clock(connection, key)))


def node_description(view: NodeView) -> DeviceDescription:
    """What a node says of itself, as a device with the id "" and the kind `gateway`."""
    return replace(view.description, kind=NODE_KIND)
