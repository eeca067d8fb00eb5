"""The rows that transitions change, read and written for thousands of incidents in one transaction.

The statements are for the driver itself, since in a storm building them costs more than executing them. Open
incidents are found by their series: that costs the same however many others are open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

import orjson
from sqlalchemy import Connection, delete

from frostline_cloud.alerts.incident import Incident
from frostline_cloud.sql.statement import filled
from frostline_cloud.sql.tables import alert, alert_event, handling, outbox
from frostline_core.rules import OPEN

Key = tuple[str, str, str, str, str]
"""Rule, site, node, device and metric."""

CHUNK: Final = 150
"""Keys in one query: five parameters each, of which SQLite takes 999 or more."""

_KEY: Final = "rule, site, node, device, metric"
_INCIDENT: Final = tuple(field.name for field in fields(Incident))
_CHANGING: Final = tuple(name for name in _INCIDENT if name not in ("id", *_KEY.split(", "), "zone"))
_EVENT: Final = ("alert", "revision", "before", "after", "at_ms", "noted_ms", "value", "note")
_NEWS: Final = (
    "id", "alert", "revision", "type", "receiver", "body", "state", "created_ms", "due_ms", "attempts", "critical",
)  # fmt: skip
_OPEN: Final = ", ".join(f"'{phase.value}'" for phase in sorted(OPEN))


def _inserting(table: str, columns: Sequence[str]) -> str:
    names = ", ".join(f'"{name}"' for name in columns)
    return f"INSERT INTO {table} ({names}) VALUES ({{marks}})"  # noqa: S608 - names of our own


OPEN_OF: Final = (
    f"WITH wanted ({_KEY}) AS (VALUES {{wanted}}) SELECT {', '.join('alert.' + name for name in _INCIDENT)} "  # noqa: S608
    f"FROM wanted JOIN {alert.name} USING ({_KEY}) WHERE state IN ({_OPEN})"
)
"""With the keys in the place of `{wanted}`."""
_ADD = _inserting(alert.name, _INCIDENT)
_CHANGE = f"UPDATE {alert.name} SET {', '.join(name + ' = {mark}' for name in _CHANGING)} WHERE id = {{mark}}"  # noqa: S608
_NOTE = _inserting(alert_event.name, _EVENT)
_POST = _inserting(outbox.name, _NEWS)


def open_of(connection: Connection, keys: Iterable[Key]) -> Iterator[Incident]:
    """The open incidents of rules and series; nobody else changes them until the transaction ends."""
    last = " FOR UPDATE OF alert" if connection.dialect.name == "postgresql" else ""
    for some in chunks(keys):
        marks = ", ".join([f"({', '.join(['{mark}'] * 5)})"] * len(some))
        statement = filled(connection, OPEN_OF.format(wanted=marks) + last)
        for row in connection.exec_driver_sql(statement, tuple(part for key in some for part in key)):
            yield _incident(row)


def remove(connection: Connection, ids: Iterable[str]) -> None:
    """Deletes incidents that are over as if they had never been."""
    for some in chunks(ids):
        connection.execute(delete(alert_event).where(alert_event.c.alert.in_(some)))
        connection.execute(delete(handling).where(handling.c.id.in_(some)))
        connection.execute(delete(alert).where(alert.c.id.in_(some)))


def add(connection: Connection, incidents: Iterable[Incident]) -> None:
    """Writes incidents that are new."""
    _execute(connection, _ADD, [_values(each, _INCIDENT) for each in incidents])


def change(connection: Connection, incidents: Iterable[Incident]) -> None:
    """Writes what may have changed of incidents that are there."""
    _execute(connection, _CHANGE, [_values(each, (*_CHANGING, "id")) for each in incidents])


def note(connection: Connection, events: Iterable[Mapping[str, Any]]) -> None:
    """Writes rows of timelines."""
    _execute(connection, _NOTE, [tuple(each[name] for name in _EVENT) for each in events])


def post(connection: Connection, messages: Iterable[Mapping[str, Any]]) -> None:
    """Writes news, as `message.news` makes it."""
    _execute(connection, _POST, [tuple(each[name] for name in _NEWS) for each in messages])


def chunks(keys: Iterable[Any]) -> Iterator[list[Any]]:
    """The same in order, `CHUNK` at a time."""
    listed = sorted(keys)
    for start in range(0, len(listed), CHUNK):
        yield listed[start : start + CHUNK]


def _execute(connection: Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        connection.exec_driver_sql(filled(connection, statement, len(rows[0])), list(rows))


def _values(incident: Incident, names: Sequence[str]) -> tuple[Any, ...]:
    return tuple(
        [
            getattr(incident, name) if name != "evidence" else orjson.dumps(dict(incident.evidence)).decode()
            for name in names
        ]
    )


def _incident(row: Sequence[Any]) -> Incident:
    """A row as the driver gives it: SQLite has neither booleans nor JSON."""
    known = dict(zip(_INCIDENT, row, strict=True))
    known["retroactive"] = bool(known["retroactive"])
    if isinstance(known["evidence"], str):
        known["evidence"] = orjson.loads(known["evidence"])
    return Incident(**known)
