"""The host's side of the commit protocol: in what order batches are applied, and what is answered.

Volatile, and so small: a cache of what SQL has committed, a cursor for what is queued, and one bounded queue. Whoever
calls writes the store and the SQL transaction in between `take` and `settled`; time is an argument.
Source: commit protocol version 1, section 4.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

from frostline_core.commit.queue import Queue, Queued, Span, T, Taken, spelled_out
from frostline_core.commit.wire import BatchMark, Commit, Regular

_EVICTION_TRIES = 8


@dataclass(frozen=True, slots=True)
class HostLimits:
    """Bounds of one host.

    Attributes:
        messages: Most batches waiting for a flush; what comes above is dropped as if the network had lost it.
        bytes: Most bytes waiting for a flush. While a flush runs, as much again is in its hands.
        runs: Most runs whose committed number is cached besides those with batches queued or in a flush; the longest
            unused is dropped and asked for again.
        linger_ms: A duplicate of one run is answered at most once in this time.
        hole_ms: A hole in one run is answered at most once in this time.
    """

    messages: int = 20_000
    bytes: int = 64 * 1024 * 1024
    runs: int = 10_000
    linger_ms: int = 250
    hole_ms: int = 1000


@dataclass(slots=True)
class HostStatistics:
    """Counters since the process started.

    Attributes:
        duplicates: Batches that were applied or queued before.
        holes: Batches dropped because one before them is missing.
        dropped_full: Batches dropped because the queue was full.
    """

    duplicates: int = 0
    holes: int = 0
    dropped_full: int = 0


@dataclass(slots=True)
class _Known:
    """A run in the cache; the times are of the last answers, far in the past at first."""

    committed: int
    duplicate_ms: int = -(2**62)
    hole_ms: int = -(2**62)


class HostCommit(Generic[T]):
    """Orders the batches of every node and says what to answer. One flush at a time; not for several threads.

    Args:
        committed_of: What SQL has committed of a run, 0 for a run it does not know. Called once for a run that is not
            in the cache.
        limits: Bounds; each says in its description what happens there.
    """

    def __init__(self, committed_of: Callable[[int], int], limits: HostLimits | None = None) -> None:
        self._committed_of = committed_of
        self._limits = limits or HostLimits()
        self._most_messages, self._most_bytes = self._limits.messages, self._limits.bytes
        self._known: OrderedDict[int, _Known] = OrderedDict()
        self._queue: Queue[T] = Queue()
        self._flown: dict[int, int] = {}  # the cursor of the flush that is under way
        self._flushing = False
        self.statistics = HostStatistics()

    @property
    def queued(self) -> int:
        """Batches waiting for a flush."""
        return len(self._queue.waiting)

    @property
    def queued_bytes(self) -> int:
        """Bytes waiting for a flush."""
        return self._queue.bytes

    @property
    def flushing(self) -> bool:
        """Whether a flush was taken and is neither settled nor forgotten."""
        return self._flushing

    def on_data(self, mark: BatchMark, item: T, size: int, now_ms: int) -> Commit | None:
        """A batch came. Queues it if it is the next of its run.

        Args:
            mark: Which batch.
            item: Whatever belongs to it; handed back by `take`.
            size: What it weighs in the queue, bytes.
            now_ms: Any clock that only goes forward.

        Returns:
            What to answer now; None if it was queued, or dropped without an answer.
        """
        run, n = mark.run, mark.n
        done = self._reached(run)
        if done is None or mark.first != done + 1:  # nearly all are the next of a run that has others in hand
            known = self._cached(run)
            done = max(done or 0, known.committed)
            if n <= done:
                self.statistics.duplicates += 1
                return self._say_again(run, known, now_ms)
            if mark.first > max(done + 1, mark.base):
                self.statistics.holes += 1
                return self._hole(run, known, now_ms)
        queue = self._queue
        if len(queue.waiting) >= self._most_messages or queue.bytes + size > self._most_bytes:
            self.statistics.dropped_full += 1
            return None
        entry = Queued(mark, item, size)
        queue.begins.setdefault(run, (done, entry))
        queue.waiting.append(entry)
        queue.regular = False
        queue.bytes += size
        queue.cursor[run] = n
        return None

    def on_next(self, batches: Sequence[Regular], size: int) -> int:
        """Queues batches as long as each is the next of a run that is known: `on_data` for many, and for less.

        Args:
            batches: In the order in which they came.
            size: What all of them weigh in the queue, bytes.

        Returns:
            How many were queued; the one behind them is for `on_data`. None, if not all of them fit.
        """
        queue = self._queue
        if len(queue.waiting) + len(batches) > self._most_messages or queue.bytes + size > self._most_bytes:
            return 0
        cursor, count = queue.cursor, 0
        for each in batches:
            run = each[0]
            before = each[1] - 1
            if cursor.get(run) != before and not self._follows(run, before, each):
                break
            cursor[run] = before + 1
            count += 1
        if count < len(batches):
            batches = batches[:count]
            size = sum(len(each[6]) for each in batches)
        queue.waiting += batches
        queue.bytes += size
        return count

    def _follows(self, run: int, before: int, batch: Regular) -> bool:
        """Whether a batch is the first of its run that waits, and the next one of those that were here."""
        queue = self._queue
        if run in queue.cursor:
            return False
        done = self._flown.get(run)
        if done is None:
            known = self._known.get(run)
            if known is None:
                return False
            self._known.move_to_end(run)
            done = known.committed
        if done != before:
            return False
        queue.begins[run] = (before, batch)
        return True

    def _reached(self, run: int) -> int | None:
        """The last number in hand of a run; None if there is none."""
        done = self._queue.cursor.get(run)
        return self._flown.get(run) if done is None else done

    def unreadable(self, mark: BatchMark, now_ms: int) -> Commit | None:
        """A batch came whose metrics cannot be resolved (an unknown alias): a hole, unless it was applied before."""
        known = self._cached(mark.run)
        if mark.n <= known.committed:
            self.statistics.duplicates += 1
            return self._say_again(mark.run, known, now_ms)
        self.statistics.holes += 1
        return self._hole(mark.run, known, now_ms)

    def known(self, run: int) -> int:
        """What this process last read or wrote as committed: the value to compare with when swapping in a new one."""
        return self._cached(run).committed

    def take(self) -> list[Queued[T]]:
        """Starts a flush with everything that waits, in the order in which it came; see `take_all`."""
        return [each if isinstance(each, Queued) else spelled_out(each) for each in self.take_all().entries]

    def take_all(self) -> Taken[T]:
        """Starts a flush with everything that waits.

        Raises:
            RuntimeError: A flush is under way; `settled` or `forget` ends it.
        """
        if self._flushing:
            raise RuntimeError("a flush is under way")
        self._flushing = True
        taken, self._queue = self._queue, Queue()
        self._flown = taken.cursor
        spans = {run: Span(before, taken.cursor[run], entry) for run, (before, entry) in taken.begins.items()}
        return Taken(taken.waiting, taken.regular, spans)

    def settled(self, committed: Mapping[int, int], now_ms: int) -> list[Commit]:
        """The SQL transaction is durable.

        Args:
            committed: Per run of the flush, its number now.
            now_ms: The clock of `on_data`.

        Returns:
            What to send: one cumulative commit a run, at most 8 of one node in a message.
        """
        self._flushing = False
        self._flown = {}
        cursor = self._queue.cursor
        for run, n in committed.items():
            known = self._cached(run)
            known.committed, known.duplicate_ms = n, now_ms
            if cursor.get(run, n) < n:  # another process is ahead: what waits is applied
                cursor[run] = n
                self._queue.regular = False
        return [Commit(run, n) for run, n in committed.items()]

    def forget(self) -> None:
        """Store, SQL or compare-and-swap failed: everything volatile goes; the gateways send it again."""
        self._flushing = False
        self._known.clear()
        self._flown = {}
        self._queue = Queue()

    def _cached(self, run: int) -> _Known:
        known = self._known.get(run)
        if known is None:
            known = self._known[run] = _Known(self._committed_of(run))
            self._evict(run)
        else:
            self._known.move_to_end(run)
        return known

    def _evict(self, newest: int) -> None:
        """A run with batches in hand stays: what they were ordered by is what compare-and-swap must compare with."""
        for _ in range(_EVICTION_TRIES):
            oldest = next(iter(self._known))
            if len(self._known) <= self._limits.runs or oldest == newest:
                return
            if self._reached(oldest) is None:
                del self._known[oldest]
                return
            self._known.move_to_end(oldest)

    def _say_again(self, run: int, known: _Known, now_ms: int) -> Commit | None:
        """Without this answer a commit that was lost on its way would be a livelock."""
        if now_ms - known.duplicate_ms < self._limits.linger_ms:
            return None
        known.duplicate_ms = now_ms
        return Commit(run, known.committed)

    def _hole(self, run: int, known: _Known, now_ms: int) -> Commit | None:
        if now_ms - known.hole_ms < self._limits.hole_ms:
            return None
        known.hole_ms = now_ms
        return Commit(run, known.committed, hole=True)
