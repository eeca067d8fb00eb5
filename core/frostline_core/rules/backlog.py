"""Backlogs: what rules find in the holes of the live samples, and how that joins what goes on live.

Each hole (see `hole`) has a machine of its own for each rule, which begins with what was known at the hole's start and
follows the backlog's time. What it finds are transitions of the track BACKLOG: an incident of its own, retroactive,
which is told as such and never as current. The live machine knows nothing of it, so that live alerts are right while a
backlog drains.

When the backlog has reached the hole's end and nothing more comes (`JOIN_MS` by the clock), the machine takes the live
sample that ended the hole, and joins:

* what is over by then is over;
* what lasts, and lasts in the live samples too, is one incident: a transition of the track JOIN says so, and the live
  machine goes on with the earlier beginning;
* what lasts, but has become another incident in the live samples, or was over there, ends when they say.

An alert that was open before the hole stays one with the live alert; if it ended in the hole, a transition says when.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from frostline_core.rules.bound import Bound
from frostline_core.rules.hole import MOST_HOLES, Hole, at_start
from frostline_core.rules.ledger import Ledger
from frostline_core.rules.past import Past
from frostline_core.rules.rule import join_phases
from frostline_core.rules.slot import Slot
from frostline_core.rules.state import DEFAULT, NEVER, OPEN, Heard, Outcome, Phase, State, Step, Track
from frostline_core.rules.transition import Transition
from frostline_core.rules.watch import Input, Watch

JOIN_MS = 30_000
"""How long nothing more of a backlog must come, by the clock, before it is taken to be complete."""

ABANDON_MS = 3_600_000
"""The same where it has stopped short of the hole's end."""

REACHED_MS = 600_000
"""A backlog has reached the hole's end when its newest sample is no older than this: unchanged values are sent again
each 300 s."""

GOES_ON = "goes on in what is live"
OVER_BEFORE = "was back in range then, by what came late"
"""The note of the end of an alert that was open before a hole; the live alert may have gone on without knowing."""

CROWDED_OUT = "not followed any longer: too many holes in the samples"
ENDED_LIVE = "ended in what came live"


class Backlog:
    """The holes of all series of an evaluator.

    Memory: at most `MOST_HOLES` holes per series, each with the states of the rules bound to it.

    Attributes:
        passed_over: Samples that were repeated, or fit into no hole.
    """

    def __init__(self, ledger: Ledger, slots: Sequence[Slot], last_ms: Sequence[int]) -> None:
        self.passed_over = 0
        self._ledger, self._slots, self._last_ms = ledger, slots, last_ms
        self._past = Past(ledger, last_ms)
        self._heap: list[tuple[int, int]] = []  # (clock, slot): when to look whether a backlog is complete
        self._waiting: set[int] = set()

    def open(self, slot: int, to_ms: int, value: float | None) -> Hole:
        """The live samples of a slot have leapt: remembers the hole, with the states as they were before it.

        A leap that is usual for the series is not written to SQL until a backlog fills it.
        """
        known, from_ms = self._slots[slot], self._last_ms[slot]
        leap = to_ms - from_ms
        unusual = leap > 2 * known.usual_ms and from_ms != NEVER
        if from_ms != NEVER:
            known.usual_ms = max(leap, known.usual_ms * 3 // 4)
        hole = Hole(from_ms, to_ms, value, from_ms)
        if states := self._ledger.states[slot]:
            hole.begin(_at_rest(states, known.rules, from_ms))
        if slot in self._ledger.inputs:
            hole.inputs = dict(self._ledger.inputs[slot])
        if len(self._ledger.open_hole(slot, hole, save=unusual)) > MOST_HOLES:
            self._make_room(slot)
        return hole

    def _make_room(self, slot: int) -> None:
        """Forgets the shortest hole, rather one that nothing has come for."""
        idle = [each for each in self._ledger.holes[slot] if each.last_ms == each.from_ms]
        shortest = min(idle or self._ledger.touch_holes(slot), key=_length_ms)
        if not idle:
            for rule_id in shortest.states:
                self._end(slot, shortest, rule_id, Step(Phase.OK, Phase.RESOLVED, shortest.to_ms, note=CROWDED_OUT))
        self._ledger.drop_hole(slot, shortest)

    def restored(self, slot: int) -> None:
        """Holes of a slot were read from SQL."""
        for hole in self._ledger.holes[slot]:
            if hole.last_ms > hole.from_ms:
                self._wait(slot, NEVER)

    def take(self, slot: int, value: float | None, at_ms: int, now_ms: int) -> None:
        """Takes one sample that is not newer than the newest live one.

        Args:
            slot: Its series.
            value: Finite, or None.
            at_ms: Event time.
            now_ms: The clock at the last `advance`.
        """
        hole = self._past.hole(slot, at_ms)
        if hole is None or at_ms <= hole.last_ms:
            self.passed_over += 1
            return
        known = self._slots[slot]
        self._ledger.touch_holes(slot, save=hole.heard_ms == NEVER or bool(hole.states))
        self._watch(known, hole, value, at_ms)
        heard = self._past.heard(known, hole, at_ms)
        for rule in known.rules:
            guard = hole.guards.get(rule.id)
            if guard and value is not None and guard.low <= value <= guard.high and at_ms < guard.deadline_ms:
                continue
            if rule.in_backlog:
                self._show(slot, hole, rule, value, at_ms, heard)
        hole.last_ms, hole.heard_ms = at_ms, now_ms
        self._wait(slot, now_ms + JOIN_MS)

    def live_went(self, slot: int, rule_id: str, steps: Iterable[Step], before: State) -> None:
        """The live machine of a rule took these steps: an alert that ends is not the one that a backlog may join."""
        if slot not in self._ledger.holes:
            return
        if any(step.before is Phase.UNKNOWN and step.after in OPEN for step in steps):
            self._began(slot, rule_id)
        fired = next((step.at_ms for step in steps if step.after is Phase.FIRING is not step.before), None)
        end = next((step.at_ms for step in steps if step.after in (Phase.OK, Phase.RESOLVED)), None)
        if (fired is None and end is None) or not any(hole.concerns(rule_id) for hole in self._ledger.holes[slot]):
            return
        for hole in self._ledger.touch_holes(slot):
            first = fired if fired is not None else end
            if fired is None and before.phase is Phase.PENDING and before.blind_ms != NEVER:
                first = before.blind_ms  # it was not seen to last any longer
            if first is not None and rule_id not in hole.ended:
                hole.ended = {**hole.ended, rule_id: first}
            if end is not None:
                hole.over |= {rule_id}

    def _began(self, slot: int, rule_id: str) -> None:
        """A live alert begins where nothing was known: if a hole's end had no value, what was open there goes on."""
        if any(hole.waits_for_value(rule_id) for hole in self._ledger.holes[slot]):
            for hole in self._ledger.touch_holes(slot):
                if hole.waits_for_value(rule_id):
                    hole.live |= {rule_id}

    def drop_rules(self, slot: int, bound: frozenset[str], now_ms: int, note: str) -> None:
        """Ends what rules that do not apply any more have found."""
        if not any(hole.states.keys() - bound for hole in self._ledger.holes.get(slot, ())):
            return
        for hole in self._ledger.touch_holes(slot):
            for rule_id in hole.states.keys() - bound:
                self._end(slot, hole, rule_id, Step(Phase.OK, Phase.RESOLVED, now_ms, note=note))
                hole.keep(rule_id, DEFAULT)

    def join(self, now_ms: int) -> set[int]:
        """Ends the holes whose backlog is complete; returns the slots whose live states changed."""
        changed: set[int] = set()
        ready: list[int] = []
        while self._heap and self._heap[0][0] <= now_ms:
            ready.append(heapq.heappop(self._heap)[1])
        for slot in sorted(ready, key=self._is_unwatched):  # what a rule watches, before the rule
            self._waiting.discard(slot)
            for hole in list(self._ledger.holes.get(slot, ())):
                if hole.last_ms == hole.from_ms:
                    continue
                if hole.heard_ms == NEVER:
                    hole.heard_ms = now_ms  # read from SQL: the rest of its backlog may be under way
                reached = hole.to_ms - hole.last_ms <= REACHED_MS
                due = hole.heard_ms + (JOIN_MS if reached else ABANDON_MS)
                if due > now_ms:
                    self._wait(slot, due)
                else:
                    changed |= self._join(slot, hole)
        return changed

    def _show(  # noqa: PLR0913 - one sample of one hole
        self, slot: int, hole: Hole, rule: Bound, value: float | None, at_ms: int, heard: Heard
    ) -> None:
        state = hole.states.get(rule.id, DEFAULT)
        outcome = rule.observe(state, value, at_ms, heard)
        self._keep(slot, hole, rule, outcome)
        if not rule.inputs():  # else a guard would have to be made anew whenever what it watches changes
            hole.guards = {**hole.guards, rule.id: rule.guard(outcome.state, replace(heard, last_ms=at_ms))}

    def _keep(self, slot: int, hole: Hole, rule: Bound, outcome: Outcome) -> None:
        if outcome.state != hole.states.get(rule.id, DEFAULT):
            self._ledger.touch_holes(slot)
        if rule.id not in hole.inherited:
            self._tell(slot, rule.id, outcome.steps)
        else:  # until it ends it is the live incident; what comes after that is another
            ends = [index for index, step in enumerate(outcome.steps) if step.after not in OPEN]
            if ends:
                over = replace(outcome.steps[ends[0]], note=OVER_BEFORE)
                self._tell(slot, rule.id, [over, *outcome.steps[ends[0] + 1 :]])
        hole.keep(rule.id, outcome.state)

    def _join(self, slot: int, hole: Hole) -> set[int]:
        """Takes the sample that ended the hole, and ends the hole; returns the slots whose guards may have changed."""
        known = self._slots[slot]
        holes = self._ledger.touch_holes(slot)
        heard = self._past.heard(known, hole, hole.to_ms)
        for rule in known.rules:
            if rule.in_backlog:
                self._keep(slot, hole, rule, _up_to_live(rule, hole, heard))
                self._settle(slot, hole, rule)
        holes.remove(hole)
        return {slot} | self._pass_on(slot, hole)

    def _pass_on(self, slot: int, hole: Hole) -> set[int]:
        """What a watch said in a hole belongs to what it says live: since when, and what before; returns its users."""
        device, users = self._slots[slot].device, set[int]()
        for watch, late in hole.inputs.items():
            said = None if hole.value is None else watch.read(hole.value)
            reached, live = late.then(said, hole.to_ms), device.inputs.get(watch)
            if live is None or live.was_since_ms > hole.to_ms:
                continue
            if live.since_ms > hole.to_ms:
                reached = Input(live.value, live.since_ms, reached.value, reached.since_ms)
            self._ledger.touch_inputs(slot)[watch] = device.inputs[watch] = reached
            users.update(device.users.get(watch, ()))
        return users

    def _is_unwatched(self, slot: int) -> bool:
        known = self._slots[slot]
        return known.series.metric not in known.device.watched

    def _end(self, slot: int, hole: Hole, rule_id: str, end: Step) -> None:
        """Ends what a rule has open in a hole; the step's `before` is filled in."""
        state = hole.states[rule_id]
        if state.phase in OPEN and rule_id not in hole.inherited:
            self._tell(slot, rule_id, [replace(end, before=state.phase)])

    def _settle(self, slot: int, hole: Hole, rule: Bound) -> None:
        """What a rule's machine has come to at the hole's end becomes one with the live alert, or ends."""
        known = self._slots[slot]
        late, live = hole.states.get(rule.id, DEFAULT), self._ledger.states[slot].get(rule.id, DEFAULT)
        mine = rule.id not in hole.inherited and late.phase in OPEN
        end_ms = hole.ended.get(rule.id, hole.to_ms)
        lasts = mine and hole.lasts(rule.id, late)
        joined = self._joined(slot, hole, rule, late) if late.memory or lasts else live
        if not lasts:
            joined = replace(live, memory=joined.memory)
        if joined != live:
            self._ledger.put(slot, rule.id, joined)
        if lasts:
            step = Step(late.phase, joined.phase, hole.to_ms, late.value, late.limit, GOES_ON, joined.severity)
            self._tell(slot, rule.id, [step], Track.JOIN)
            self._fire_before_blind(slot, hole, rule)
        elif mine:
            lasted = replace(self._past.heard(known, hole, end_ms - 1), last_ms=end_ms - 1)
            whole = rule.whole(hole.to_ms, end_ms - 1) if rule.id in hole.live else None
            passed = Outcome(late) if whole is None else whole.expire(late, lasted, end_ms - 1)
            after = Phase.OK if passed.state.phase is Phase.PENDING else Phase.RESOLVED
            end = Step(passed.state.phase, after, end_ms, note=ENDED_LIVE)
            self._tell(slot, rule.id, [*passed.steps, end])

    def _fire_before_blind(self, slot: int, hole: Hole, rule: Bound) -> None:
        """What is pending since earlier than thought may have been due before the live samples had no value."""
        state = self._ledger.states[slot].get(rule.id, DEFAULT)
        whole, end_ms = rule.whole(hole.from_ms, self._last_ms[slot]), state.blind_ms - 1
        if state.phase is not Phase.PENDING or state.blind_ms == NEVER or whole is None:
            return
        lasted = replace(self._past.heard(self._slots[slot], hole, end_ms), last_ms=end_ms)
        passed = whole.expire(replace(state, blind_ms=NEVER), lasted, end_ms)
        if passed.steps:
            self._ledger.put(slot, rule.id, replace(passed.state, blind_ms=state.blind_ms))
            self._tell(slot, rule.id, passed.steps, Track.LIVE)

    def _joined(self, slot: int, hole: Hole, rule: Bound, late: State) -> State:
        """The live state with what the hole has led to; counts of two versions of a rule are not added up."""
        live = self._ledger.states[slot].get(rule.id, DEFAULT)
        whole = rule.whole(hole.from_ms, self._last_ms[slot])
        if whole is None:
            return join_phases(late, live)
        return whole.join(hole.begun.get(rule.id, DEFAULT), late, live)

    def _watch(self, known: Slot, hole: Hole, value: float | None, at_ms: int) -> None:
        changes: dict[Watch, Input] = {}
        for watch in known.device.watched.get(known.series.metric, ()):
            said = None if value is None else watch.read(value)
            before = hole.inputs.get(watch, Input())
            after = before.then(said, at_ms)
            if after is not before:
                changes[watch] = after
        if changes:
            for user in known.users:
                self._end_suppression(user, at_ms)
            hole.inputs = {**hole.inputs, **changes}

    def _end_suppression(self, slot: int, at_ms: int) -> None:
        """Before something else suppresses: what suppressed so far may have ended, and no sample has said so yet."""
        hole = next((each for each in self._ledger.holes.get(slot, ()) if each.last_ms < at_ms < each.to_ms), None)
        if hole is None:
            return
        heard = self._past.heard(self._slots[slot], hole, at_ms)
        for rule in self._slots[slot].rules:
            state = hole.states.get(rule.id, DEFAULT)
            if state.is_suppressed:
                self._keep(slot, hole, rule, rule.expire(state, heard, at_ms - 1))

    def _tell(self, slot: int, rule_id: str, steps: Iterable[Step], track: Track = Track.BACKLOG) -> None:
        series = self._slots[slot].series
        self._ledger.transitions += [Transition.of(rule_id, series, step, track) for step in steps]

    def _wait(self, slot: int, until_ms: int) -> None:
        if slot not in self._waiting:
            self._waiting.add(slot)
            heapq.heappush(self._heap, (until_ms, slot))


def _length_ms(hole: Hole) -> int:
    return hole.to_ms - hole.from_ms


def _at_rest(states: Mapping[str, State], rules: Iterable[Bound], at_ms: int) -> dict[str, State]:
    """States as they were at a series' newest sample."""
    found = {rule_id: at_start(state) for rule_id, state in states.items()}
    for rule in rules:
        state = found.get(rule.id)
        if state is not None and state.memory:
            found[rule.id] = rule.rest(state, at_ms)
    return found


def _up_to_live(rule: Bound, hole: Hole, heard: Heard) -> Outcome:
    """Takes the live sample that ended a hole, without opening or firing anything at it: that is the live machine's."""
    state = hole.states.get(rule.id, DEFAULT)
    outcome = rule.observe(state, hole.value, hole.to_ms, heard)
    if hole.value is None and rule.id in hole.live:  # the first value after it has said that it goes on
        return Outcome(replace(outcome.state, blind_ms=NEVER), outcome.steps)
    last = outcome.steps[-1] if outcome.steps else None
    if last is None or last.at_ms < hole.to_ms or last.after not in (Phase.PENDING, Phase.FIRING):
        return outcome
    if last.before is Phase.PENDING and rule.id not in hole.live - hole.over:
        return outcome
    if last.before is Phase.PENDING:
        begun = replace(outcome.state, phase=Phase.PENDING, since_ms=state.since_ms)
        return Outcome(begun, outcome.steps[:-1])
    if last.before in OPEN:
        return outcome
    return Outcome(replace(DEFAULT, memory=outcome.state.memory), outcome.steps[:-1])
