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


def pack(totals: Mapping[str, Any], statements: Sequence[Statement]) -> bytes:
    """What a record says; `compressed` it is the body."""
    blobs: list[bytes] = []

    def shown(value: Value) -> Any:
        if isinstance(value, bytes):
            blobs.append(value)
            return [len(value)]
        return value

    table = [[each.sql, [[shown(value) for value in row] for row in each.rows]] for each in statements]
    text = json.dumps([totals, table], separators=(",", ":")).encode()
    return b"".join((len(text).to_bytes(4, "little"), text, *blobs))


def compressed(packed: bytes) -> bytes:
    """The body of a record."""
    return zlib.compress(packed, _LEVEL)


def expanded(body: bytes) -> bytes:
    """What a record says.

    Raises:
        ValueError: It is damaged.
    """
    try:
        return zlib.decompress(body)
    except zlib.error as error:
        raise ValueError(str(error)) from error


def unpack(raw: bytes) -> tuple[Mapping[str, Any], list[Statement]]:
    """Totals and statements of a record.

    Raises:
        ValueError: It is damaged.
    """
    end = 4 + int.from_bytes(raw[:4], "little")
    totals, table = json.loads(raw[4:end])
    blobs = io.BytesIO(raw[end:])

    def value(shown: Any) -> Value:
        return blobs.read(shown[0]) if isinstance(shown, list) else shown

    return totals, [Statement(sql, [[value(each) for each in row] for row in rows]) for sql, rows in table]
