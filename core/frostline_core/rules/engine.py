"""Evaluates rules on samples in event time, at a cost per sample that does not grow with the number of rules.

Rules are bound to a series once, when it is born. Each series keeps a guard: the interval of values, and the deadline,
in which no rule bound to it can change. The ingest loop reads the guard inline and calls `observe` only outside of it:

    if low[slot] <= value <= high[slot] and at_ms - HOLE_MS < last_ms[slot] < at_ms < deadline_ms[slot]:
        last_ms[slot] = at_ms
    else:
        evaluator.observe(slot, value, at_ms)

A sample that is not newer than its series' newest belongs to a backlog (see `backlog`), or has come before. What
changes is staged: `staged` says it, `settle` keeps it after SQL has it, `forget` takes all of it back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from frostline_core.rules.backlog import Backlog
from frostline_core.rules.choice import Choice
from frostline_core.rules.dated import NO_RULE
from frostline_core.rules.device import Device
from frostline_core.rules.guards import Guards
from frostline_core.rules.hole import HOLE_MS, inputs_from_json
from frostline_core.rules.ledger import INPUTS, Ledger
from frostline_core.rules.model import RuleSet
from frostline_core.rules.rule import Rule
from frostline_core.rules.saved import holes_of, marked, states_of
from frostline_core.rules.series import Series
from frostline_core.rules.slot import Slot
from frostline_core.rules.state import (
    DEFAULT,
    NEVER,
    NOTHING,
    OPEN,
    Outcome,
    Phase,
    Step,
    Track,
)
from frostline_core.rules.timers import LOOKS, MOST_TIMERS
from frostline_core.rules.transition import Staged, Transition
from frostline_core.rules.watch import Input, Watch

LATENESS_MS = 2_000
"""How long the clock waits for samples that are still under way before it believes a silence."""

Calendar = Callable[[Series], Sequence[tuple[int, int]]]
"""The spans of event time (from, to) in which a series is paused."""

_Sample = TypeVar("_Sample", bound=tuple[Any, ...])
_RETIRED = "retired"


class Evaluator:
    """The rules of one ingest, bound to the series that it has seen.

    The four lists have one entry per slot and stay the same objects for the evaluator's life. Memory grows with the
    series bound, which the caller bounds by what it accepts as births; timers are one heap entry per series.

    When another ingest may have written rule state meanwhile (compare-and-swap failed), build a new evaluator from SQL.

    Attributes:
        low: Lowest value of each slot's guard.
        high: Highest value of each slot's guard.
        deadline_ms: Event time at which each slot's guard ends.
        last_ms: Event time of each slot's newest live sample; NEVER before the first.
    """

    def __init__(self, rules: RuleSet | Sequence[Rule], lateness_ms: int = LATENESS_MS) -> None:
        self.rules = rules if isinstance(rules, RuleSet) else RuleSet.of(rules)
        self.last_ms: list[int] = []
        self._lateness_ms = lateness_ms
        self._slots: list[Slot] = []
        self._devices: dict[tuple[str, str, str], Device] = {}
        self._ledger = Ledger()
        self._guards = guards = Guards(self._slots, self._ledger.states, self.last_ms)
        self.low, self.high, self.deadline_ms = guards.low, guards.high, guards.deadline_ms
        self._backlog = Backlog(self._ledger, self._slots, self.last_ms)
        self._orphaned: set[int] = set()  # slots that may hold states of rules not bound to them
        self._settled_ms: list[int] = []
        self._choice = Choice(self.rules)
        self._calendar: Calendar = _always
        self._watching = any(rule.inputs() for rule in self.rules.of_all_times())

    @property
    def retroactive(self) -> int:
        """Samples that no rule has seen: repeated, or older than a series' newest and in no hole that is remembered."""
        return self._backlog.passed_over

    def bind(self, series: Series, states: Mapping[str, Mapping[str, Any]] = NOTHING, last_ms: int = NEVER) -> int:
        """Binds the rules to a series, and returns its slot; the same series always has the same slot.

        Binding a series again (its zone or labels may have changed) chooses its rules anew; then what the evaluator
        knows counts and `states` and `last_ms` are ignored. An incident of a rule that does not apply any more is
        resolved by the next `advance`, with a note that says so.

        Args:
            series: The series as its newest birth describes it.
            states: What SQL holds, by the names that `staged` gave.
            last_ms: Event time of the newest sample that the rules have seen.

        Raises:
            ValueError: A state was not written by this module.
        """
        device = self._devices.setdefault((series.site, series.node, series.device), Device())
        slot = device.slots.get(series.metric)
        if slot is None:
            slot = self._add(series, device, states, last_ms)
        elif self._slots[slot].series == series:
            return slot
        else:
            self._slots[slot].series, self._slots[slot].chosen = series, self._choice.of(series)
        known = self._slots[slot]
        known.pauses = tuple(sorted(self._calendar(series)))
        known.guards = None
        for metric in device.use(slot, known.chosen.inputs):
            if metric in device.slots and metric != series.metric:
                self._guards.refresh(device.slots[metric], ())
        if self._ledger.holds_more_than(slot, known.chosen.ids):
            self._orphaned.add(slot)
        for user in known.users if INPUTS in states else ():  # bound before what they watch was known
            self._guards.refresh(user)
        self._guards.refresh(slot)
        return slot

    def observe(self, slot: int, value: float | None, at_ms: int) -> None:
        """Takes one sample in full; always right, also inside the guard.

        Args:
            slot: From `bind`.
            value: In the metric's unit, flags as 0 and 1; None, infinite or not a number is a sample without a usable
                value.
            at_ms: Event time; a sample not newer than the series' newest is backlog, or has come before.
        """
        if value is not None:
            value = float(value) if math.isfinite(value) else None
        last_ms = self.last_ms[slot]
        if at_ms <= last_ms:
            self._backlog.take(slot, value, at_ms, self._guards.now_ms)
            return
        known = self._slots[slot]
        watched = known.is_watched
        leapt = at_ms - last_ms >= HOLE_MS and (known.rules or watched)
        hole = self._backlog.open(slot, at_ms, value) if leapt else None
        if watched:
            self._watch(slot, value, at_ms)
        calm = known.chosen.calm if known.guards is None else None
        shown = [] if calm is not None and calm.lets(value, at_ms) else self._show(slot, value, at_ms)
        self.last_ms[slot] = at_ms
        if hole is not None:
            hole.go_on(self._ledger.states[slot])
        if shown or last_ms == NEVER:
            self._guards.refresh(slot, None if last_ms == NEVER else shown)

    def observe_row(self, first: int, values: Sequence[float], at_ms: int) -> None:
        """Takes one value each of the slots first, first + 1, ... of one device and instant; order does not matter.

        What other rules watch is taken first, so that a rule sees its device as it was at that instant.
        """
        slots: Sequence[int] = range(first, first + len(values))
        if self._slots[first].device.watched:
            slots = sorted(slots, key=self._is_unwatched)
        for slot in slots:
            value = values[slot - first]
            inside = self.low[slot] <= value <= self.high[slot]
            if inside and at_ms - HOLE_MS < self.last_ms[slot] < at_ms < self.deadline_ms[slot]:
                self.last_ms[slot] = at_ms
            else:
                self.observe(slot, value, at_ms)

    def in_order(self, samples: Sequence[_Sample]) -> Sequence[_Sample]:
        """Samples, each with slot, value and event time first, so that of one instant what others watch comes first."""
        if not self._watching or len(samples) < 2:
            return samples
        return sorted(samples, key=lambda sample: (sample[2], self._is_unwatched(sample[0])))

    def pause(self, calendar: Calendar) -> None:
        """Says in which spans of event time (from, to) the rules of a series open nothing, for all series at once.

        Replaces what was said before; series that are bound later are asked for then. Hard limits and what is open
        already are not touched. Spans may overlap, and come in any order.
        """
        self._calendar = calendar
        for slot, known in enumerate(self._slots):
            pauses = tuple(sorted(calendar(known.series)))
            if pauses != known.pauses:
                known.pauses = pauses
                self._guards.refresh(slot)

    def listen(self, now_ms: int) -> None:
        """Says that samples are heard from now on: silence before that proves nothing.

        The first `advance` implies it; call it again after ingest itself was cut off from the broker.
        """
        for slot in self._slots:
            slot.listening_ms = now_ms
        self._guards.restart(now_ms)

    def advance(self, now_ms: int) -> None:
        """Lets the clock fire what needs no sample: absence, `for` of a value that lasts, silence; joins backlogs.

        It waits `lateness_ms` longer than each timer says, for samples that are still under way, but the transition
        carries the timer's own time. Work is proportional to the timers that are due, and at most `MOST_TIMERS`.

        Args:
            now_ms: The clock, UTC milliseconds; a clock that goes back only delays timers.
        """
        if self._guards.now_ms == NEVER:
            self.listen(now_ms)
        self._guards.now_ms = now_ms
        while self._orphaned:
            self._close_orphans(self._orphaned.pop())
        until = now_ms - self._lateness_ms
        left = MOST_TIMERS * LOOKS
        while left > 0 and (slot := self._guards.timers.take(until)) is not None:
            left -= LOOKS if self._expire(slot, until) else 1
        for slot in self._backlog.join(now_ms):
            self._guards.refresh(slot)

    def phases(self, slot: int) -> dict[str, Phase]:
        """The phase of every rule bound to the slot; UNKNOWN where no sample was ever seen."""
        fresh = Phase.UNKNOWN if self.last_ms[slot] == NEVER else Phase.OK
        states = self._ledger.states[slot]
        return {rule.id: states[rule.id].phase if rule.id in states else fresh for rule in self._slots[slot].rules}

    def staged(self) -> Staged:
        """What has changed since the last `settle`, for the caller's SQL transaction."""
        written = []
        for name, slot, content in self._ledger.rows():
            known = self._slots[slot]
            written.append((name, known.series, marked(name, content, partial(known.memory_keys, self.last_ms[slot]))))
        return Staged(tuple(self._ledger.transitions), tuple(written))

    def settle(self) -> None:
        """Keeps what was staged: SQL has it."""
        self._ledger.settle()
        self._settled_ms[:] = self.last_ms

    def forget(self) -> None:
        """Takes back every sample and timer since the last `settle`: SQL did not get it. Bindings stay."""
        touched = self._ledger.forget()
        unheard = {slot for slot, at_ms in enumerate(self._settled_ms) if at_ms == NEVER != self.last_ms[slot]}
        self.last_ms[:] = self._settled_ms
        for slot in touched:
            known = self._slots[slot]
            for watch in known.device.watched.get(known.series.metric, ()):
                known.device.inputs.pop(watch, None)
            known.device.inputs.update(self._ledger.inputs.get(slot, {}))
        for slot in touched | unheard | {user for each in touched for user in self._slots[each].users}:
            self._guards.refresh(slot)
        self._orphaned |= touched
        self._guards.restart(self._guards.now_ms)

    def _add(self, series: Series, device: Device, saved: Mapping[str, Mapping[str, Any]], last_ms: int) -> int:
        slot = device.slots[series.metric] = len(self._slots)
        known = Slot(series, device, self._choice.of(series), listening_ms=self._guards.now_ms)
        self._slots.append(known)
        keys = known.memory_keys(last_ms) if saved else {}
        self._ledger.states.append(states_of(saved, keys))
        if holes := holes_of(saved, keys):
            self._ledger.holes[slot] = holes
            self._backlog.restored(slot)
        if INPUTS in saved:
            self._ledger.inputs[slot] = inputs_from_json(saved[INPUTS]["inputs"])
            device.inputs.update(self._ledger.inputs[slot])
        self._guards.add()
        self.last_ms.append(last_ms)
        self._settled_ms.append(last_ms)
        return slot

    def _show(self, slot: int, value: float | None, at_ms: int) -> list[int]:
        """Shows a live sample to the rules whose guards do not pass it; returns their positions."""
        known, shown = self._slots[slot], []
        states, heard = self._ledger.states[slot], self._guards.heard(slot)
        guards = known.chosen.guards if known.guards is None else known.guards
        for position, (rule, guard) in enumerate(zip(known.rules, guards, strict=True)):
            if value is not None and guard.low <= value <= guard.high and at_ms < guard.deadline_ms:
                continue
            self._apply(slot, rule.id, rule.observe(states.get(rule.id, DEFAULT), value, at_ms, heard))
            shown.append(position)
        return shown

    def _watch(self, slot: int, value: float | None, at_ms: int) -> None:
        """Tells the watches of a slot; rules that use one that changes have new guards."""
        known = self._slots[slot]
        device, changes = known.device, dict[Watch, Input]()
        for watch in device.watched[known.series.metric]:
            said = None if value is None else watch.read(value)
            before = device.inputs.get(watch, Input())
            after = before.then(said, at_ms)
            if after is not before:
                changes[watch] = after
        if not changes:
            return
        for user in known.users:
            self._end_suppression(user, at_ms)
        self._ledger.touch_inputs(slot).update(changes)
        device.inputs.update(changes)
        for user in known.users:
            self._guards.refresh(user)
        self._guards.refresh(slot, ())

    def _end_suppression(self, slot: int, at_ms: int) -> None:
        """Before something else suppresses: what suppressed so far may have ended, and no sample has said so yet."""
        heard, states = replace(self._guards.heard(slot), listening_ms=NEVER), self._ledger.states[slot]
        for rule in self._slots[slot].rules:
            state = states.get(rule.id, DEFAULT)
            if state.is_suppressed:
                self._apply(slot, rule.id, rule.expire(state, heard, at_ms - 1))

    def _is_unwatched(self, slot: int) -> bool:
        return not self._slots[slot].is_watched

    def _apply(self, slot: int, rule_id: str, outcome: Outcome) -> None:
        before = self._ledger.states[slot].get(rule_id, DEFAULT)
        if outcome.state is not before and outcome.state != before:
            self._ledger.put(slot, rule_id, outcome.state)
        if not outcome.steps:
            return
        series = self._slots[slot].series
        self._ledger.transitions += [Transition.of(rule_id, series, step, Track.LIVE) for step in outcome.steps]
        self._backlog.live_went(slot, rule_id, outcome.steps, before)

    def _expire(self, slot: int, until_ms: int) -> bool:
        """Lets a slot's timer fire, unless samples have put it off meanwhile; whether it has."""
        known = self._slots[slot]
        due = self._guards.due(slot)
        if due > until_ms:
            self._guards.timers.set(slot, due)
            return False
        heard, states = self._guards.heard(slot), self._ledger.states[slot]
        for rule in known.rules:
            self._apply(slot, rule.id, rule.expire(states.get(rule.id, DEFAULT), heard, until_ms))
        self._guards.refresh(slot)
        return True

    def _close_orphans(self, slot: int) -> None:
        bound = self._slots[slot].chosen.ids
        why = _RETIRED if self._slots[slot].series.retired else NO_RULE
        for rule_id, state in list(self._ledger.states[slot].items()):
            if rule_id in bound:
                continue
            step = Step(state.phase, Phase.RESOLVED, self._guards.now_ms, None, None, why)
            self._apply(slot, rule_id, Outcome(DEFAULT, (step,) if state.phase in OPEN else ()))
        self._backlog.drop_rules(slot, bound, self._guards.now_ms, why)


def _always(_series: Series) -> Sequence[tuple[int, int]]:
    return ()
