"""The smallest cloud that keeps the rules around `HostCommit`: a store, one SQL state, a flush in two steps."""

from __future__ import annotations

import copy
import struct
from collections import Counter
from dataclasses import dataclass, field, fields, replace

from frostline_core.commit import (
    Advance,
    BatchMark,
    Commit,
    HostCommit,
    HostLimits,
    Queued,
    Regular,
    RunRecord,
    Runs,
    advance,
    answered,
    in_doubt,
    of_spool,
    unpack_batch,
    unpack_runs,
)
from frostline_core.reading import Stream

QUEUE_MAX = 12
_MEASUREMENT = struct.Struct("<QIQ?")


@dataclass(frozen=True)
class Measurement:
    """What a data row holds: which one it really is, of which series, when, and whether the store refuses it."""

    uid: int
    series: int
    t: int
    poison: bool = False

    def pack(self) -> bytes:
        return _MEASUREMENT.pack(self.uid, self.series, self.t, self.poison)

    @staticmethod
    def unpack(raw: bytes) -> Measurement:
        return Measurement(*_MEASUREMENT.unpack(raw))


@dataclass(frozen=True)
class Message:
    """One DATA message: the value of `Frostline/Batch`, the payload, the gap's reason."""

    batch: bytes
    payload: bytes
    reason: str


@dataclass(frozen=True)
class Birth:
    """One NBIRTH: the value of `Frostline/Runs`."""

    runs: bytes


@dataclass
class Sql:
    """Durable; changes only by whole transactions. The last three are what a checker sees, not what a cloud keeps."""

    committed: dict[int, int] = field(default_factory=dict)
    announced: dict[int, int] = field(default_factory=dict)
    spool: int = 0
    held: set[int] | None = None
    lost: list[tuple[int, int, int, str]] = field(default_factory=list)
    clock: dict[int, int] = field(default_factory=dict)  # per series: newest event time that live rules saw
    effects: Counter[int] = field(default_factory=Counter)  # uid -> times evaluated
    live: list[tuple[int, int]] = field(default_factory=list)  # (series, t) as live rules saw them
    log: list[tuple[BatchMark, int]] = field(default_factory=list)  # in order of application, with the uid

    def copy(self) -> Sql:
        return Sql(**{each.name: copy.copy(getattr(self, each.name)) for each in fields(self)})

    def doubt(self) -> dict[int, int]:
        runs = self.committed.keys() | self.announced.keys()
        records = [RunRecord(run, self.committed.get(run, 0), self.announced.get(run, 0)) for run in runs]
        return in_doubt(records, self.spool, self.held)


@dataclass
class Database:
    """What every ingest process shares."""

    sql: Sql = field(default_factory=Sql)
    store: set[tuple[int, int]] = field(default_factory=set)


class Ingest:
    """One ingest process. `begin` and `finish` are one flush; anything may come in between."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.commit: HostCommit[Message] = self.host()
        self.taken: list[Queued[Message]] = []

    def host(self) -> HostCommit[Message]:
        return HostCommit(lambda run: self.db.sql.committed.get(run, 0), HostLimits(messages=QUEUE_MAX, runs=5))

    def receive(self, message: Message | Birth, now_ms: int) -> list[Commit]:
        if isinstance(message, Birth):
            return self.born(unpack_runs(message.runs))
        mark, size = unpack_batch(message.batch), len(message.payload)
        if self.skims and mark.stream is Stream.SAMPLES and not mark.gap:
            regular: Regular = (mark.run, mark.n, mark.base, message, 0, (), message.payload, 0)
            if self.commit.on_next([regular], size):
                return []
        answer = self.commit.on_data(mark, message, size, now_ms)
        return [] if answer is None else [answer]

    @property
    def skims(self) -> bool:
        """Whether batches that are the next of their run go the way of nearly all; seeded bugs are in the other."""
        return type(self.commit) is HostCommit

    def born(self, runs: Runs) -> list[Commit]:
        tx = self.db.sql.copy()
        tx.spool, tx.held = runs.spool, None if runs.more else set(runs.held)
        for run, last in runs.held.items():
            tx.announced[run] = max(last, tx.announced.get(run, 0))
        self.db.sql = tx
        return answered(runs, tx.committed)

    def begin(self) -> None:
        self.taken = [
            replace(each, item=each.item[3]) if isinstance(each.item, tuple) else each for each in self.commit.take()
        ]
        for queued in self.taken:
            if not queued.item.reason:
                measured = Measurement.unpack(queued.item.payload)
                self.db.store.add((measured.series, measured.t))

    def finish(self, sql_fails: bool, now_ms: int) -> list[Commit]:
        """The SQL transaction, then the commits; empty where it failed or another process was first."""
        taken, self.taken = self.taken, []
        tx = self.db.sql.copy()
        if not self.compare(tx, taken) or sql_fails:
            self.commit.forget()
            return []
        committed: dict[int, int] = {}
        for queued in taken:
            committed[queued.mark.run] = self.apply(tx, queued)
        self.swap(tx)
        return self.commit.settled(committed, now_ms)

    def compare(self, tx: Sql, taken: list[Queued[Message]]) -> bool:
        """Compare-and-swap: nobody moved a run since this process read or wrote it."""
        runs = {queued.mark.run for queued in taken}
        return all(self.commit.known(run) == tx.committed.get(run, 0) for run in runs)

    def swap(self, tx: Sql) -> None:
        self.db.sql = tx

    def advance(self, committed: int, mark: BatchMark) -> Advance:
        return advance(committed, mark)

    def apply(self, tx: Sql, queued: Queued[Message]) -> int:
        mark = queued.mark
        step = self.advance(tx.committed.get(mark.run, 0), mark)
        for loss in step.losses:
            tx.lost.append((mark.run, loss.first, loss.last, loss.reason or queued.item.reason))
        if step.deliver:
            self.evaluate(tx, mark, Measurement.unpack(queued.item.payload))
        tx.committed[mark.run] = step.committed
        if tx.held is not None and of_spool(mark.run, tx.spool):
            tx.held.add(mark.run)
        return step.committed

    def evaluate(self, tx: Sql, mark: BatchMark, measured: Measurement) -> None:
        if measured.poison:
            tx.lost.append((mark.run, mark.n, mark.n, "rejected by the store"))
            return
        tx.effects[measured.uid] += 1
        tx.log.append((mark, measured.uid))
        if mark.stream is Stream.SAMPLES and self.is_live(tx, measured):
            tx.clock[measured.series] = measured.t
            tx.live.append((measured.series, measured.t))

    def is_live(self, tx: Sql, measured: Measurement) -> bool:
        return measured.t > tx.clock.get(measured.series, -1)
