"""Rows that wait for the time of day: on the disk, unnumbered, stamped with milliseconds since the machine's start.

Format: the table `waiting`, in order of coming; `boot` says which start of the machine their stamps count from. The row
with id 0 holds no samples, only how many were dropped over the bound: a quarter of the budget. What the others weigh
and hold is in `spool`, so that nobody has to add it up.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from frostline_core.reading import Quality, Stream
from frostline_core.sparkplug import set_quality
from frostline_core.sparkplug.codec import parse
from frostline_gateway.spool.rows import ROW_COST, NewRow
from frostline_gateway.spool.statements import Recorded

NEVER_SET = "the machine stopped before its clock was set: nobody knows when these samples were measured"
OVER_BOUND = "spool budget: waiting for the clock"
_RELEASED_ROWS = 500
_DROP_ROWS = 100


def put(connection: Recorded, rows: Sequence[NewRow], most_bytes: int) -> int:
    """Keeps rows; beyond the bound the oldest go, and their samples are returned."""
    connection.executemany(
        "INSERT INTO waiting (boot, stream, device, payload, samples, first_ms, last_ms, raw)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (row.boot, int(row.stream), row.device, row.payload, row.samples, row.first_ms, row.last_ms, row.raw)
            for row in rows
        ),
    )
    _count(connection, sum(len(row.payload) + ROW_COST for row in rows), sum(row.samples for row in rows))
    dropped = 0
    while weight(connection) > most_bytes:
        oldest = connection.execute(
            "SELECT id, samples, length(payload) FROM waiting WHERE id > 0 ORDER BY id LIMIT ?", (_DROP_ROWS,)
        ).fetchall()
        if not oldest:
            break
        connection.execute("DELETE FROM waiting WHERE id > 0 AND id <= ?", (oldest[-1][0],))
        gone = sum(int(row[1]) for row in oldest)
        _count(connection, -sum(row[2] + ROW_COST for row in oldest), -gone)
        dropped += gone
    if dropped:
        connection.execute(
            "INSERT INTO waiting VALUES (0, '', 0, '', X'', ?, 0, 0, 0)"
            " ON CONFLICT (id) DO UPDATE SET samples = samples + excluded.samples",
            (dropped,),
        )
    return dropped


def weight(connection: sqlite3.Connection | Recorded) -> int:
    """What the rows weigh, as the budget counts."""
    return int(connection.execute("SELECT waiting_bytes FROM spool").fetchone()[0])


def samples(connection: sqlite3.Connection | Recorded) -> int:
    """How many samples wait."""
    return int(connection.execute("SELECT waiting_samples FROM spool").fetchone()[0])


def _count(connection: Recorded, size: int, held: int) -> None:
    connection.execute(
        "UPDATE spool SET waiting_bytes = waiting_bytes + ?, waiting_samples = waiting_samples + ?", (size, held)
    )


def any_rows(connection: sqlite3.Connection | Recorded) -> bool:
    """Whether anything waits, or waited and was dropped."""
    return connection.execute("SELECT 1 FROM waiting LIMIT 1").fetchone() is not None


def take(connection: Recorded, boot: str, difference_ms: int) -> list[NewRow]:
    """Takes the oldest rows of this start of the machine out, stamped with the time of day; at most 500."""
    found = connection.execute(
        "SELECT id, stream, device, payload, samples, first_ms, last_ms, raw FROM waiting"
        " WHERE boot = ? AND id > 0 ORDER BY id LIMIT ?",
        (boot, _RELEASED_ROWS),
    ).fetchall()
    connection.executemany("DELETE FROM waiting WHERE id = ?", ((row[0],) for row in found))
    if found:
        _count(connection, -sum(len(row[3]) + ROW_COST for row in found), -sum(row[4] for row in found))
    return [
        restamped(NewRow(Stream(stream), device, payload, count, first_ms, last_ms, bool(raw), boot), difference_ms)
        for _, stream, device, payload, count, first_ms, last_ms, raw in found
    ]


def forget_others(connection: Recorded, boot: str) -> tuple[int, int]:
    """Forgets rows of other starts, which nobody can date. Returns their samples, and those dropped over the bound."""
    size, undated = connection.execute(
        "SELECT total(length(payload) + ?), total(samples) FROM waiting WHERE boot != ? AND id > 0", (ROW_COST, boot)
    ).fetchone()
    (dropped,) = connection.execute("SELECT total(samples) FROM waiting WHERE id = 0").fetchone()
    connection.execute("DELETE FROM waiting WHERE boot != ? OR id = 0", (boot,))
    if undated or size:
        _count(connection, -int(size), -int(undated))
    return int(undated), int(dropped)


def restamped(row: NewRow, difference_ms: int) -> NewRow:
    """A row as it is once the time of day is known; what was good is uncertain now.

    Args:
        row: With stamps since the machine's start.
        difference_ms: Of time of day and time since the start.
    """
    message = parse(row.payload)
    for metric in message.metrics:
        metric.timestamp = max(0, metric.timestamp + difference_ms)
        if not metric.HasField("properties"):
            set_quality(metric, Quality.UNCERTAIN)
    message.timestamp = max(0, message.timestamp + difference_ms)
    return replace(
        row,
        payload=message.SerializeToString(),
        first_ms=row.first_ms + difference_ms,
        last_ms=row.last_ms + difference_ms,
        boot="",
    )
