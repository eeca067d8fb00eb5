"""What goes first when the disk is short: the order of sacrifice.

1. The ring: the cloud has these rows. 2. Raw identifications, oldest first. 3. Telemetry older than an hour is thinned
to one minute, oldest first, then to ten (`thin`): of each device and span the rows that hold an extreme stay.
4. The oldest telemetry. 5. Events, only when there is nothing else: a disk has an end.
What goes in 2 to 5 becomes gap rows, so its numbers, samples and span reach the cloud with the reason. Gap rows that 4
and 5 find beside and between what they drop go into one row, which tells of each reason (`gaps`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from frostline_core.reading import Stream
from frostline_gateway.spool import ring, waiting
from frostline_gateway.spool.draft import Draft, StoredRun
from frostline_gateway.spool.rows import ROW_COST
from frostline_gateway.spool.thin import MINUTE_MS, TEN_MINUTES_MS, Candidate, survivors

OVER_BUDGET = "spool budget"
RAW = "spool budget: raw identifications"
THINNED = "spool budget: thinned"
FRESH_MS = 3_600_000
"""Rows of the last hour are never thinned."""
_DROP_ROWS = 500
_THIN_ROWS = 2_000
_THIN_LEAST = 200
"""A current run is thinned in steps of so many rows: a few rows more have no extremes to choose from."""
_RING_SLACK = 64
"""The ring gives a 64th of the budget at once, so that not every append rewrites old pages."""


def keep(draft: Draft, budget_bytes: int, now_ms: int) -> Mapping[str, int]:
    """Makes the rows fit the budget, inside the transaction that is open.

    Args:
        draft: The runs; changed in place.
        budget_bytes: Most that rows and ring may weigh together.
        now_ms: Time of day, UTC milliseconds.

    Returns:
        Samples lost by reason.
    """
    budget = _Budget(draft, budget_bytes, now_ms)
    if budget.excess > 0:
        ring.trim(draft.change, budget.excess + budget_bytes // _RING_SLACK)
    for step in (budget.drop_raw, budget.thin_to_minutes, budget.thin_to_ten_minutes, budget.drop_oldest):
        while budget.excess > 0 and step():
            continue
    return budget.lost


class _Budget:
    """One look at the budget; each step says whether it found something to do."""

    def __init__(self, draft: Draft, budget_bytes: int, now_ms: int) -> None:
        self._connection, self._draft = draft.change, draft
        self._bytes, self._now_ms = budget_bytes, now_ms
        self._waiting = waiting.weight(draft.change)
        self.lost: Counter[str] = Counter()

    @property
    def excess(self) -> int:
        """Bytes over the budget."""
        held = sum(run.bytes for run in self._draft.runs.values())
        return held + ring.weight(self._connection) + self._waiting - self._bytes

    def drop_raw(self) -> bool:
        """The oldest raw identifications become gap rows."""
        for run, stored in self._runs(Stream.SAMPLES):
            rows = self._connection.execute(
                "SELECT n FROM row WHERE run = ? AND n >= ? AND raw = 1 ORDER BY n LIMIT ?",
                (stored.seq, stored.held.base, _DROP_ROWS),
            ).fetchall()
            if rows:
                self._drop(run, {n for (n,) in rows}, RAW)
                return True
        return False

    def thin_to_minutes(self) -> bool:
        """The next rows of the oldest run that was not thinned so far."""
        for run, stored in self._runs(Stream.SAMPLES):
            last = self._thin(run, stored.minute, stored.held.last, MINUTE_MS)
            if last is not None:
                self._draft.thinned(run, minute=last, ten=self._draft.runs[run].ten)
                return True
        return False

    def thin_to_ten_minutes(self) -> bool:
        """The next rows of the oldest run that was thinned to minutes only."""
        for run, stored in self._runs(Stream.SAMPLES):
            last = self._thin(run, stored.ten, stored.minute, TEN_MINUTES_MS)
            if last is not None:
                self._draft.thinned(run, minute=self._draft.runs[run].minute, ten=last)
                return True
        return False

    def drop_oldest(self) -> bool:
        """As few of the oldest rows as are needed, samples before events, become one gap row."""
        for stream in (Stream.SAMPLES, Stream.EVENTS):
            for run, stored in self._runs(stream):
                rows = self._connection.execute(
                    "SELECT n, length(payload) FROM row WHERE run = ? AND n >= ? AND reason = '' ORDER BY n LIMIT ?",
                    (stored.seq, stored.held.base, _DROP_ROWS),
                ).fetchall()
                excess, numbers = self.excess, set()
                for n, size in rows:
                    if excess <= 0:
                        break
                    numbers.add(n)
                    excess -= size + ROW_COST
                if numbers:
                    self._drop(run, numbers, OVER_BUDGET, absorb=True)
                    return True
        return False

    def _runs(self, stream: Stream) -> list[tuple[int, StoredRun]]:
        """Runs of a stream with data rows, oldest first."""
        runs = self._draft.runs.items()
        return [(run, stored) for run, stored in runs if stored.held.stream is stream and stored.data_rows]

    def _thin(self, run: int, after: int, through: int, span_ms: int) -> int | None:
        """Thins rows of one run; the number of the last that was looked at, None where too few are left."""
        stored = self._draft.runs[run]
        rows = self._connection.execute(
            "SELECT n, device, first_ms, payload FROM row WHERE run = ? AND n > ? AND n <= ? AND reason = ''"
            " AND at_ms <= ? ORDER BY n LIMIT ?",
            (stored.seq, max(after, stored.held.base - 1), through, self._now_ms - FRESH_MS, _THIN_ROWS),
        ).fetchall()
        if len(rows) < (_THIN_LEAST if run in self._draft.current.values() else 2):
            return None
        numbers = {row[0] for row in rows} - survivors((Candidate(*row) for row in rows), span_ms)
        if numbers:
            self._drop(run, numbers, THINNED)
        return int(rows[-1][0])

    def _drop(self, run: int, numbers: set[int], reason: str, *, absorb: bool = False) -> None:
        before = self._draft.runs[run].samples
        self._draft.drop(run, numbers, reason, absorb=absorb)
        self.lost[reason] += before - self._draft.runs[run].samples
