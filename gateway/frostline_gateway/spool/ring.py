"""The ring: rows that the cloud has, kept for a while so that a span of time can be sent again.

A committed row is not moved or written: it lies below the base of its run, and that is all that makes it ring. The
table `ring` holds, for each run that has such rows, the highest number of them, how many data rows, and their weight.
Rows leave oldest run first: when they are older than is asked for, or when the budget needs room; before any other.

A span that is asked for again (`refetch`) is looked for in small steps, and what is found moves out of the ring into a
new run of its own: these are new batches with the samples of old ones, in the backlog lane. Nothing is written twice.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from frostline_gateway.spool.rows import ROW_COST

REFETCHES_MAX = 16
"""Spans that wait to be sent again; a further one is refused."""
LATE_MS = 86_400_000
"""Samples are looked for in rows appended up to this long after they were measured, or before (a clock set back)."""
_STEP_ROWS = 2_000
_TRIM_ROWS = 500
_EXPIRE_STEPS = 100


@dataclass(frozen=True, slots=True)
class Refetch:
    """A span that was asked for: event times from `from_ms` on and before `to_ms`, of one device or (None) of all."""

    from_ms: int
    to_ms: int
    device: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Rows of the ring that hold samples of a span: (rowid, run, n, samples, weight), in order of appending."""

    rows: Sequence[tuple[int, int, int, int, int]]


def weight(connection: sqlite3.Connection) -> int:
    """What all rows of the ring weigh, as the budget counts."""
    return int(connection.execute("SELECT total(bytes) FROM ring").fetchone()[0])


def keep(connection: sqlite3.Connection, run: int, through: int, data_rows: int, size: int) -> None:
    """Rows of a run, up to a number, are committed from now on."""
    connection.execute(
        "INSERT INTO ring VALUES (?, ?, ?, ?) ON CONFLICT (run) DO UPDATE SET through = excluded.through,"
        " data_rows = data_rows + excluded.data_rows, bytes = bytes + excluded.bytes",
        (run, through, data_rows, size),
    )


def trim(connection: sqlite3.Connection, excess: int) -> int:
    """Forgets the oldest rows until so many bytes are free, or none is left. Returns what was freed."""
    freed = 0
    while freed < excess and (step := _forget(connection, excess - freed, None)):
        freed += step
    return freed


def expire(connection: sqlite3.Connection, before_ms: int) -> int:
    """Forgets rows appended before that, a bounded number at once. Returns what was freed."""
    freed = 0
    for _ in range(_EXPIRE_STEPS):
        step = _forget(connection, sys.maxsize, before_ms)
        freed += step
        if not step:
            break
    return freed


def _forget(connection: sqlite3.Connection, excess: int, before_ms: int | None) -> int:
    """Deletes the oldest rows of the oldest run, at most 500, as few as free so many bytes."""
    found = connection.execute("SELECT run, through FROM ring ORDER BY run LIMIT 1").fetchone()
    if found is None:
        return 0
    run, through = found
    rows = connection.execute(
        "SELECT n, length(payload), at_ms FROM row WHERE run = ? AND n <= ? ORDER BY n LIMIT ?",
        (run, through, _TRIM_ROWS),
    ).fetchall()
    freed, last, count = 0, 0, 0
    for n, size, at_ms in rows:
        if freed >= excess or (before_ms is not None and at_ms >= before_ms):
            break
        freed, last, count = freed + size + ROW_COST, n, count + 1
    if count:
        connection.execute("DELETE FROM row WHERE run = ? AND n <= ?", (run, last))
        _less(connection, run, count, freed)
    return int(freed)


def _less(connection: sqlite3.Connection, run: int, data_rows: int, size: int) -> None:
    connection.execute(
        "UPDATE ring SET data_rows = data_rows - ?, bytes = bytes - ? WHERE run = ?", (data_rows, size, run)
    )
    connection.execute("DELETE FROM ring WHERE run = ? AND data_rows <= 0", (run,))


# ---- sending again
def ask(connection: sqlite3.Connection, span: Refetch) -> bool:
    """Notes a span to be sent again; False when too many wait."""
    if len(connection.execute("SELECT id FROM refetch").fetchall()) >= REFETCHES_MAX:
        return False
    place = _first_place(connection, span.from_ms - LATE_MS)
    connection.execute(
        "INSERT INTO refetch (from_ms, to_ms, device, place) VALUES (?, ?, ?, ?)",
        (span.from_ms, span.to_ms, span.device, place),
    )
    return True


def waiting(connection: sqlite3.Connection) -> int:
    """Spans that are not wholly found yet."""
    return int(connection.execute("SELECT count(*) FROM refetch").fetchone()[0])


def find(connection: sqlite3.Connection) -> Found | None:
    """One step through the ring for the oldest span that waits, 2,000 rows at most; None when none waits."""
    asked = connection.execute("SELECT id, from_ms, to_ms, device, place FROM refetch ORDER BY id LIMIT 1").fetchone()
    if asked is None:
        return None
    identity, from_ms, to_ms, device, place = asked
    looked = connection.execute(
        "SELECT row.rowid, run, n, samples, length(payload), first_ms, last_ms, device, row.at_ms, n <= through, reason"
        " FROM row LEFT JOIN ring USING (run) WHERE row.rowid >= ? ORDER BY row.rowid LIMIT ?",
        (place, _STEP_ROWS),
    ).fetchall()
    found = [
        (each[0], each[1], each[2], each[3], each[4] + ROW_COST)
        for each in looked
        if each[9] and not each[10] and each[5] < to_ms and each[6] >= from_ms and device in (None, each[7])
    ]
    if len(looked) < _STEP_ROWS or looked[-1][8] > to_ms + LATE_MS:
        connection.execute("DELETE FROM refetch WHERE id = ?", (identity,))
    else:
        connection.execute("UPDATE refetch SET place = ? WHERE id = ?", (looked[-1][0] + 1, identity))
    return Found(found)


def move(connection: sqlite3.Connection, found: Found, run: int) -> None:
    """Takes rows out of the ring into a new run, numbered from 1 in their order."""
    connection.executemany(
        "UPDATE row SET run = ?, n = ?, first = ? WHERE rowid = ?",
        ((run, n, n, each[0]) for n, each in enumerate(found.rows, 1)),
    )
    for source in {each[1] for each in found.rows}:
        gone = [each for each in found.rows if each[1] == source]
        _less(connection, source, len(gone), sum(each[4] for each in gone))


def _first_place(connection: sqlite3.Connection, at_ms: int) -> int:
    """The first rowid that was appended at that time or later: rows are appended in order of time, nearly."""
    low, high = connection.execute("SELECT coalesce(min(rowid), 0), coalesce(max(rowid), 0) + 1 FROM row").fetchone()
    while low < high:
        middle = (low + high) // 2
        found = connection.execute("SELECT at_ms FROM row WHERE rowid >= ? LIMIT 1", (middle,)).fetchone()
        if found is None or found[0] >= at_ms:
            high = middle
        else:
            low = middle + 1
    return int(low)
