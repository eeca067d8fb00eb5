"""Rows in memory, with the spool's rules: what the fault model runs on. A disk outlives the processes that open it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, Self

from frostline_core.commit import HeldRun, Row, Rows
from frostline_core.reading import Stream


@dataclass(frozen=True)
class Item:
    """What a process wants to make durable."""

    stream: Stream
    payload: bytes
    at_ms: int


class OpenRows(Rows, Protocol):
    """The spool of one process: `Rows`, and what only the gateway's writer and the checker need."""

    def append(self, items: Sequence[Item]) -> None: ...

    def held_rows(self) -> list[Row]: ...


class Disk(Protocol):
    """What stays when a process dies."""

    def open(self) -> OpenRows: ...

    def image(self) -> Self: ...


@dataclass
class StoredRun:
    stream: Stream
    last: int = 0
    rows: list[tuple[Row, int]] = field(default_factory=list)  # with the time at which it was appended

    @property
    def base(self) -> int:
        return self.rows[0][0].first if self.rows else self.last + 1


class MemoryDisk:
    """Runs in order of opening. Opening it is a process start."""

    def __init__(self, spool_id: int, budget: int, rng: random.Random, rows: type[MemoryRows] | None = None) -> None:
        self.spool_id, self.budget, self.rng = spool_id, budget, rng
        self.rows = rows or MemoryRows
        self.stored: dict[int, StoredRun] = {}

    def open(self) -> MemoryRows:
        self.stored = {run: stored for run, stored in self.stored.items() if stored.rows}
        return self.rows(self)

    def image(self) -> MemoryDisk:
        copy = MemoryDisk(self.spool_id, self.budget, self.rng, self.rows)
        copy.stored = {run: StoredRun(s.stream, s.last, list(s.rows)) for run, s in self.stored.items()}
        return copy


class MemoryRows:
    def __init__(self, disk: MemoryDisk) -> None:
        self.disk = disk
        self.open_run: dict[Stream, int] = {}

    @property
    def spool_id(self) -> int:
        return self.disk.spool_id

    def runs(self) -> list[HeldRun]:
        return [
            HeldRun(run, s.stream, s.base, s.last, s.rows[0][1], s.rows[-1][1])
            if s.rows
            else HeldRun(run, s.stream, s.base, s.last)
            for run, s in self.disk.stored.items()
        ]

    def current(self, stream: Stream) -> int | None:
        return self.open_run.get(stream)

    def next_row(self, run: int, n: int) -> Row | None:
        return next((row for row, _ in self.disk.stored[run].rows if row.n >= n), None)

    def delete_through(self, run: int, n: int) -> None:
        stored = self.disk.stored[run]
        stored.rows = [(row, at) for row, at in stored.rows if row.n > n]
        if not stored.rows and run not in self.open_run.values():
            del self.disk.stored[run]

    def cut(self) -> None:
        self.open_run.pop(Stream.SAMPLES, None)

    def append(self, items: Sequence[Item]) -> None:
        for item in items:
            self.insert(item.stream, item.payload, item.at_ms)
        while sum(not row.gap for row in self.held_rows()) > self.disk.budget:
            self.drop()

    def held_rows(self) -> list[Row]:
        return [row for stored in self.disk.stored.values() for row, _ in stored.rows]

    def insert(self, stream: Stream, payload: bytes, at_ms: int) -> None:
        run = self.open_run.get(stream)
        if run is None:
            run = self.open_run[stream] = (self.disk.spool_id & 0xFFFF) << 48 | self.disk.rng.getrandbits(48)
            self.disk.stored[run] = StoredRun(stream)
        stored = self.disk.stored[run]
        stored.last += 1
        stored.rows.append((Row(run, stored.last, stored.last, "", payload, 1, at_ms, at_ms), at_ms))

    def oldest(self) -> tuple[StoredRun, int]:
        """Oldest data row, samples before events."""
        for stream in (Stream.SAMPLES, Stream.EVENTS):
            for stored in self.disk.stored.values():
                for i, (row, _) in enumerate(stored.rows):
                    if stored.stream is stream and not row.gap:
                        return stored, i
        raise AssertionError("over budget without data rows")

    def drop(self) -> None:
        stored, i = self.oldest()
        row, at = stored.rows[i]
        first, samples = row.first, row.samples
        if i:
            first, samples = stored.rows[i - 1][0].first, samples + stored.rows[i - 1][0].samples
        gap = replace(row, first=first, payload=b"", samples=samples, reason="spool budget")
        stored.rows[max(i - 1, 0) : i + 1] = [(gap, at)]
