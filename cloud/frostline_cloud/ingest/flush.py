"""One flush: store write, then one SQL transaction with rule state, alerts, outbox, account and `committed`.

    batches -> rows -> store            `write`: idempotent, may be repeated; in a thread of its own
                    -> SQL transaction  `commit`: rules evaluated inside; all of it, or nothing
                    -> committed        returned to the caller, who tells the gateways

If anything fails, nothing is committed: the caller forgets its queue and the gateways send it again
(commit protocol, section 4).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Engine

from frostline_cloud import alerts
from frostline_cloud.alerts import local
from frostline_cloud.ingest import journal
from frostline_cloud.ingest.apart import Piece, by_batch, by_node, queued_of, without_content
from frostline_cloud.ingest.clocks import Clocks
from frostline_cloud.ingest.decode import Batch, Item
from frostline_cloud.ingest.deliver import Delivered, deliver, owner_of_run, owners_of, stream_of
from frostline_cloud.ingest.evaluate import evaluate
from frostline_cloud.ingest.generation import Generation, OvertakenError
from frostline_cloud.ingest.journal import AccountDelta, DeadLetter
from frostline_cloud.ingest.letters import LetterBox
from frostline_cloud.ingest.load import Load, Written
from frostline_cloud.ingest.refusal import RefusedDataError, refusals
from frostline_cloud.ingest.series import SeriesTable
from frostline_cloud.ingest.sheet import rows_of, send
from frostline_cloud.rules import taken
from frostline_cloud.sql import told, translated
from frostline_cloud.sql.retention import RUN_KEEP_MS
from frostline_cloud.store.port import Store
from frostline_core import diary
from frostline_core.commit import run_text
from frostline_core.errors import FrostlineError, UnavailableError
from frostline_core.rules import Evaluator, RuleSet

log = logging.getLogger("frostline.ingest")


@dataclass(slots=True)
class Flushed:
    """What a flush has done.

    Attributes:
        committed: Run to its new committed number.
        owners: Site and node of each of these runs.
        samples: Samples written.
        transitions: Alert transitions, for counters.
    """

    committed: dict[int, int]
    owners: dict[int, tuple[str, str]]
    samples: int
    transitions: int
    store_s: float = 0.0
    sql_s: float = 0.0

    def add(self, part: Flushed) -> None:
        """Takes in what a part of the flush has done."""
        self.committed |= part.committed
        self.owners |= part.owners
        self.samples += part.samples
        self.transitions += part.transitions


class Flusher:
    """Writes batches; one at a time."""

    def __init__(  # noqa: PLR0913 - the wiring file hands over what a flush touches
        self,
        engine: Engine,
        store: Store,
        evaluator: Evaluator,
        series: SeriesTable,
        rules: RuleSet,
        receivers: Sequence[str],
        generation: Generation | None = None,
        letters: LetterBox | None = None,
    ) -> None:
        self._letters = letters or LetterBox()
        self._engine, self._store, self._evaluator = engine, store, evaluator
        self._generation = generation or Generation(engine, store)
        self._series, self._rules, self._receivers = series, rules, receivers
        self._clocks = Clocks(series)

    def write(self, load: Load) -> Written:
        """Brings the rows into the store. It touches neither SQL nor rule state, so that messages may come meanwhile.

        Raises:
            UnavailableError: The store cannot write; nothing is committed.
        """
        began = time.perf_counter()
        written = rows_of(load, self._series)
        send(written, self._store)
        written.seconds = time.perf_counter() - began
        return written

    def commit(self, load: Load, written: Written, now_ms: int) -> Flushed:
        """Rules and commits what is in the store.

        Args:
            load: As it was written.
            written: What `write` returned.
            now_ms: UTC.

        Raises:
            UnavailableError: SQL cannot write; nothing is committed.
            OvertakenError: Another process moved a run; nothing is committed.
        """
        began = time.perf_counter()
        try:
            done = self._transact(load, written, now_ms)
        except RefusedDataError as error:
            log.warning("%s; taking the flush apart", error)
            done = self._apart(load, written, now_ms)
        done.store_s, done.sql_s = written.seconds, time.perf_counter() - began
        return done

    def doubt(self) -> None:
        """SQL is about to be read anew: rows that a flush would build on may go."""
        self._clocks.restart()

    def renew(self, evaluator: Evaluator) -> None:
        """Goes on with another evaluator, and its rules."""
        self._evaluator, self._rules = evaluator, evaluator.rules

    def _apart(self, load: Load, written: Written, now_ms: int) -> Flushed:
        """One transaction for each gateway; for each batch of the one that is refused; without what nobody can take."""
        done = Flushed({}, {}, 0, 0)
        for piece in by_node(load, written):
            try:
                done.add(self._transact(piece.load, piece.written, now_ms))
            except RefusedDataError:
                for one in by_batch(piece):
                    done.add(self._alone(one, now_ms))
                    load.brought_home(one.load)
            load.brought_home(piece.load)
        return done

    def _alone(self, piece: Piece, now_ms: int) -> Flushed:
        try:
            return self._transact(piece.load, piece.written, now_ms)
        except RefusedDataError as error:
            emptied = without_content(piece, str(error))
        try:
            done = self._transact(emptied.load, emptied.written, now_ms)
        except RefusedDataError as error:
            raise UnavailableError(f"not even a dead letter can be written: {error}") from error
        for letter in emptied.written.buried:
            log.error("a message on %s is a dead letter: %s", letter.topic, letter.reason)
        return done

    def _transact(self, load: Load, written: Written, now_ms: int) -> Flushed:
        try:
            with refusals(), translated("SQL"), self._engine.begin() as connection:
                self._generation.advance(connection, now_ms)
                done = self._commit(connection, load, now_ms)
                items = [*done.items, *load.plain] if load.plain else done.items
                odd = [each for each in items if isinstance(each, Batch)]
                counts, transitions = self._rule(connection, items, odd, now_ms)
                letters = _numbered(_of_those(items, written.buried), load)
                self._letters.bury(connection, letters, load.extra.buried, now_ms)
                self._account(connection, counts, (letters, load.extra), now_ms)
                told.save(connection, load.extra.told, now_ms)
        except FrostlineError:
            self._evaluator.forget()
            raise
        self._evaluator.settle()
        self._generation.settled()
        self._clocks.settled()
        samples = sum(counts.values()) - sum(map(_not_written, odd))
        return Flushed(done.reached, owners_of(load.taken), samples, transitions)

    def _commit(self, connection: Connection, load: Load, now_ms: int) -> Delivered:
        """Moves `committed` of every run in the flush and lists what is lost."""
        spans = load.taken.spans
        texts = {number: run_text(number) for number in spans}
        known = journal.committed(connection, texts.values())
        opened = [
            journal.OpenedRun(texts[number], owner_of_run(span.entry), stream_of(span.entry))
            for number, span in spans.items()
            if texts[number] not in known
        ]
        journal.open_runs(connection, opened, now_ms)
        before = {number: known.get(text, 0) for number, text in texts.items()}
        done = deliver(load.taken, before)
        moves = [(texts[number], before[number], new) for number, new in done.reached.items()]
        if not journal.move_committed(connection, moves, now_ms):
            raise OvertakenError("another ingest process has moved a run; starting over from what SQL says")
        journal.list_losses(connection, [*load.extra.losses, *done.losses], now_ms)
        return done

    def _rule(
        self, connection: Connection, items: Sequence[Item], odd: Sequence[Batch], now_ms: int
    ) -> tuple[dict[tuple[str, str], int], int]:
        """Evaluates every sample, and writes changed rule state, alerts and outbox.

        Returns:
            Samples by gateway, and how many transitions there were.
        """
        done = evaluate(self._evaluator, items, self._series.stamp, now_ms - RUN_KEEP_MS)
        self._keep_words(connection, odd, now_ms)
        staged = self._evaluator.staged()
        journal.save_rule_states(connection, staged.states, now_ms)
        self._clocks.save(connection, self._generation.number + 1, done.times)
        if staged.transitions:
            alerts.record(connection, staged.transitions, self._rules, self._receivers, now_ms)
        return done.counts, len(staged.transitions)

    def _keep_words(self, connection: Connection, odd: Sequence[Batch], now_ms: int) -> None:
        """Keeps what gateways tell of their outputs and local rules: texts, so never in a `Regular`."""
        words = [
            (self._series.fields.get(slot), batch.site, batch.node, value, at_ms)
            for batch in odd
            if not batch.device
            for slot, value, at_ms, _ in batch.samples
            if isinstance(value, str)
        ]
        if words:
            actions = [local.parse(site, node, text) for name, site, node, text, _ in words if name == diary.OUTPUT]
            local.keep(connection, [each for each in actions if each is not None], now_ms)
            rules = [
                taken.parse(site, node, text, at_ms)
                for name, site, node, text, at_ms in words
                if name == diary.LOCAL_RULES
            ]
            taken.keep(connection, [each for each in rules if each is not None], now_ms)

    def _account(
        self,
        connection: Connection,
        counts: Mapping[tuple[str, str], int],
        noted: tuple[Sequence[DeadLetter], journal.Extra],
        now_ms: int,
    ) -> None:
        letters, extra = noted
        deltas = {owner: AccountDelta(count, count) for owner, count in counts.items()}
        for owner, count in extra.duplicates.items():
            delta = deltas.setdefault(owner, AccountDelta())
            delta.received += count
            delta.duplicate += count
        for letter in letters:
            delta = deltas[letter.site, letter.node]
            delta.written -= letter.samples
            delta.dead_lettered += letter.samples
        if deltas:
            journal.add_account(connection, deltas, time.strftime("%Y-%m-%d", time.gmtime(now_ms / 1000)))


def _of_those(items: Sequence[Item], letters: Sequence[DeadLetter]) -> Sequence[DeadLetter]:
    """Letters of batches that this flush applies; those of one that another ingest was faster with are its matter."""
    if not letters:
        return letters
    applied = {id(item.raw if isinstance(item, Batch) else item[6]) for item in items}
    return [letter for letter in letters if id(letter.raw) in applied]


def _numbered(letters: Sequence[DeadLetter], load: Load) -> Sequence[DeadLetter]:
    """Letters that know the batch which is listed as lost because of them: a replay then closes the listing."""
    if not letters:
        return letters
    lost = {id(each.item.raw): each.mark for each in queued_of(load) if each.item.unfit}
    marks = [(each, lost.get(id(each.raw))) for each in letters]
    return [each if mark is None else replace(each, run=run_text(mark.run), n=mark.n) for each, mark in marks]


def _not_written(batch: Batch) -> int:
    """How many samples of a message are not in the store."""
    return batch.count if batch.unfit else len(batch.refused)
