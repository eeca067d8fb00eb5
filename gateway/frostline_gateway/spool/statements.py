"""What a change writes, as the redo file keeps it: the statements with their values, and the totals that it left.

Format of a body: zlib of length of the JSON text (4, little endian), the JSON text
`[totals, [[sql, [values, ...]], ...]]`, and the blobs; in the text a blob is a list with its length. The same
statements on the same tables do the same again: none of them asks for the time or for chance.
"""

from __future__ import annotations

import io
import json
import sqlite3
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Value = int | str | bytes | None
_WRITES = ("INSERT", "UPDATE", "DELETE")
_LEVEL = 1
_STATEMENT_COST, _VALUE_COST = 512, 12


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, for each row of values."""

    sql: str
    rows: Sequence[Sequence[Value]]

    def do(self, connection: sqlite3.Connection) -> None:
        """Does it again."""
        for values in self.rows:
            connection.execute(self.sql, values).fetchall()


class Recorded:
    """A connection that notes what it writes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.statements: list[Statement] = []

    def execute(self, sql: str, values: Sequence[Value] = ()) -> sqlite3.Cursor:
        """As a connection does; notes a statement that writes."""
        cursor = self._connection.execute(sql, values)
        if sql.startswith(_WRITES):
            self.statements.append(Statement(sql, [values]))
        return cursor

    def executemany(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """As a connection does, for statements that write."""
        given = list(rows)
        if given:
            self._connection.executemany(sql, given)
            self.statements.append(Statement(sql, given))


def cost(statements: Sequence[Statement]) -> int:
    """Bytes of the tables that they make dirty, about."""
    sizes = (
        _VALUE_COST + (len(value) if isinstance(value, bytes | str) else 0)
        for statement in statements
        for row in statement.rows
        for value in row
    )
    return sum(sizes) + _STATEMENT_COST * len(statements)


def pack(totals: Mapping[str, Any], statements: Sequence[Statement]) -> bytes:
    """The body of a record."""
    blobs: list[bytes] = []

    def shown(value: Value) -> Any:
        if isinstance(value, bytes):
            blobs.append(value)
            return [len(value)]
        return value

    table = [[each.sql, [[shown(value) for value in row] for row in each.rows]] for each in statements]
    text = json.dumps([totals, table], separators=(",", ":")).encode()
    return zlib.compress(b"".join((len(text).to_bytes(4, "little"), text, *blobs)), _LEVEL)


def unpack(body: bytes) -> tuple[Mapping[str, Any], list[Statement]]:
    """Totals and statements of a body.

    Raises:
        ValueError: It is damaged.
    """
    try:
        raw = zlib.decompress(body)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    end = 4 + int.from_bytes(raw[:4], "little")
    totals, table = json.loads(raw[4:end])
    blobs = io.BytesIO(raw[end:])

    def value(shown: Any) -> Value:
        return blobs.read(shown[0]) if isinstance(shown, list) else shown

    return totals, [Statement(sql, [[value(each) for each in row] for row in rows]) for sql, rows in table]
