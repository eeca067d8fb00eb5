"""One flush: store write, then one SQL transaction with rule state, alerts, outbox, account and `committed`.

    batches -> rows -> store            `write`: idempotent, may be repeated; in a thread of its own
                    -> SQL transaction  `commit`: rules evaluated inside; all of it, or nothing
                    -> committed        returned to the caller, who tells the gateways

If anything fails, nothing is committed: the caller forgets its queue and the gateways send it again
(commit protocol, section 4).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from frostline_cloud import alerts
from frostline_cloud.ingest import journal
from frostline_cloud.ingest.decode import Batch, Sample
from frostline_cloud.ingest.journal import AccountDelta, DeadLetter, Loss
from frostline_cloud.ingest.series import DeviceKey, SeriesTable
from frostline_cloud.sql import translated
from frostline_cloud.store.port import AnyRow, NumberRow, RejectedError, Row, Store
from frostline_core.commit import BatchMark, Queued, advance, run_text
from frostline_core.errors import FrostlineError, UnavailableError
from frostline_core.reading import Quality
from frostline_core.rules import Evaluator, RuleSet


class OvertakenError(FrostlineError):
    """Another ingest process has moved a run: reload and start over."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a flush is to bring home.

    Attributes:
        queued: Batches of the commit protocol, in order of arrival.
        plain: Messages of plain Sparkplug nodes, in order of arrival.
        extra: Duplicates, losses and dead letters noted since the last flush.
    """

    queued: Sequence[Queued[Batch]]
    plain: Sequence[Batch]
    extra: journal.Extra


@dataclass(slots=True)
class Written:
    """What is in the store, or will never be.

    Attributes:
        rows: As written.
        owners: The batch of each row.
        counts: How many samples each row holds.
        buried: What was refused.
        seconds: What the write took.
    """

    seconds: float = 0.0
    rows: list[AnyRow] = field(default_factory=list)
    owners: list[Batch] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    buried: list[DeadLetter] = field(default_factory=list)


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
    store_s: float
    sql_s: float


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
    ) -> None:
        self._engine, self._store, self._evaluator = engine, store, evaluator
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
            with translated("SQL"), self._engine.begin() as connection:
                committed, batches = self._commit(connection, load, now_ms)
                batches += load.plain
                self._rule(connection, batches, now_ms)
                journal.bury(connection, [*written.buried, *load.extra.buried], now_ms)
                self._account(connection, batches, (written, load.extra), now_ms)
            transitions = len(self._evaluator.staged().transitions)
            self._evaluator.settle()
        except DBAPIError as error:
            self._evaluator.forget()
            raise UnavailableError(f"SQL refuses the data: {error.orig}") from error
        except FrostlineError:
            self._evaluator.forget()
            raise
        samples = sum(batch.good for batch in batches)
        return Flushed(committed, samples, transitions, written.seconds, time.perf_counter() - began)

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
                plan.buried.append(_letter(batch, f"{metric}: {reason}"))
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
                plan.buried.append(_letter(owner, f"rejected by the store: {reason}", samples))

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
            plain = not each.mark.gap and each.item.gap is None
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
        self, connection: Connection, batches: Sequence[Batch], noted: tuple[Written, journal.Extra], now_ms: int
    ) -> None:
        written, extra = noted
        deltas: dict[tuple[str, str], AccountDelta] = {}
        for batch in batches:
            delta = deltas.get((batch.site, batch.node))
            if delta is None:
                delta = deltas[batch.site, batch.node] = AccountDelta()
            delta.received += batch.good + len(batch.refused)
            delta.written += batch.good
            delta.dead_lettered += len(batch.refused)
        for owner, count in extra.duplicates.items():
            delta = deltas.setdefault(owner, AccountDelta())
            delta.received += count
            delta.duplicate += count
        rejected = [letter for letter in written.buried if letter.samples]
        for letter in rejected:
            delta = deltas[(letter.site, letter.node)]
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


def _letter(batch: Batch, reason: str, samples: int = 0) -> DeadLetter:
    return DeadLetter(batch.site, batch.node, batch.device, batch.topic, reason, batch.raw, samples)


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
