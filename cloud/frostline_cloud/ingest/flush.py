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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Engine

from frostline_cloud import alerts
from frostline_cloud.alerts import local
from frostline_cloud.ingest import journal
from frostline_cloud.ingest.apart import Piece, by_batch, by_node, letter_of, without_content
from frostline_cloud.ingest.decode import Batch, Item, Regular, Sample, batch_of
from frostline_cloud.ingest.evaluate import evaluate
from frostline_cloud.ingest.generation import Generation, OvertakenError
from frostline_cloud.ingest.journal import AccountDelta, DeadLetter, Loss
from frostline_cloud.ingest.letters import LetterBox
from frostline_cloud.ingest.load import Load, Written
from frostline_cloud.ingest.losses import noticed, of_span, of_unfit
from frostline_cloud.ingest.refusal import RefusedDataError, refusals
from frostline_cloud.ingest.series import DeviceKey, SeriesTable
from frostline_cloud.rules import taken
from frostline_cloud.sql import told, translated
from frostline_cloud.store.port import AnyRow, NumberRow, RejectedError, Row, Store
from frostline_core.commit import Queued, advance, run_text
from frostline_core.errors import FrostlineError, UnavailableError
from frostline_core.reading import Quality
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

    def write(self, load: Load) -> Written:
        """Brings the rows into the store. It touches neither SQL nor rule state, so that messages may come meanwhile.

        Raises:
            UnavailableError: The store cannot write; nothing is committed.
        """
        began = time.perf_counter()
        plan = self._plan([each.item for each in load.queued if not each.mark.gap] + list(load.plain))
        if plan.rows:
            self._send(plan)
        plan.seconds = time.perf_counter() - began
        return plan

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
        runs = {each.mark.run: each for each in load.queued}
        try:
            with refusals(), translated("SQL"), self._engine.begin() as connection:
                self._generation.advance(connection, now_ms)
                committed, batches = self._commit(connection, load, runs, now_ms)
                batches += load.plain
                counts = self._rule(connection, batches, now_ms)
                letters = _numbered(_of_those(batches, written.buried), load)
                self._letters.bury(connection, letters, load.extra.buried, now_ms)
                self._account(connection, counts, (letters, load.extra), now_ms)
                told.save(connection, load.extra.told, now_ms)
        except FrostlineError:
            self._evaluator.forget()
            raise
        transitions = len(self._evaluator.staged().transitions)
        self._evaluator.settle()
        self._generation.settled()
        samples = sum(counts.values()) - sum(map(_not_written, batches))
        return Flushed(committed, {run: one.item.owner for run, one in runs.items()}, samples, transitions)

    def _plan(self, items: Iterable[Item]) -> Written:
        plan = Written()
        rows, owners = plan.rows, plan.owners
        for item in items:
            if item.__class__ is Regular:
                rows.append(item)
                owners.append(item)
            else:
                self._plan_batch(plan, batch_of(item))
        return plan

    def _plan_batch(self, plan: Written, batch: Batch) -> None:
        if batch.samples:
            for row, count in self._rows(batch.samples):
                plan.counts[len(plan.rows)] = count
                plan.rows.append(row)
                plan.owners.append(batch)
        for metric, reason in batch.refused:
            plan.buried.append(letter_of(batch, f"{metric}: {reason}", 1))
        if batch.unfit:
            plan.buried.append(letter_of(batch, batch.unfit, batch.good))

    def _rows(self, samples: Sequence[Sample]) -> list[tuple[AnyRow, int]]:
        """One row per device and instant, in order of the instants' first appearance, and its number of samples."""
        if len(samples) == 1:
            slot, value, at_ms, quality = samples[0]
            if quality == Quality.GOOD and isinstance(value, float):
                return [(NumberRow(self._series.single(slot), at_ms, (value,)), 1)]
        rows: dict[int, Row] = {}
        counts: dict[int, int] = {}
        places, names = self._series.places, self._series.fields
        for slot, value, at_ms, quality in samples:
            row = rows.get(at_ms)
            if row is None:
                row = rows[at_ms] = Row(places[slot], at_ms, [])
                counts[at_ms] = 0
            counts[at_ms] += 1
            name = names[slot]
            if value is not None:
                row.fields.append((name, value) if isinstance(value, float) else (f"{name}_text", value))
            if quality != Quality.GOOD:
                row.fields.append((f"{name}_quality", float(quality)))
        return [(row, counts[at_ms]) for at_ms, row in rows.items()]

    def _send(self, plan: Written) -> None:
        try:
            self._store.write(plan.rows)
        except RejectedError as error:
            for index, reason in error.rows:
                owner = plan.owners[index]
                samples = len(owner.values) if isinstance(owner, Regular) else plan.counts[index]
                plan.buried.append(letter_of(owner, f"rejected by the store: {reason}", samples))

    def _commit(
        self, connection: Connection, load: Load, runs: Mapping[int, Queued[Item]], now_ms: int
    ) -> tuple[dict[int, int], list[Item]]:
        """Moves `committed` of every run in the flush and lists what is lost; returns it, and what is to be ruled."""
        texts = {number: run_text(number) for number in runs}
        known = journal.committed(connection, texts.values())
        for number, one in runs.items():
            if texts[number] not in known:
                journal.open_run(connection, texts[number], one.item.owner, one.mark.stream, now_ms)
        reached = {number: known.get(text, 0) for number, text in texts.items()}
        before = dict(reached)
        delivered, losses = _deliver(load.queued, reached)
        moves = [(texts[number], before[number], new) for number, new in reached.items()]
        if not journal.move_committed(connection, moves, now_ms):
            raise OvertakenError("another ingest process has moved a run; starting over from what SQL says")
        journal.list_losses(connection, [*load.extra.losses, *losses], now_ms)
        return reached, delivered

    def _rule(self, connection: Connection, items: Sequence[Item], now_ms: int) -> dict[DeviceKey, int]:
        """Evaluates every sample, and writes changed rule state, alerts and outbox; returns samples by device."""
        counts = evaluate(self._evaluator, items)
        self._keep_words(connection, items, now_ms)
        staged = self._evaluator.staged()
        journal.save_rule_states(connection, staged.states, now_ms)
        known = [key for key in counts if self._series.knows(key)]
        journal.save_clocks(connection, [(key, self._series.clock(key)) for key in known])
        if staged.transitions:
            alerts.record(connection, staged.transitions, self._rules, self._receivers, now_ms)
        return counts

    def _keep_words(self, connection: Connection, items: Sequence[Item], now_ms: int) -> None:
        """Keeps what gateways tell of their outputs and local rules: texts, so never in a `Regular`."""
        words = [
            (self._series.fields.get(slot), item.site, item.node, value, at_ms)
            for item in items
            if item.__class__ is not Regular and isinstance(item, Batch) and not item.device
            for slot, value, at_ms, _ in item.samples
            if isinstance(value, str)
        ]
        if words:
            actions = [local.parse(site, node, text) for name, site, node, text, _ in words if name == local.OUTPUT]
            local.keep(connection, [each for each in actions if each is not None], now_ms)
            rules = [
                taken.parse(site, node, text, at_ms)
                for name, site, node, text, at_ms in words
                if name == taken.LOCAL_RULES
            ]
            taken.keep(connection, [each for each in rules if each is not None], now_ms)

    def _account(
        self,
        connection: Connection,
        counts: Mapping[DeviceKey, int],
        noted: tuple[Sequence[DeadLetter], journal.Extra],
        now_ms: int,
    ) -> None:
        letters, extra = noted
        deltas: dict[tuple[str, str], AccountDelta] = {}
        for key, count in counts.items():
            delta = deltas.get(key[:2])
            if delta is None:
                delta = deltas[key[:2]] = AccountDelta()
            delta.received += count
            delta.written += count
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


def _deliver(queued: Sequence[Queued[Item]], reached: dict[int, int]) -> tuple[list[Item], list[Loss]]:
    """What each message means for its run, `reached` so far, which is moved; returns what is to be ruled, and losses.

    Raises:
        OvertakenError: A batch before one is missing.
    """
    delivered: list[Item] = []
    losses: list[Loss] = []
    for each in queued:
        mark, item = each.mark, each.item
        if item.__class__ is Regular and mark.n == reached[mark.run] + 1:  # nearly all: `advance` says the same
            reached[mark.run] = mark.n
            delivered.append(item)
            continue
        try:
            step = advance(reached[mark.run], mark)
        except ValueError as error:
            raise OvertakenError(f"SQL is behind what this process knew: {error}") from error
        reached[mark.run] = step.committed
        batch = batch_of(item)
        if step.deliver:
            delivered.append(item)
            losses += noticed(batch)
            if batch.unfit:
                losses.append(of_unfit(batch, mark))
        losses += [loss for span in step.losses for loss in of_span(batch, mark, span)]
    return delivered, losses


def _of_those(batches: Sequence[Item], letters: Sequence[DeadLetter]) -> Sequence[DeadLetter]:
    """Letters of batches that this flush applies; those of one that another ingest was faster with are its matter."""
    if not letters:
        return letters
    applied = {id(batch.raw) for batch in batches}
    return [letter for letter in letters if id(letter.raw) in applied]


def _numbered(letters: Sequence[DeadLetter], load: Load) -> Sequence[DeadLetter]:
    """Letters that know the batch which is listed as lost because of them: a replay then closes the listing."""
    if not letters:
        return letters
    lost = {id(each.item.raw): each.mark for each in load.queued if isinstance(each.item, Batch) and each.item.unfit}
    marks = [(each, lost.get(id(each.raw))) for each in letters]
    return [each if mark is None else replace(each, run=run_text(mark.run), n=mark.n) for each, mark in marks]


def _not_written(item: Item) -> int:
    """How many samples of a message are not in the store."""
    if item.__class__ is Regular:
        return 0
    batch = batch_of(item)
    return batch.count if batch.unfit else len(batch.refused)
