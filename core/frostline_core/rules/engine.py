"""Evaluates rules on samples in event time, at a cost per sample that does not grow with the number of rules.

Rules are bound to a series once, when it is born. Each series keeps a guard: the interval of values, and the deadline,
in which no rule bound to it can change. The ingest loop reads the guard inline and calls `observe` only outside of it:

    if low[slot] <= value <= high[slot] and last_ms[slot] < at_ms < deadline_ms[slot]:
        last_ms[slot] = at_ms
    else:
        evaluator.observe(slot, value, at_ms)

What changes is staged: `staged` says it, `settle` keeps it after SQL has it, `forget` takes all of it back.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from frostline_core.rules.model import RuleSet
from frostline_core.rules.rule import Rule
from frostline_core.rules.series import Series
from frostline_core.rules.state import (
    DEFAULT,
    FOREVER_MS,
    HIGHEST,
    NEVER,
    OPEN,
    OPEN_GUARD,
    Guard,
    Heard,
    Outcome,
    Phase,
    State,
    Step,
)

LATENESS_MS = 2_000
"""How long the clock waits for samples that are still under way before it believes a silence."""

_NOTHING: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
_GLOB = frozenset("*?[")
_MOST_FITTING = 10_000


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of one rule on one series, in event time.

    Attributes:
        rule_id: The rule.
        series: The series.
        before: The phase before.
        after: The phase after; equal to `before` where only the note or the value is news.
        at_ms: Event time of the change.
        value: The value that caused it; None where missing data did.
        limit: The limit that the value is measured against; None where there is none.
        note: Why, in a few words; "" where the phases say it all.
    """

    rule_id: str
    series: Series
    before: Phase
    after: Phase
    at_ms: int
    value: float | None
    limit: float | None
    note: str


@dataclass(frozen=True, slots=True)
class Staged:
    """What has changed since the last `settle`.

    Attributes:
        transitions: In the order in which they happened.
        states: The state that each changed rule now has on a series; None means "back to default, delete the row".
    """

    transitions: tuple[Transition, ...]
    states: tuple[tuple[str, Series, dict[str, Any] | None], ...]


class Evaluator:
    """The rules of one ingest, bound to the series that it has seen.

    The four lists have one entry per slot and stay the same objects for the evaluator's life. Memory grows with the
    series bound, which the caller bounds by what it accepts as births; timers are one heap entry per series.

    When another ingest may have written rule state meanwhile (compare-and-swap failed), build a new evaluator from SQL.

    Attributes:
        low: Lowest value of each slot's guard.
        high: Highest value of each slot's guard.
        deadline_ms: Event time at which each slot's guard ends.
        last_ms: Event time of each slot's newest sample; NEVER before the first.
        retroactive: Samples not newer than the newest of their series, which were counted and not evaluated.
    """

    def __init__(self, rules: RuleSet | Sequence[Rule], lateness_ms: int = LATENESS_MS) -> None:
        self.rules = rules if isinstance(rules, RuleSet) else RuleSet.of(rules)
        self.low: list[float] = []
        self.high: list[float] = []
        self.deadline_ms: list[int] = []
        self.last_ms: list[int] = []
        self.retroactive = 0
        self._lateness_ms = lateness_ms
        self._now_ms = NEVER
        self._slots: dict[tuple[str, str, str, str], int] = {}
        self._series: list[Series] = []
        self._bound: list[tuple[Rule, ...]] = []
        self._guards: list[list[Guard]] = []  # one for each bound rule
        self._states: list[dict[str, State]] = []  # by rule id, only what differs from the default
        self._listening_ms: list[int] = []
        self._orphaned: set[int] = set()  # slots that may hold states of rules not bound to them
        self._heap: list[tuple[int, int]] = []
        self._due: list[int] = []
        self._settled_ms: list[int] = []
        self._before: dict[tuple[int, str], State] = {}  # of every state changed since the last settle
        self._transitions: list[Transition] = []
        self._index = _index(self.rules.rules)
        self._fitting: dict[tuple[str, str | None], list[Rule]] = {}

    def bind(self, series: Series, states: Mapping[str, Mapping[str, Any]] = _NOTHING, last_ms: int = NEVER) -> int:
        """Binds the rules to a series, and returns its slot; the same series always has the same slot.

        Binding a series again (its zone or labels may have changed) chooses its rules anew; then what the evaluator
        knows counts and `states` and `last_ms` are ignored. An incident of a rule that does not apply any more is
        resolved by the next `advance`, with a note that says so.

        Args:
            series: The series as its newest birth describes it.
            states: What SQL holds, by rule id.
            last_ms: Event time of the newest sample that the rules have seen.

        Raises:
            ValueError: A state was not written by this module.
        """
        slot = self._slots.get(series.key)
        if slot is None:
            slot = self._add(series, {rule: State.from_json(entry) for rule, entry in states.items()}, last_ms)
        elif self._series[slot] == series:
            return slot
        self._series[slot] = series
        self._bound[slot] = self._choose(series)
        self._guards[slot] = [OPEN_GUARD] * len(self._bound[slot])
        if self._states[slot].keys() - {rule.id for rule in self._bound[slot]}:
            self._orphaned.add(slot)
        self._refresh(slot)
        return slot

    def observe(self, slot: int, value: float | None, at_ms: int) -> None:
        """Takes one sample in full; always right, also inside the guard.

        Args:
            slot: From `bind`.
            value: In the metric's unit, flags as 0 and 1; None, infinite or not a number is a sample without a usable
                value.
            at_ms: Event time; a sample not newer than the series' newest is only counted.
        """
        if at_ms <= self.last_ms[slot]:
            self.retroactive += 1
            return
        if value is not None:
            value = float(value) if math.isfinite(value) else None
        heard = self._heard(slot)
        states = self._states[slot]
        guards = self._guards[slot]
        shown = []
        for position, rule in enumerate(self._bound[slot]):
            guard = guards[position]
            if value is not None and guard.low <= value <= guard.high and at_ms < guard.deadline_ms:
                continue
            self._apply(slot, rule.id, rule.observe(states.get(rule.id, DEFAULT), value, at_ms, heard))
            shown.append(position)
        self.last_ms[slot] = at_ms
        self._refresh(slot, shown)

    def listen(self, now_ms: int) -> None:
        """Says that samples are heard from now on: silence before that proves nothing.

        The first `advance` implies it; call it again after ingest itself was cut off from the broker.
        """
        self._now_ms = now_ms
        self._listening_ms = [now_ms] * len(self._series)
        self._rebuild_heap()

    def advance(self, now_ms: int) -> None:
        """Lets the clock fire what needs no sample: absence, `for` of a value that lasts, the note of a silence.

        It waits `lateness_ms` longer than each timer says, for samples that are still under way, but the transition
        carries the timer's own time. Work is proportional to the timers that are due.

        Args:
            now_ms: The clock, UTC milliseconds; a clock that goes back only delays timers.
        """
        if self._now_ms == NEVER:
            self.listen(now_ms)
        self._now_ms = now_ms
        while self._orphaned:
            self._close_orphans(self._orphaned.pop())
        until = now_ms - self._lateness_ms
        while self._heap and self._heap[0][0] <= until:
            due, slot = heapq.heappop(self._heap)
            if due == self._due[slot]:
                self._expire(slot, until)

    def phases(self, slot: int) -> dict[str, Phase]:
        """The phase of every rule bound to the slot; UNKNOWN where no sample was ever seen."""
        fresh = Phase.UNKNOWN if self.last_ms[slot] == NEVER else Phase.OK
        states = self._states[slot]
        return {rule.id: states[rule.id].phase if rule.id in states else fresh for rule in self._bound[slot]}

    def staged(self) -> Staged:
        """What has changed since the last `settle`, for the caller's SQL transaction."""
        states = tuple(
            (rule_id, self._series[slot], now.to_json())
            for (slot, rule_id), before in self._before.items()
            if (now := self._states[slot].get(rule_id, DEFAULT)) != before
        )
        return Staged(tuple(self._transitions), states)

    def settle(self) -> None:
        """Keeps what was staged: SQL has it."""
        self._before.clear()
        self._transitions.clear()
        self._settled_ms[:] = self.last_ms

    def forget(self) -> None:
        """Takes back every sample and timer since the last `settle`: SQL did not get it. Bindings stay."""
        touched = {slot for slot, _ in self._before}
        for (slot, rule_id), state in self._before.items():
            self._put(slot, rule_id, state)
        self._before.clear()
        self._transitions.clear()
        self.last_ms[:] = self._settled_ms
        for slot in touched:
            self._refresh(slot)
        self._orphaned |= touched
        self._rebuild_heap()

    def _add(self, series: Series, states: dict[str, State], last_ms: int) -> int:
        slot = self._slots[series.key] = len(self._series)
        self._series.append(series)
        self._bound.append(())
        self._guards.append([])
        self._states.append(states)
        self.low.append(-HIGHEST)
        self.high.append(HIGHEST)
        self.deadline_ms.append(FOREVER_MS)
        self.last_ms.append(last_ms)
        self._settled_ms.append(last_ms)
        self._listening_ms.append(self._now_ms)
        self._due.append(FOREVER_MS)
        return slot

    def _choose(self, series: Series) -> tuple[Rule, ...]:
        metric = series.metric
        candidates = [*self._index.get((metric, series.device), ()), *self._index.get((metric, None), ())]
        candidates += self._globbed(metric, series.device)
        candidates += self._globbed(metric, None)
        return tuple([rule for rule in candidates if rule.select.matches_place(series)])

    def _globbed(self, metric: str, device: str | None) -> list[Rule]:
        """The rules of that device (None: of devices by a glob) with a glob for the metric that fits it.

        Remembered by metric: a fleet has many series of one name, and trying each glob on each of them is what births
        would otherwise cost most.
        """
        rules = self._index.get((None, device))
        if not rules:
            return []
        fitting = self._fitting.get((metric, device))
        if fitting is None:
            if len(self._fitting) >= _MOST_FITTING:
                self._fitting.clear()
            fitting = self._fitting[metric, device] = [rule for rule in rules if rule.select.matches_metric(metric)]
        return fitting

    def _heard(self, slot: int) -> Heard:
        return Heard(self.last_ms[slot], self._listening_ms[slot], self._now_ms)

    def _apply(self, slot: int, rule_id: str, outcome: Outcome) -> None:
        before = self._states[slot].get(rule_id, DEFAULT)
        if outcome.state is not before and outcome.state != before:
            self._before.setdefault((slot, rule_id), before)
            self._put(slot, rule_id, outcome.state)
        for step in outcome.steps:
            self._transitions.append(_transition(rule_id, self._series[slot], step))

    def _put(self, slot: int, rule_id: str, state: State) -> None:
        if state == DEFAULT:
            self._states[slot].pop(rule_id, None)
        else:
            self._states[slot][rule_id] = state

    def _expire(self, slot: int, until_ms: int) -> None:
        self._due[slot] = FOREVER_MS
        heard = self._heard(slot)
        for rule in self._bound[slot]:
            self._apply(slot, rule.id, rule.expire(self._states[slot].get(rule.id, DEFAULT), heard, until_ms))
        self._refresh(slot)

    def _close_orphans(self, slot: int) -> None:
        bound = {rule.id for rule in self._bound[slot]}
        for rule_id, state in list(self._states[slot].items()):
            if rule_id in bound:
                continue
            step = Step(state.phase, Phase.RESOLVED, self._now_ms, None, None, "the rule does not apply any more")
            self._apply(slot, rule_id, Outcome(DEFAULT, (step,) if state.phase in OPEN else ()))

    def _refresh(self, slot: int, positions: Iterable[int] | None = None) -> None:
        """Computes the slot's guard and next timer anew, after the rules at these positions (None: all) had a say."""
        states, bound, guards = self._states[slot], self._bound[slot], self._guards[slot]
        positions = range(len(bound)) if positions is None else positions
        for position in positions:
            guards[position] = bound[position].guard(states.get(bound[position].id, DEFAULT))
        self.low[slot] = max((guard.low for guard in guards), default=-HIGHEST)
        self.high[slot] = min((guard.high for guard in guards), default=HIGHEST)
        self.deadline_ms[slot] = min((guard.deadline_ms for guard in guards), default=FOREVER_MS)
        if self._now_ms != NEVER:
            self._schedule(slot, positions)

    def _schedule(self, slot: int, positions: Iterable[int]) -> None:
        """Puts the slot's next timer on the heap; an entry that is due too early only asks again."""
        heard, states, bound = self._heard(slot), self._states[slot], self._bound[slot]
        dues = [bound[position].due_ms(states.get(bound[position].id, DEFAULT), heard) for position in positions]
        due = min((due for due in dues if due is not None), default=FOREVER_MS)
        if due < self._due[slot]:
            self._due[slot] = due
            heapq.heappush(self._heap, (due, slot))

    def _rebuild_heap(self) -> None:
        self._heap = []
        for slot in range(len(self._series)):
            self._due[slot] = FOREVER_MS
            self._schedule(slot, range(len(self._bound[slot])))


def _index(rules: Sequence[Rule]) -> dict[tuple[str | None, str | None], list[Rule]]:
    """Rules by each metric and device that they name literally; None stands for "by a glob"."""
    index: dict[tuple[str | None, str | None], list[Rule]] = {}
    for rule in rules:
        for metric in _literal(rule.select.metric):
            for device in _literal(rule.select.device):
                index.setdefault((metric, device), []).append(rule)
    return index


def _literal(globs: tuple[str, ...]) -> tuple[str | None, ...]:
    return (None,) if any(_GLOB & set(glob) for glob in globs) else tuple(dict.fromkeys(globs))


def _transition(rule_id: str, series: Series, step: Step) -> Transition:
    return Transition(rule_id, series, step.before, step.after, step.at_ms, step.value, step.limit, step.note)
