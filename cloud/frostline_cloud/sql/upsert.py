"""Rows that may be there already, in SQLite and PostgreSQL.

Statements are built once: building costs more than executing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, add: bool = False) -> None:
    """Inserts rows, or updates the row with the same primary key; with `add`, numbers are added to what is there."""
    if rows:
        connection.execute(_upsert(connection.dialect.name, table, tuple(rows[0]), add), rows)


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts rows whose primary key is not there yet; leaves the others alone."""
    if rows:
        connection.execute(_insert_new(connection.dialect.name, table), rows)


@cache
def _upsert(dialect: str, table: Table, names: tuple[str, ...], add: bool) -> Insert:
    statement = _insert(dialect, table)
    keys = [column.name for column in table.primary_key.columns]
    changed = {
        name: (table.c[name] + statement.excluded[name]) if add else statement.excluded[name]
        for name in names
        if name not in keys
    }
    upserting: Insert = statement.on_conflict_do_update(index_elements=keys, set_=changed)
    return upserting


@cache
def _insert_new(dialect: str, table: Table) -> Insert:
    inserting: Insert = _insert(dialect, table).on_conflict_do_nothing()
    return inserting


def _insert(dialect: str, table: Table) -> Any:
    return (postgresql if dialect == "postgresql" else sqlite).insert(table)
