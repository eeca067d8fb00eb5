"""Statements for the driver itself, where building them costs more than executing them."""

from __future__ import annotations

from sqlalchemy import Connection


def filled(connection: Connection, statement: str, marks: int = 1) -> str:
    """A statement with the driver's marks for parameters in the place of `{mark}` and `{marks}`.

    Args:
        connection: Whose driver it is for.
        statement: SQL of ours: names and numbers, never anything from outside.
        marks: How many `{marks}` stands for, with commas between them.
    """
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    return statement.format(mark=mark, marks=", ".join([mark] * marks))
