"""Mistakes that an implementation of the protocol could contain, each put around the classes that ship.

The checker must catch every one: what it could not catch it would not prove absent either.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from frostline_core.commit import (
    Advance,
    BatchMark,
    Commit,
    GatewayCommit,
    HeldRun,
    HostCommit,
    HostLimits,
    Loss,
    Queued,
    Runs,
    Verdict,
    advance,
)
from frostline_core.reading import Lane, Stream
from tests.unit.core.commit.ingest_model import QUEUE_MAX, Ingest, Measurement, Message, Sql
from tests.unit.core.commit.memory_rows import MemoryDisk, MemoryRows
from tests.unit.core.commit.world import BUDGET, World


# ---- the spool
class ResumesRuns(MemoryRows):
    """A process start goes on with the newest run, so an image reuses numbers."""

    def __init__(self, disk: MemoryDisk) -> None:
        super().__init__(disk)
        self.open_run = {stored.stream: run for run, stored in disk.stored.items()}


class CutRenumbers(MemoryRows):
    """A cut moves the rows that wait into a run and numbers of their own."""

    def cut(self) -> None:
        run = self.open_run.pop(Stream.SAMPLES)
        stored = self.disk.stored[run]
        moved, stored.last, stored.rows = stored.rows, stored.base - 1, []
        for row, at in moved:
            if not row.gap:
                self.insert(Stream.SAMPLES, row.payload, at)


class DropsWithoutGap(MemoryRows):
    """The budget deletes the row and leaves nothing in its place."""

    def drop(self) -> None:
        stored, i = self.oldest()
        del stored.rows[i]


# ---- the gateway
class TrustsCommitWithoutRun(GatewayCommit):
    """A commit is taken for the run that is current."""

    def on_commit(self, commit: Commit, now_ms: int) -> Verdict:
        current = self._rows.current(Stream.SAMPLES)
        return super().on_commit(replace(commit, run=current) if current is not None else commit, now_ms)


class ResendsNewestOnly(GatewayCommit):
    """The timer does not go back, and a new session goes on where the one before stopped."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]  # passed through as they came
        for window in self._windows.values():
            window.go_back = lambda: None  # type: ignore[method-assign]  # the bug itself
            window.fresh = lambda: None  # type: ignore[method-assign]


class PipelinesEvents(GatewayCommit):
    """Events of a newer run go out before those of an older one are committed."""

    def _lane_run(self, lane: Lane, held: object) -> HeldRun | None:
        events = [each for each in self._rows.runs() if each.stream is Stream.EVENTS and not each.empty]
        if lane is Lane.EVENTS and events:
            return random.Random(events[0].last).choice(events)  # noqa: S311  # a test's dice
        return super()._lane_run(lane, self._rows.runs())


class IgnoresCommitAboveLast(GatewayCommit):
    """A commit above an older run's last number is ignored, as for the current run."""

    def on_commit(self, commit: Commit, now_ms: int) -> Verdict:
        held = next((each for each in self._rows.runs() if each.run == commit.run), None)
        if held is not None and commit.n > held.last:
            return Verdict.IMPOSSIBLE
        return super().on_commit(commit, now_ms)


# ---- the host
class CommitsBeforeSql(Ingest):
    """The commit goes out although the transaction failed."""

    def finish(self, sql_fails: bool, now_ms: int) -> list[Commit]:
        taken = [(queued.mark.run, queued.mark.n) for queued in self.taken]
        commits = super().finish(sql_fails, now_ms)
        return commits or [Commit(run, n) for run, n in dict(taken).items()]


class KeysWithoutRun(Ingest):
    """`committed` is kept per stream, not per run."""

    def host(self) -> HostCommit[Message]:
        class Host(HostCommit[Message]):
            def on_data(self, mark: BatchMark, item: Message, size: int, now_ms: int) -> Commit | None:
                answer = super().on_data(replace(mark, run=mark.stream), item, size, now_ms)
                return answer and replace(answer, run=mark.run)

        return Host(lambda run: self.db.sql.committed.get(run, 0), HostLimits(messages=QUEUE_MAX))

    def finish(self, sql_fails: bool, now_ms: int) -> list[Commit]:
        runs = {queued.mark.stream: run_of(queued.item) for queued in self.taken}
        return [replace(commit, run=runs[Stream(commit.run)]) for commit in super().finish(sql_fails, now_ms)]


class AppliesOverHoles(Ingest):
    """A message that is missing stops nothing."""

    def host(self) -> HostCommit[Message]:
        class Host(HostCommit[Message]):
            def on_data(self, mark: BatchMark, item: Message, size: int, now_ms: int) -> Commit | None:
                return super().on_data(replace(mark, base=mark.first), item, size, now_ms)

        return Host(lambda run: self.db.sql.committed.get(run, 0), HostLimits(messages=QUEUE_MAX))

    def advance(self, committed: int, mark: BatchMark) -> Advance:
        return over_hole(committed, mark)


class IgnoresBase(Ingest):
    """A host that lost its memory waits for numbers that no gateway holds any more."""

    def host(self) -> HostCommit[Message]:
        class Host(HostCommit[Message]):
            def on_data(self, mark: BatchMark, item: Message, size: int, now_ms: int) -> Commit | None:
                return super().on_data(replace(mark, base=0), item, size, now_ms)

        return Host(lambda run: self.db.sql.committed.get(run, 0), HostLimits(messages=QUEUE_MAX))


class AnswersCursor(Ingest):
    """A duplicate is answered with what is queued, not with what is committed."""

    def host(self) -> HostCommit[Message]:
        class Host(HostCommit[Message]):
            def on_data(self, mark: BatchMark, item: Message, size: int, now_ms: int) -> Commit | None:
                answer = super().on_data(mark, item, size, now_ms)
                if answer is None or answer.hole:
                    return answer
                return replace(answer, n=max(answer.n, self._reached(mark.run) or 0))

        return Host(lambda run: self.db.sql.committed.get(run, 0), HostLimits(messages=QUEUE_MAX))


class KeepsCursorAfterFailure(Ingest):
    """After SQL failed, the queue goes but the cursor stays."""

    def host(self) -> HostCommit[Message]:
        class Host(HostCommit[Message]):
            def forget(self) -> None:
                cursor = self._flown | self._queue.cursor
                super().forget()
                self._queue.cursor = cursor

        return Host(lambda run: self.db.sql.committed.get(run, 0), HostLimits(messages=QUEUE_MAX))

    def advance(self, committed: int, mark: BatchMark) -> Advance:
        return over_hole(committed, mark)


class CommitsInAnotherTransaction(Ingest):
    """Rules and `committed` are two transactions; the process may die in between."""

    def swap(self, tx: Sql) -> None:
        if len(tx.log) % 5:
            super().swap(tx)
            return
        tx.committed = dict(self.db.sql.committed)
        super().swap(tx)

    def finish(self, sql_fails: bool, now_ms: int) -> list[Commit]:
        before = dict(self.db.sql.committed)
        commits = super().finish(sql_fails, now_ms)
        if self.db.sql.committed == before:
            self.commit.forget()
            return []
        return commits


class SwapsWithoutComparing(Ingest):
    """Two ingests write the same run, each by its own memory."""

    def compare(self, tx: Sql, taken: list[Queued[Message]]) -> bool:
        tx.committed |= {queued.mark.run: self.commit.known(queued.mark.run) for queued in taken}
        return True


class ListsGapWhole(Ingest):
    """A gap row is listed from its first number, though some of it was applied before it was dropped."""

    def advance(self, committed: int, mark: BatchMark) -> Advance:
        step = advance(committed, mark)
        return replace(step, losses=(Loss(mark.first, mark.n, ""),)) if mark.gap and step.losses else step


class JudgesLiveByArrival(Ingest):
    """Whatever comes is taken for the newest of its series."""

    def is_live(self, tx: Sql, measured: Measurement) -> bool:
        return True


class BirthMovesCommitted(Ingest):
    """A birth that tells of rows is taken for their arrival."""

    def born(self, runs: Runs) -> list[Commit]:
        answers = super().born(runs)
        for run, last in runs.held.items():
            self.db.sql.committed[run] = max(last - 1, self.db.sql.committed.get(run, 0))
        self.commit.forget()
        return answers


def run_of(message: Message) -> int:
    """The run that a message really is of: after the flags byte, 8 bytes."""
    return int.from_bytes(message.batch[1:9], "little")


def over_hole(committed: int, mark: BatchMark) -> Advance:
    """`advance` without its refusal of a batch before which one is missing."""
    return advance(max(committed, mark.first - 1) if mark.n > committed else committed, mark)


@dataclass(frozen=True)
class Bug:
    """Where a mistake sits; whatever is not named is what ships."""

    rows: type[MemoryRows] = MemoryRows
    commit: type[GatewayCommit] = GatewayCommit
    ingest: type[Ingest] = Ingest

    def world(self, seed: int) -> World:
        return World(
            seed,
            make_disk=lambda spool, rng: MemoryDisk(spool, BUDGET, rng, self.rows),
            ingest=self.ingest,
            commit=self.commit,
            audit=False,
        )


BUGS: Mapping[str, Bug] = {
    "a process start resumes a run": Bug(rows=ResumesRuns),
    "a cut renumbers rows": Bug(rows=CutRenumbers),
    "the budget leaves no gap row": Bug(rows=DropsWithoutGap),
    "a commit is trusted without its run": Bug(commit=TrustsCommitWithoutRun),
    "only the newest is sent again": Bug(commit=ResendsNewestOnly),
    "events of two runs are under way": Bug(commit=PipelinesEvents),
    "a commit above an older run's last is ignored": Bug(commit=IgnoresCommitAboveLast),
    "committed before SQL": Bug(ingest=CommitsBeforeSql),
    "committed per stream": Bug(ingest=KeysWithoutRun),
    "a hole is applied over": Bug(ingest=AppliesOverHoles),
    "base is ignored": Bug(ingest=IgnoresBase),
    "the cursor is answered": Bug(ingest=AnswersCursor),
    "the cursor outlives a failure": Bug(ingest=KeepsCursorAfterFailure),
    "committed in another transaction": Bug(ingest=CommitsInAnotherTransaction),
    "no compare-and-swap": Bug(ingest=SwapsWithoutComparing),
    "a gap row is listed whole": Bug(ingest=ListsGapWhole),
    "live is judged by arrival": Bug(ingest=JudgesLiveByArrival),
    "a birth moves committed": Bug(ingest=BirthMovesCommitted),
}
