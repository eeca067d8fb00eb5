"""What one transaction does to the runs and rows of the spool; memory follows only when it is durable."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from frostline_core.commit import HeldRun
from frostline_core.reading import Stream
from frostline_gateway.spool_rows import NewRow

ROW_COST = 128
"""What a data row weighs besides its payload: its columns, its index entry, its share of half-filled pages."""
OVER_BUDGET = "spool budget"
_INSERT = "INSERT INTO row VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class StoredRun:
    """One run, with totals of its data rows; `seq` is its place in the order of opening."""

    held: HeldRun
    seq: int
    data_rows: int = 0
    samples: int = 0
    bytes: int = 0


def load(connection: sqlite3.Connection) -> dict[int, StoredRun]:
    """Every run, oldest first; reads the ends of each, so that a file cut short is noticed."""
    runs: dict[int, StoredRun] = {}
    table = connection.execute("SELECT seq, id, stream, last, data_rows, samples, bytes FROM run ORDER BY seq")
    for seq, raw_id, stream, last, data_rows, samples, size in table.fetchall():
        run = int.from_bytes(raw_id)
        base, oldest_ms = _oldest(connection, seq, last)
        held = HeldRun(run, Stream(stream), base, last, oldest_ms, _newest_ms(connection, seq))
        runs[run] = StoredRun(held, seq, data_rows, samples, size)
    return runs


def _oldest(connection: sqlite3.Connection, seq: int, last: int) -> tuple[int, int]:
    """Base, and when the row there was appended."""
    statement = "SELECT first, at_ms FROM row WHERE run = ? ORDER BY n LIMIT 1"
    found = connection.execute(statement, (seq,)).fetchone()
    return (found[0], found[1]) if found else (last + 1, 0)


def _newest_ms(connection: sqlite3.Connection, seq: int) -> int:
    """When the last row was appended; reads its payload as well, which lies at the end of a file cut short."""
    statement = "SELECT at_ms, payload FROM row WHERE run = ? ORDER BY n DESC LIMIT 1"
    found = connection.execute(statement, (seq,)).fetchone()
    return int(found[0]) if found else 0


class Draft:
    """Runs as they will be when the transaction that is open is durable.

    Args:
        connection: Within a transaction.
        runs: As they are.
        current: Per stream, the run that this process opened.
        spool_id: For new runs.
        now_ms: When this transaction happens, UTC milliseconds.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        runs: Mapping[int, StoredRun],
        current: Mapping[Stream, int],
        spool_id: int,
        now_ms: int,
    ) -> None:
        self._connection, self._spool_id, self._now_ms = connection, spool_id, now_ms
        self.runs = dict(runs)
        self.current = dict(current)
        self._touched: set[int] = set()

    def append(self, stream: Stream, rows: Sequence[NewRow]) -> None:
        """Numbers rows of one stream and inserts them; opens a run if this process has none."""
        if not rows:
            return
        run = self._run_for(stream)
        last, at = run.held.last, self._now_ms
        self._connection.executemany(
            _INSERT,
            (
                (run.seq, n, n, row.device, row.payload, row.samples, row.first_ms, row.last_ms, "", at)
                for n, row in enumerate(rows, last + 1)
            ),
        )
        held = replace(
            run.held, last=last + len(rows), oldest_ms=at if run.held.empty else run.held.oldest_ms, newest_ms=at
        )
        size = sum(len(row.payload) + ROW_COST for row in rows)
        self._put(self._added(run, held, len(rows), sum(row.samples for row in rows), size))

    def delete_through(self, run: int, n: int) -> int:
        """Deletes rows up to a number, and the run if it is then empty and not current. Returns their samples."""
        stored = self.runs[run]
        rows, samples, payload = self._connection.execute(
            "SELECT count(*), total(samples), total(length(payload)) FROM row WHERE run = ? AND n <= ? AND reason = ''",
            (stored.seq, n),
        ).fetchone()
        self._connection.execute("DELETE FROM row WHERE run = ? AND n <= ?", (stored.seq, n))
        base, oldest_ms = _oldest(self._connection, stored.seq, stored.held.last)
        held = replace(stored.held, base=base, oldest_ms=oldest_ms)
        self._put(self._added(stored, held, -rows, -int(samples), -int(payload) - ROW_COST * rows))
        self._drop_if_done(run)
        return int(samples)

    def cut(self) -> None:
        """The next samples row will open a new run."""
        run = self.current.pop(Stream.SAMPLES, None)
        if run is not None:
            self._drop_if_done(run)

    def keep_budget(self, budget_bytes: int) -> int:
        """Turns the oldest data rows, samples before events, into gap rows until the rest fits. Returns its samples."""
        samples = 0
        excess = sum(run.bytes for run in self.runs.values()) - budget_bytes
        for stream in (Stream.SAMPLES, Stream.EVENTS):
            for run in [run for run, stored in self.runs.items() if stored.held.stream is stream]:
                while excess > 0 and self.runs[run].data_rows:
                    before = self.runs[run]
                    self._into_gap(before, excess)
                    excess -= before.bytes - self.runs[run].bytes
                    samples += before.samples - self.runs[run].samples
        return samples

    def finish(self) -> None:
        """Writes the totals of every run that changed."""
        for run in self._touched & self.runs.keys():
            stored = self.runs[run]
            self._connection.execute(
                "UPDATE run SET last = ?, data_rows = ?, samples = ?, bytes = ? WHERE seq = ?",
                (stored.held.last, stored.data_rows, stored.samples, stored.bytes, stored.seq),
            )

    def _run_for(self, stream: Stream) -> StoredRun:
        run = self.current.get(stream)
        if run is not None and run in self.runs:
            return self.runs[run]
        run = (self._spool_id & 0xFFFF) << 48 | secrets.randbits(48)
        ((seq,),) = self._connection.execute(
            "INSERT INTO run (id, stream, last, data_rows, samples, bytes) VALUES (?, ?, 0, 0, 0, 0) RETURNING seq",
            (run.to_bytes(8), int(stream)),
        ).fetchall()
        self.current[stream] = run
        return StoredRun(HeldRun(run, stream, 1, 0), seq)

    def _into_gap(self, run: StoredRun, excess: int) -> None:
        """Drops the run's oldest data rows, as few as free so many bytes and at most 500, into its gap row.

        A run has one gap row at most, and it is the oldest: rows are dropped oldest first and deleted oldest first.
        """
        rows = self._connection.execute(
            "SELECT n, first, length(payload), samples, first_ms, last_ms, reason, at_ms FROM row"
            " WHERE run = ? ORDER BY n LIMIT 500",
            (run.seq,),
        ).fetchall()
        freed, taken = 0, []
        for row in rows:
            if freed >= excess:
                break
            taken.append(row)
            freed += 0 if row[6] else row[2] + ROW_COST
        data = [row for row in taken if not row[6]]
        last, at_ms = taken[-1][0], taken[-1][7]
        span = min(row[4] for row in taken), max(row[5] for row in taken)
        samples = sum(row[3] for row in taken)
        self._connection.execute("DELETE FROM row WHERE run = ? AND n <= ?", (run.seq, last))
        self._connection.execute(_INSERT, (run.seq, last, taken[0][1], "", b"", samples, *span, OVER_BUDGET, at_ms))
        held = replace(run.held, oldest_ms=at_ms)
        self._put(self._added(run, held, -len(data), -sum(row[3] for row in data), -freed))

    def _added(self, run: StoredRun, held: HeldRun, rows: int, samples: int, size: int) -> StoredRun:
        return StoredRun(held, run.seq, run.data_rows + rows, run.samples + samples, run.bytes + size)

    def _put(self, run: StoredRun) -> None:
        self.runs[run.held.run] = run
        self._touched.add(run.held.run)

    def _drop_if_done(self, run: int) -> None:
        stored = self.runs.get(run)
        if stored is not None and stored.held.empty and run not in self.current.values():
            self._connection.execute("DELETE FROM run WHERE seq = ?", (stored.seq,))
            del self.runs[run]
