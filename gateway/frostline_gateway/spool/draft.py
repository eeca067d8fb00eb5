"""What one transaction does to the runs and rows of the spool; memory follows only when it is durable."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from frostline_core.commit import HeldRun
from frostline_core.reading import Stream
from frostline_gateway.spool import gaps, ring
from frostline_gateway.spool.rows import ROW_COST, Lost, NewRow
from frostline_gateway.spool.statements import Recorded

_INSERT = "INSERT INTO row VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PART = (
    "SELECT n, first, length(payload), samples, first_ms, last_ms, reason, at_ms,"
    " iif(reason = '', x'', payload) FROM row"
)


@dataclass(frozen=True, slots=True)
class StoredRun:
    """One run, with totals of its rows from base on.

    Attributes:
        held: As the commit protocol sees it.
        seq: Its place in the order of opening.
        data_rows: Rows that hold samples.
        samples: What these hold.
        bytes: What all rows weigh, gap rows too.
        minute: Rows up to this number are thinned to a minute.
        ten: Rows up to this number are thinned to ten minutes.
        again_ms: When its rows were taken out of the ring to be sent again; 0: they never were.
    """

    held: HeldRun
    seq: int
    data_rows: int = 0
    samples: int = 0
    bytes: int = 0
    minute: int = 0
    ten: int = 0
    again_ms: int = 0


class _Part(NamedTuple):
    """What a gap row is made of; `told` is the payload of a row that is one already."""

    n: int
    first: int
    size: int
    samples: int
    first_ms: int
    last_ms: int
    reason: str
    at_ms: int
    told: bytes


def load(connection: sqlite3.Connection) -> dict[int, StoredRun]:
    """Every run, oldest first; reads the ends of each, so that a file cut short is noticed."""
    runs: dict[int, StoredRun] = {}
    table = connection.execute(
        "SELECT seq, id, stream, base, last, data_rows, samples, bytes, minute, ten, again_ms FROM run ORDER BY seq"
    )
    for seq, raw_id, stream, base, last, *totals in table.fetchall():
        run = int.from_bytes(raw_id)
        held = HeldRun(run, Stream(stream), base, last, *_ends(connection, seq, base, totals[-1]))
        runs[run] = StoredRun(held, seq, *totals)
    return runs


def _ends(connection: sqlite3.Connection, seq: int, base: int, again_ms: int) -> tuple[int, int]:
    """When the rows at base and at last were appended, or taken out of the ring; reads the last one's payload."""
    oldest_ms = _oldest(connection, seq, base, base)[1]
    statement = "SELECT at_ms, payload FROM row WHERE run = ? AND n >= ? ORDER BY n DESC LIMIT 1"
    found = connection.execute(statement, (seq, base)).fetchone()
    newest_ms = int(found[0]) if found else 0
    return (max(oldest_ms, again_ms), max(newest_ms, again_ms)) if newest_ms else (0, 0)


def _oldest(connection: sqlite3.Connection | Recorded, seq: int, n: int, empty: int) -> tuple[int, int]:
    """Base when rows from `n` on are held, and when the row there was appended; `empty` and 0 if none is."""
    statement = "SELECT first, at_ms FROM row WHERE run = ? AND n >= ? ORDER BY n LIMIT 1"
    found = connection.execute(statement, (seq, n)).fetchone()
    return (found[0], found[1]) if found else (empty, 0)


class Draft:
    """Runs as they will be when the transaction that is open is durable.

    Args:
        change: What it is done with.
        runs: As they are.
        current: Per stream, the run that this process opened.
        spool_id: For new runs.
        now_ms: When this transaction happens, UTC milliseconds.
    """

    def __init__(
        self,
        change: Recorded,
        runs: Mapping[int, StoredRun],
        current: Mapping[Stream, int],
        spool_id: int,
        now_ms: int,
    ) -> None:
        self.change, self._spool_id, self._now_ms = change, spool_id, now_ms
        self.runs = dict(runs)
        self.current = dict(current)
        self._touched: set[int] = set()

    def append(self, stream: Stream, rows: Sequence[NewRow]) -> None:
        """Numbers rows of one stream and inserts them; opens a run if this process has none."""
        if not rows:
            return
        run = self._run_for(stream)
        last, at = run.held.last, self._now_ms
        self.change.executemany(
            _INSERT,
            (
                (run.seq, n, n, row.device, row.payload, row.samples, row.first_ms, row.last_ms, "", at, row.raw)
                for n, row in enumerate(rows, last + 1)
            ),
        )
        held = replace(
            run.held, last=last + len(rows), oldest_ms=at if run.held.empty else run.held.oldest_ms, newest_ms=at
        )
        size = sum(len(row.payload) + ROW_COST for row in rows)
        self._put(_added(run, held, len(rows), sum(row.samples for row in rows), size))

    def delete_through(self, run: int, n: int, *, keep: bool) -> int:
        """Rows up to a number are committed; the run goes if it is then empty and not current. Returns their samples.

        Args:
            run: Its id.
            n: The number.
            keep: Whether data rows stay in the file, below the run's base; else they are deleted.
        """
        stored = self.runs[run]
        n = min(n, stored.held.last)
        if n < stored.held.base:
            return 0
        condition = " FROM row WHERE run = ? AND n BETWEEN ? AND ?"
        span = stored.seq, stored.held.base, n
        rows, dropped, samples, payload, told = self.change.execute(
            "SELECT total(reason = ''), total(reason != ''), total(iif(reason = '', samples, 0)),"
            " total(iif(reason = '', length(payload), 0)), total(iif(reason = '', 0, length(payload)))"
            f"{condition}",
            span,
        ).fetchone()
        kept = " AND reason != ''" if keep else ""
        self.change.execute(f"DELETE{condition}{kept}", span)
        data = int(payload + ROW_COST * rows)
        if keep and rows:
            ring.keep(self.change, stored.seq, n, int(rows), data)
        base, oldest_ms = _oldest(self.change, stored.seq, n + 1, stored.held.last + 1)
        held = replace(stored.held, base=base, oldest_ms=max(oldest_ms, stored.again_ms) if oldest_ms else 0)
        self._put(_added(stored, held, -int(rows), -int(samples), -data - ROW_COST * int(dropped) - int(told)))
        self._drop_if_done(run)
        return int(samples)

    def open_again(self, found: ring.Found) -> int:
        """Takes rows out of the ring into a run of their own, which is never current. Returns their samples."""
        run = self._open(Stream.SAMPLES)
        ring.move(self.change, found, run.seq, self._now_ms)
        held = replace(run.held, last=found.count, oldest_ms=self._now_ms, newest_ms=self._now_ms)
        self._put(StoredRun(held, run.seq, found.count, found.samples, found.weight, again_ms=self._now_ms))
        return found.samples

    def cut(self) -> None:
        """The next samples row will open a new run."""
        run = self.current.pop(Stream.SAMPLES, None)
        if run is not None:
            self._drop_if_done(run)

    def drop(self, run: int, numbers: set[int], reason: str, *, absorb: bool = False) -> None:
        """Turns data rows into gap rows that keep their numbers, samples and span.

        Args:
            run: Its id.
            numbers: Of rows held.
            reason: Why; a gap row beside them that has the same one becomes part of theirs.
            absorb: Whether gap rows of other reasons between and beside them go into the same row as well, which then
                tells of each reason.
        """
        stored = self.runs[run]
        first, last = self._reach(stored, min(numbers), max(numbers))
        rows = self.change.execute(
            f"{_PART} WHERE run = ? AND n BETWEEN ? AND ? ORDER BY n", (stored.seq, first, last)
        ).fetchall()
        stretch: list[_Part] = []
        for row in map(_Part._make, rows):
            if row.n in numbers or row.reason == reason or (absorb and row.reason):
                stretch.append(row)
            else:
                self._into_gap(run, stretch, reason)
                stretch = []
        self._into_gap(run, stretch, reason)

    def _reach(self, run: StoredRun, first: int, last: int) -> tuple[int, int]:
        """The numbers, and those of the rows on both sides."""
        before, after = self.change.execute(
            "SELECT (SELECT max(n) FROM row WHERE run = ?1 AND n < ?2 AND n >= ?4),"
            " (SELECT min(n) FROM row WHERE run = ?1 AND n > ?3)",
            (run.seq, first, last, run.held.base),
        ).fetchone()
        return (first if before is None else before), (last if after is None else after)

    def thinned(self, run: int, *, minute: int, ten: int) -> None:
        """Notes how far a run is thinned."""
        self._put(replace(self.runs[run], minute=minute, ten=ten))

    def finish(self) -> None:
        """Writes the totals of every run that changed."""
        for run in self._touched & self.runs.keys():
            stored = self.runs[run]
            totals = stored.data_rows, stored.samples, stored.bytes, stored.minute, stored.ten, stored.again_ms
            self.change.execute(
                "UPDATE run SET base = ?, last = ?, data_rows = ?, samples = ?, bytes = ?, minute = ?, ten = ?,"
                " again_ms = ? WHERE seq = ?",
                (stored.held.base, stored.held.last, *totals, stored.seq),
            )

    def _run_for(self, stream: Stream) -> StoredRun:
        run = self.current.get(stream)
        if run is not None and run in self.runs:
            return self.runs[run]
        opened = self._open(stream)
        self.current[stream] = opened.held.run
        return opened

    def _open(self, stream: Stream) -> StoredRun:
        run = (self._spool_id & 0xFFFF) << 48 | secrets.randbits(48)
        ((seq,),) = self.change.execute(
            "INSERT INTO run (id, stream, last, data_rows, samples, bytes) VALUES (?, ?, 0, 0, 0, 0) RETURNING seq",
            (run.to_bytes(8), int(stream)),
        ).fetchall()
        return StoredRun(HeldRun(run, stream, 1, 0), seq)

    def _into_gap(self, run: int, rows: Sequence[_Part], reason: str) -> None:
        """Puts one gap row in the place of neighbours."""
        data = [row for row in rows if not row.reason]
        if not data:
            return
        stored, first, last = self.runs[run], rows[0], rows[-1]
        span = min(row.first_ms for row in rows), max(row.last_ms for row in rows)
        samples, told = sum(row.samples for row in rows), gaps.pack(_causes(rows, reason))
        self.change.execute("DELETE FROM row WHERE run = ? AND n BETWEEN ? AND ?", (stored.seq, first.n, last.n))
        row = (stored.seq, last.n, first.first, "", told, samples, *span, reason, last.at_ms, False)
        self.change.execute(_INSERT, row)
        held = stored.held
        if first.first <= held.base:
            held = replace(held, oldest_ms=max(last.at_ms, stored.again_ms))
        size = sum(row.size + ROW_COST for row in rows) - ROW_COST - len(told)
        self._put(_added(stored, held, -len(data), -sum(row.samples for row in data), -size))

    def _put(self, run: StoredRun) -> None:
        self.runs[run.held.run] = run
        self._touched.add(run.held.run)

    def _drop_if_done(self, run: int) -> None:
        stored = self.runs.get(run)
        if stored is not None and stored.held.empty and run not in self.current.values():
            self.change.execute("DELETE FROM run WHERE seq = ?", (stored.seq,))
            del self.runs[run]


def _causes(rows: Sequence[_Part], reason: str) -> Iterator[Lost]:
    """Why what these rows stand for is gone, where data goes for a reason now."""
    for row in rows:
        yield from gaps.unpack(row.told, Lost(row.reason or reason, row.samples, row.first_ms, row.last_ms))


def _added(run: StoredRun, held: HeldRun, rows: int, samples: int, size: int) -> StoredRun:
    return replace(
        run, held=held, data_rows=run.data_rows + rows, samples=run.samples + samples, bytes=run.bytes + size
    )
