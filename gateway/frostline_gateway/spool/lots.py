"""Lots: rows of the ring, compressed together. A row that the cloud has is seldom wanted again, and never alone.

Format: the table `lot` says when its rows were appended and measured, how many there are and what the lot weighs; the
rows are in `lot_rows`: bzip2 of length of the JSON text (4, little endian), the text `[devices, [[device, at_ms,
first_ms - at_ms, last_ms - at_ms, samples, raw, length], ...]]`, and the payloads. `spool.lot_bytes` is what all weigh.
"""

from __future__ import annotations

import bz2
import io
import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from frostline_gateway.spool.rows import ROW_COST
from frostline_gateway.spool.statements import Recorded

ROWS_MOST = 2_000
"""Rows in a lot, and rows that one step through the ring looks at."""
_ROWS_LEAST = 400
"""Fewer rows stay as they are until more have come: a small lot is hardly smaller than its rows."""
_LOTS_AT_ONCE = 16
_LEVEL = 1
"""Of bzip2: 1.2 MB of memory, and a third less to write than the best of zlib; a lot takes 20 ms where zlib takes 5."""


@dataclass(frozen=True, slots=True)
class RingRow:
    """A row that the cloud has: no number any more, only what it holds and when it was appended."""

    device: str
    payload: bytes
    samples: int
    first_ms: int
    last_ms: int
    raw: int
    at_ms: int


def pack_ring(connection: sqlite3.Connection | Recorded, least: int = _ROWS_LEAST) -> None:
    """Puts rows of the ring into lots, oldest first, at most 32,000; not while a span is being sent again.

    Args:
        connection: Within a transaction; just before its end nothing need be recorded, since nothing is held that was
            not, or that is no longer.
        least: Fewer rows stay as they are.
    """
    if connection.execute("SELECT 1 FROM refetch LIMIT 1").fetchone():
        return
    for _ in range(_LOTS_AT_ONCE):
        ((loose,),) = connection.execute("SELECT total(data_rows) FROM ring").fetchall()
        if loose < least:
            return
        _pack_one(connection)


def _pack_one(connection: sqlite3.Connection | Recorded) -> None:
    rows: list[RingRow] = []
    for run, through in connection.execute("SELECT run, through FROM ring ORDER BY run").fetchall():
        found = connection.execute(
            "SELECT n, device, payload, samples, first_ms, last_ms, raw, at_ms FROM row WHERE run = ? AND n <= ?"
            " ORDER BY n LIMIT ?",
            (run, through, ROWS_MOST - len(rows)),
        ).fetchall()
        rows += [RingRow(*each[1:]) for each in found]
        if found:
            connection.execute("DELETE FROM row WHERE run = ? AND n <= ?", (run, found[-1][0]))
            connection.execute(
                "UPDATE ring SET data_rows = data_rows - ?, bytes = bytes - ? WHERE run = ?",
                (len(found), sum(len(each[2]) + ROW_COST for each in found), run),
            )
        if len(rows) == ROWS_MOST:
            break
    connection.execute("DELETE FROM ring WHERE data_rows <= 0")
    if rows:
        _write(connection, rows, None)


def _write(connection: sqlite3.Connection | Recorded, rows: Sequence[RingRow], lot: int | None) -> None:
    """A new lot, or other rows for one that is there."""
    data = pack(rows)
    weight = len(data) + ROW_COST
    spans = (
        min(each.at_ms for each in rows),
        max(each.at_ms for each in rows),
        min(each.first_ms for each in rows),
        max(each.last_ms for each in rows),
    )
    connection.execute("INSERT INTO lot VALUES (?, ?, ?, ?, ?, ?, ?)", (lot, *spans, len(rows), weight))
    if lot is None:
        ((lot,),) = connection.execute("SELECT max(id) FROM lot").fetchall()
    connection.execute("INSERT INTO lot_rows VALUES (?, ?)", (lot, data))
    connection.execute("UPDATE spool SET lot_bytes = lot_bytes + ?", (weight,))


def pack(rows: Sequence[RingRow]) -> bytes:
    """The blob of a lot."""
    devices = {device: number for number, device in enumerate(dict.fromkeys(each.device for each in rows))}
    table = [
        [devices[r.device], r.at_ms, r.first_ms - r.at_ms, r.last_ms - r.at_ms, r.samples, r.raw, len(r.payload)]
        for r in rows
    ]
    text = json.dumps([list(devices), table], separators=(",", ":")).encode()
    return bz2.compress(b"".join((len(text).to_bytes(4, "little"), text, *(each.payload for each in rows))), _LEVEL)


def unpack(data: bytes) -> list[RingRow]:
    """The rows of a lot.

    Raises:
        ValueError: It is damaged.
    """
    try:
        raw = bz2.decompress(data)
    except OSError as error:
        raise ValueError(str(error)) from error
    end = 4 + int.from_bytes(raw[:4], "little")
    devices, table = json.loads(raw[4:end])
    payloads = io.BytesIO(raw[end:])
    return [
        RingRow(devices[device], payloads.read(size), samples, at_ms + first, at_ms + last, flag, at_ms)
        for device, at_ms, first, last, samples, flag, size in table
    ]


def weight(connection: sqlite3.Connection | Recorded) -> int:
    """What all lots weigh."""
    return int(connection.execute("SELECT lot_bytes FROM spool").fetchone()[0])


def forget_oldest(connection: Recorded, before_ms: int | None = None) -> int:
    """Forgets the oldest lot, unless a row in it was appended at that time or later. Returns what it weighed."""
    found = connection.execute("SELECT id, at_last_ms, bytes FROM lot ORDER BY id LIMIT 1").fetchone()
    if found is None or (before_ms is not None and found[1] >= before_ms):
        return 0
    forget(connection, found[0])
    return int(found[2])


def forget(connection: Recorded, lot: int) -> None:
    """Forgets one lot."""
    connection.execute(
        "UPDATE spool SET lot_bytes = lot_bytes - (SELECT coalesce(max(bytes), 0) FROM lot WHERE id = ?)", (lot,)
    )
    connection.execute("DELETE FROM lot WHERE id = ?", (lot,))
    connection.execute("DELETE FROM lot_rows WHERE id = ?", (lot,))


def read(connection: sqlite3.Connection | Recorded, lot: int) -> list[RingRow]:
    """The rows of a lot; none where it is damaged or gone."""
    found = connection.execute("SELECT rows FROM lot_rows WHERE id = ?", (lot,)).fetchone()
    try:
        return unpack(found[0]) if found else []
    except (ValueError, LookupError, TypeError):
        return []


def leave(connection: Recorded, lot: int, rows: Iterable[RingRow]) -> None:
    """Of a lot only these rows are left."""
    left = list(rows)
    forget(connection, lot)
    if left:
        _write(connection, left, lot)
