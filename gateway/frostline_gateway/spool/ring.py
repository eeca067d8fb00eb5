"""The ring: rows that the cloud has, kept for a while so that a span of time can be sent again.

A committed row is not moved or written: it lies below the base of its run, and that is all that makes it ring. The
table `ring` holds, for each run that has such rows, the highest number of them, how many data rows, and their weight.
When the tables are written, these rows are put together in lots (`lots`). The oldest leave first: when they are older
than is asked for, or when the budget needs room; before any row that the cloud does not have.

A span that is asked for again (`refetch`) is looked for in small steps, lots first, and what is found moves out of the
ring into a new run of its own: these are new batches with the samples of old ones, in the backlog lane.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from frostline_gateway.spool import lots
from frostline_gateway.spool.lots import ROWS_MOST, RingRow
from frostline_gateway.spool.rows import ROW_COST
from frostline_gateway.spool.statements import Recorded

REFETCHES_MAX = 16
"""Spans that wait to be sent again; a further one is refused."""
LATE_MS = 86_400_000
"""Samples are looked for in rows appended up to this long after they were measured, or before (a clock set back)."""
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
    """Rows of the ring that hold samples of a span, in order of appending; either loose ones or those of a lot.

    Attributes:
        rows: Loose rows: (rowid, run, n, samples, weight).
        lot: Id of the lot that the others are from; 0 without one.
        taken: Rows of that lot.
        left: What the lot keeps.
    """

    rows: Sequence[tuple[int, int, int, int, int]] = ()
    lot: int = 0
    taken: Sequence[RingRow] = ()
    left: Sequence[RingRow] = ()

    @property
    def count(self) -> int:
        """How many rows."""
        return len(self.rows) + len(self.taken)

    @property
    def samples(self) -> int:
        """What they hold."""
        return sum(each[3] for each in self.rows) + sum(each.samples for each in self.taken)

    @property
    def weight(self) -> int:
        """What they weigh as rows."""
        return sum(each[4] for each in self.rows) + sum(len(each.payload) + ROW_COST for each in self.taken)


def weight(connection: sqlite3.Connection | Recorded) -> int:
    """What all rows of the ring weigh, as the budget counts."""
    return int(connection.execute("SELECT total(bytes) FROM ring").fetchone()[0]) + lots.weight(connection)


def keep(connection: Recorded, run: int, through: int, data_rows: int, size: int) -> None:
    """Rows of a run, up to a number, are committed from now on."""
    connection.execute(
        "INSERT INTO ring VALUES (?, ?, ?, ?) ON CONFLICT (run) DO UPDATE SET through = excluded.through,"
        " data_rows = data_rows + excluded.data_rows, bytes = bytes + excluded.bytes",
        (run, through, data_rows, size),
    )


def trim(connection: Recorded, excess: int) -> int:
    """Forgets the oldest rows until so many bytes are free, or none is left. Returns what was freed."""
    freed = 0
    while freed < excess and (step := lots.forget_oldest(connection)):
        freed += step
    while freed < excess and (step := _forget(connection, excess - freed, None)):
        freed += step
    return freed


def expire(connection: Recorded, before_ms: int) -> int:
    """Forgets rows appended before that, a bounded number at once. Returns what was freed."""
    freed = 0
    for _ in range(_EXPIRE_STEPS):
        step = lots.forget_oldest(connection, before_ms) or _forget(connection, sys.maxsize, before_ms)
        freed += step
        if not step:
            break
    return freed


def _forget(connection: Recorded, excess: int, before_ms: int | None) -> int:
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


def _less(connection: Recorded, run: int, data_rows: int, size: int) -> None:
    connection.execute(
        "UPDATE ring SET data_rows = data_rows - ?, bytes = bytes - ? WHERE run = ?", (data_rows, size, run)
    )
    connection.execute("DELETE FROM ring WHERE run = ? AND data_rows <= 0", (run,))


# ---- sending again
def ask(connection: Recorded, span: Refetch) -> bool:
    """Notes a span to be sent again; False when too many wait."""
    if len(connection.execute("SELECT id FROM refetch").fetchall()) >= REFETCHES_MAX:
        return False
    lots.pack_ring(connection, 1)
    place = _first_place(connection, span.from_ms - LATE_MS)
    ((last, lot),) = connection.execute(
        "SELECT (SELECT coalesce(max(rowid), 0) FROM row), (SELECT coalesce(max(id), 0) FROM lot)"
    ).fetchall()
    connection.execute(
        "INSERT INTO refetch (from_ms, to_ms, device, place, last, last_lot) VALUES (?, ?, ?, ?, ?, ?)",
        (span.from_ms, span.to_ms, span.device, place, last, lot),
    )
    return True


def waiting(connection: sqlite3.Connection | Recorded) -> int:
    """Spans that are not wholly found yet."""
    return int(connection.execute("SELECT count(*) FROM refetch").fetchone()[0])


def find(connection: Recorded) -> Found | None:
    """One step through the ring for the oldest span that waits, 2,000 rows at most; None when none waits."""
    asked = connection.execute(
        "SELECT id, from_ms, to_ms, device, place, last, lot, last_lot FROM refetch ORDER BY id LIMIT 1"
    ).fetchone()
    if asked is None:
        return None
    identity, from_ms, to_ms, device, place, last, lot, last_lot = asked
    span = Refetch(from_ms, to_ms, device)
    found = _find_lot(connection, identity, span, (lot, last_lot)) if lot < last_lot else None
    return found or _find_loose(connection, identity, span, (place, last))


def _find_lot(connection: Recorded, identity: int, span: Refetch, between: tuple[int, int]) -> Found | None:
    """What the next lot has of the span; None when no further one has any."""
    lot = connection.execute(
        "SELECT id FROM lot WHERE id > ? AND id <= ? AND first_ms < ? AND last_ms >= ? ORDER BY id LIMIT 1",
        (*between, span.to_ms, span.from_ms),
    ).fetchone()
    reached = lot[0] if lot else between[1]
    connection.execute("UPDATE refetch SET lot = ? WHERE id = ?", (reached, identity))
    if lot is None:
        return None
    rows = lots.read(connection, reached)
    wanted = [_overlaps(span, each.first_ms, each.last_ms, each.device) for each in rows]
    taken = [each for each, its in zip(rows, wanted, strict=True) if its]
    return Found((), reached, taken, [each for each, its in zip(rows, wanted, strict=True) if not its])


def _find_loose(connection: Recorded, identity: int, span: Refetch, between: tuple[int, int]) -> Found:
    """What the next rows have of the span that are in no lot."""
    looked = connection.execute(
        "SELECT row.rowid, run, n, samples, length(payload), first_ms, last_ms, device, row.at_ms, n <= through, reason"
        " FROM row LEFT JOIN ring USING (run) WHERE row.rowid BETWEEN ? AND ? ORDER BY row.rowid LIMIT ?",
        (*between, ROWS_MOST),
    ).fetchall()
    found = [
        (each[0], each[1], each[2], each[3], each[4] + ROW_COST)
        for each in looked
        if each[9] and not each[10] and _overlaps(span, *each[5:8])
    ]
    if len(looked) < ROWS_MOST or looked[-1][8] > span.to_ms + LATE_MS:
        connection.execute("DELETE FROM refetch WHERE id = ?", (identity,))
    else:
        connection.execute("UPDATE refetch SET place = ? WHERE id = ?", (looked[-1][0] + 1, identity))
    return Found(found)


def _overlaps(span: Refetch, first_ms: int, last_ms: int, device: str) -> bool:
    return first_ms < span.to_ms and last_ms >= span.from_ms and span.device in (None, device)


def move(connection: Recorded, found: Found, run: int, now_ms: int) -> None:
    """Takes rows out of the ring into a new run, numbered from 1; those of a lot are as if appended now."""
    connection.executemany(
        "UPDATE row SET run = ?, n = ?, first = ? WHERE rowid = ?",
        ((run, n, n, each[0]) for n, each in enumerate(found.rows, 1)),
    )
    for source in {each[1] for each in found.rows}:
        gone = [each for each in found.rows if each[1] == source]
        _less(connection, source, len(gone), sum(each[4] for each in gone))
    if found.taken:
        connection.executemany(
            "INSERT INTO row VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (run, n, n, each.device, each.payload, each.samples, each.first_ms, each.last_ms, "", now_ms, each.raw)
                for n, each in enumerate(found.taken, 1)
            ),
        )
        lots.leave(connection, found.lot, found.left)


def _first_place(connection: Recorded, at_ms: int) -> int:
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
