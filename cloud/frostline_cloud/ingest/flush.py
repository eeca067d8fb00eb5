"""One flush: store write, then one SQL transaction with rule state, alerts, outbox, account and `committed`.

    batches -> rows -> store            `write`: idempotent, may be repeated; in a thread of its own
                    -> SQL transaction  `commit`: rules evaluated inside; all of it, or nothing
                    -> committed        returned to the caller, who tells the gateways

If anything fails, nothing is committed: the caller forgets its queue and the gateways send it again
(commit protocol, section 4).
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Engine

from frostline_cloud import alerts
from frostline_cloud.ingest import journal
from frostline_cloud.ingest.apart import Piece, by_batch, by_node, letter_of, without_content
from frostline_cloud.ingest.decode import Batch, Sample
from frostline_cloud.ingest.generation import Generation, OvertakenError
from frostline_cloud.ingest.journal import AccountDelta, DeadLetter, Loss
from frostline_cloud.ingest.letters import LetterBox
from frostline_cloud.ingest.load import Load, Written
from frostline_cloud.ingest.refusal import RefusedDataError, refusals
from frostline_cloud.ingest.series import DeviceKey, SeriesTable
from frostline_cloud.sql import translated
from frostline_cloud.store.port import AnyRow, NumberRow, RejectedError, Row, Store
from frostline_core.commit import BatchMark, advance, run_text
from frostline_core.errors import FrostlineError, UnavailableError
from frostline_core.reading import Quality
from frostline_core.rules import Evaluator, RuleSet

log = logging.getLogger("frostline.ingest")


@dataclass(slots=True)
class Flushed:
    """What a flush has done.

    Attributes:
        committed: Run to its new committed number.
        samples: Samples written.
        transitions: Alert transitions, for counters.
    """

    committed: dict[int, int]
    samples: int
    transitions: int
    store_s: float = 0.0
    sql_s: float = 0.0

    def add(self, part: Flushed) -> None:
        """Takes in what a part of the flush has done."""
        self.committed |= part.committed
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
        """Goes on with another evaluator."""
        self._evaluator = evaluator

    def _apart(self, load: Load, written: Written, now_ms: int) -> Flushed:
        """One transaction for each gateway; for each batch of the one that is refused; without what nobody can take."""
        done = Flushed({}, 0, 0)
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
                committed, batches = self._commit(connection, load, now_ms)
                batches += load.plain
                self._rule(connection, batches, now_ms)
                letters = _numbered(_of_those(batches, written.buried), load)
                self._letters.bury(connection, letters, load.extra.buried, now_ms)
                self._account(connection, batches, (letters, load.extra), now_ms)
        except FrostlineError:
            self._evaluator.forget()
            raise
        transitions = len(self._evaluator.staged().transitions)
        self._evaluator.settle()
        self._generation.settled()
        return Flushed(committed, sum(batch.good for batch in batches if not batch.unfit), transitions)

    def _plan(self, batches: Iterable[Batch]) -> Written:
        plan = Written()
        rows, owners, counts = plan.rows.append, plan.owners.append, plan.counts.append
        for batch in batches:
            if batch.numbers is not None:
                how, at_ms, values = batch.numbers
                rows(NumberRow(how.form, at_ms, values))
                owners(batch)
                counts(len(values))
            if batch.samples:
                for row, count in self._rows(batch.samples):
                    rows(row)
                    owners(batch)
                    counts(count)
            for metric, reason in batch.refused:
                plan.buried.append(letter_of(batch, f"{metric}: {reason}", 1))
            if batch.unfit:
                plan.buried.append(letter_of(batch, batch.unfit, batch.good))
        return plan

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
                owner, samples = plan.owners[index], plan.counts[index]
                plan.buried.append(letter_of(owner, f"rejected by the store: {reason}", samples))

    def _commit(self, connection: Connection, load: Load, now_ms: int) -> tuple[dict[int, int], list[Batch]]:
        """Moves `committed` of every run in the flush and lists what is lost; returns it, and what is to be ruled."""
        queued = load.queued
        runs = {each.mark.run: each for each in queued}
        known = journal.committed(connection, (run_text(number) for number in runs))
        reached: dict[int, int] = {}
        losses = list(load.extra.losses)
        for number, first in runs.items():
            text = run_text(number)
            if text not in known:
                journal.open_run(connection, text, (first.item.site, first.item.node), first.mark.stream, now_ms)
            reached[number] = known.get(text, 0)
        delivered: list[Batch] = []
        for each in queued:
            plain = not each.mark.gap and each.item.gap is None and not each.item.unfit
            if plain and each.mark.n == reached[each.mark.run] + 1:  # nearly all: `advance` says the same
                reached[each.mark.run] = each.mark.n
                delivered.append(each.item)
                continue
            try:
                step = advance(reached[each.mark.run], each.mark)
            except ValueError as error:
                raise OvertakenError(f"SQL is behind what this process knew: {error}") from error
            reached[each.mark.run] = step.committed
            if step.deliver:
                delivered.append(each.item)
                losses += _notice(each.item)
                if each.item.unfit:
                    losses.append(_unfit(each.item, each.mark))
            losses += [_loss(each.item, each.mark, span, each.item.gap) for span in step.losses]
        texts = {number: run_text(number) for number in reached}
        moves = [(texts[number], known.get(texts[number], 0), new) for number, new in reached.items()]
        if not journal.move_committed(connection, moves, now_ms):
            raise OvertakenError("another ingest process has moved a run; starting over from what SQL says")
        journal.list_losses(connection, losses, now_ms)
        return reached, delivered

    def _rule(self, connection: Connection, batches: Sequence[Batch], now_ms: int) -> None:
        """Evaluates every sample, and writes changed rule state, alerts and outbox."""
        evaluator = self._evaluator
        touched: dict[tuple[str, str, str], None] = {}
        for batch in batches:
            if batch.numbers is not None:
                plan, at_ms, values = batch.numbers
                _observe(evaluator, plan.first, values, at_ms)
            for slot, value, at_ms, _ in batch.samples:
                if not isinstance(value, str):
                    _observe_one(evaluator, slot, value, at_ms)
            touched[batch.site, batch.node, batch.device] = None
        keys = [key for each in touched if self._series.knows(key := DeviceKey(*each))]
        staged = evaluator.staged()
        journal.save_rule_states(connection, staged.states, now_ms)
        journal.save_clocks(connection, [(key, self._series.clock(key)) for key in keys])
        if staged.transitions:
            alerts.record(connection, staged.transitions, self._rules, self._receivers, now_ms)

    def _account(
        self,
        connection: Connection,
        batches: Sequence[Batch],
        noted: tuple[Sequence[DeadLetter], journal.Extra],
        now_ms: int,
    ) -> None:
        letters, extra = noted
        deltas: dict[tuple[str, str], AccountDelta] = {}
        for batch in batches:
            delta = deltas.get((batch.site, batch.node))
            if delta is None:
                delta = deltas[batch.site, batch.node] = AccountDelta()
            count = batch.good + len(batch.refused)
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


def _observe(evaluator: Evaluator, first: int, values: Sequence[float], at_ms: int) -> None:
    """Shows one value each to the slots first, first + 1, ...; those inside their guards are all passed at once."""
    end = first + len(values)
    last, deadline = evaluator.last_ms, evaluator.deadline_ms
    if max(last[first:end]) < at_ms < min(deadline[first:end]):
        for value, low, high in zip(values, evaluator.low[first:end], evaluator.high[first:end], strict=True):
            if not low <= value <= high:
                break
        else:
            last[first:end] = [at_ms] * len(values)
            return
    for slot, value in enumerate(values, first):
        _observe_one(evaluator, slot, value, at_ms)


def _observe_one(evaluator: Evaluator, slot: int, value: float | None, at_ms: int) -> None:
    if (
        value is not None
        and evaluator.low[slot] <= value <= evaluator.high[slot]
        and evaluator.last_ms[slot] < at_ms < evaluator.deadline_ms[slot]
    ):
        evaluator.last_ms[slot] = at_ms
    else:
        evaluator.observe(slot, value, at_ms)


def _loss(batch: Batch, mark: BatchMark, span: tuple[int, int, str], gap: str | None) -> Loss:
    first, last, reason = span
    told = _gap(gap) if mark.gap and gap else {}
    if told and last == mark.n:
        whole = mark.n - mark.first + 1 == last - first + 1
        return Loss(
            batch.site,
            batch.node,
            run_text(mark.run),
            first,
            last,
            str(told.get("reason", reason)),
            _number(told.get("samples")) if whole else None,
            _number(told.get("from_ms")),
            _number(told.get("to_ms")),
        )
    return Loss(batch.site, batch.node, run_text(mark.run), first, last, reason)


def _of_those(batches: Sequence[Batch], letters: Sequence[DeadLetter]) -> Sequence[DeadLetter]:
    """Letters of batches that this flush applies; those of one that another ingest was faster with are its matter."""
    if not letters:
        return letters
    applied = {id(batch.raw) for batch in batches}
    return [letter for letter in letters if id(letter.raw) in applied]


def _numbered(letters: Sequence[DeadLetter], load: Load) -> Sequence[DeadLetter]:
    """Letters that know the batch which is listed as lost because of them: a replay then closes the listing."""
    if not letters:
        return letters
    lost = {id(each.item.raw): each.mark for each in load.queued if each.item.unfit}
    marks = [(each, lost.get(id(each.raw))) for each in letters]
    return [each if mark is None else replace(each, run=run_text(mark.run), n=mark.n) for each, mark in marks]


def _unfit(batch: Batch, mark: BatchMark) -> Loss:
    return Loss(batch.site, batch.node, run_text(mark.run), mark.n, mark.n, batch.unfit, batch.count or None)


def _notice(batch: Batch) -> list[Loss]:
    """What a gateway says that it lost before it had a number: disk full, unclean stop, damaged spool."""
    told = _gap(batch.gap) if batch.gap else {}
    if not told:
        return []
    reason, samples = str(told.get("reason", "the gateway gives no reason")), _number(told.get("samples"))
    span = (_number(told.get("from_ms")), _number(told.get("to_ms")))
    return [Loss(batch.site, batch.node, None, None, None, reason, samples, *span)]


def _gap(text: str) -> dict[str, object]:
    try:
        told = json.loads(text)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) else None
