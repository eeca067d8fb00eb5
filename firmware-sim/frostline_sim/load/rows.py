"""A spool in memory, bounded, for nodes that only make load."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from frostline_core.commit import HeldRun, Row
from frostline_core.reading import Stream

MOST_ROWS = 20_000
"""Rows that a node holds; when they are there, it makes no more until some are committed."""


class MemoryRows:
    """`Rows` of the commit protocol without a disk: one stream of samples, gone with the process."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._spool_id = int(random() * 2**64)
        self._runs: dict[int, deque[Row]] = {}
        self._last: dict[int, int] = {}
        self._current: int | None = None
        self.committed = 0

    @property
    def spool_id(self) -> int:
        """Made with the object."""
        return self._spool_id

    @property
    def held(self) -> int:
        """Rows that are not committed yet."""
        return sum(len(rows) for rows in self._runs.values())

    @property
    def full(self) -> bool:
        """Whether `MOST_ROWS` are held."""
        return self.held >= MOST_ROWS

    def append(self, device: str, payload: bytes, samples: int, utc_ms: int) -> None:
        """Adds a row to the current run, or opens one: two bytes of the spool's id, six random."""
        if self._current is None:
            self._current = (self._spool_id & 0xFFFF) << 48 | int(self._random() * 2**48)
            self._runs[self._current], self._last[self._current] = deque(), 0
        n = self._last[self._current] = self._last[self._current] + 1
        self._runs[self._current].append(Row(self._current, n, n, device, payload, samples, utc_ms, utc_ms))

    def runs(self) -> Sequence[HeldRun]:
        """Every run held, oldest first."""
        return [self._view(run, rows) for run, rows in self._runs.items()]

    def current(self, stream: Stream) -> int | None:
        """The run that the next row goes to."""
        return self._current if stream is Stream.SAMPLES else None

    def next_row(self, run: int, n: int) -> Row | None:
        """The lowest row of the run whose number is n or more."""
        rows = self._runs.get(run)
        if not rows or n > rows[-1].n:
            return None
        return rows[max(0, n - rows[0].n)]

    def delete_through(self, run: int, n: int) -> None:
        """Deletes the rows whose number is n or less."""
        rows = self._runs[run]
        while rows and rows[0].n <= n:
            rows.popleft()
            self.committed += 1
        if not rows and run != self._current:
            del self._runs[run], self._last[run]

    def cut(self) -> None:
        """Makes the next row open a new run."""
        run, self._current = self._current, None
        if run is not None and not self._runs[run]:
            del self._runs[run], self._last[run]

    def _view(self, run: int, rows: deque[Row]) -> HeldRun:
        if not rows:
            return HeldRun(run, Stream.SAMPLES, self._last[run] + 1, self._last[run])
        return HeldRun(run, Stream.SAMPLES, rows[0].n, rows[-1].n, rows[0].last_ms, rows[-1].last_ms)
