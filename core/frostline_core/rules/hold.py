"""The way from ok to resolved that kinds with a condition share: `for`, `clear_for` and missing data.

A value is taken to last until the next sample, or for `max_gap` where none comes. So the same samples yield the same
phases and times whether they come live, with the clock's help, or all at once from a backlog:

* PENDING fires at `since + for`, once that time has passed within `max_gap` of a sample that kept the condition.
  After a longer silence only a sample with the condition fires it, at that sample's time. Where that time passed while
  nobody listened (a restart), the clock waits for one more `max_gap`, so that a backlog can speak first.
* CLEARING ends only with a sample: silence never resolves. A silence longer than `max_gap` starts it anew.
* A sample without a value opens and ends nothing: PENDING waits, FIRING stays, CLEARING falls back to FIRING, OK
  becomes UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from frostline_core.rules.state import DEFAULT, NEVER, Heard, Outcome, Phase, State, Step

MAX_GAP_MS = 600_000
"""How long a value lasts unless the rule says otherwise: twice the 300 s at which an unchanged one is sampled again."""

NO_DATA = "no data"
DATA_AGAIN = "data again"
RELAPSE = "out of range again"
WORSE = "worse"
"""The note of a value that is notably worse than the one told before."""


@dataclass(frozen=True, slots=True)
class Hold:
    """How long the condition must last before it counts, and how long its absence.

    Attributes:
        for_ms: From pending to firing.
        clear_ms: From clearing to resolved.
        gap_ms: How long a value is taken to last when no newer one comes.
    """

    for_ms: int
    clear_ms: int
    gap_ms: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What a kind makes of one value.

    Attributes:
        on: Whether the condition holds, hysteresis included.
        at_ms: Event time.
        value: The value.
        limit: What it is measured against.
        worse: Whether, while firing, the value is news.
    """

    on: bool
    at_ms: int
    value: float
    limit: float
    worse: bool = False


def follow(state: State, at_ms: int, judge: Callable[[State], Finding], hold: Hold, heard: Heard) -> Outcome:
    """Takes a sample with a value; `judge` says what it means in the state that time alone has led to."""
    passed = _catch_up(state, hold, heard, at_ms)
    finding = judge(passed.state)
    taken = (_on if finding.on else _off)(passed.state, finding, hold)
    return Outcome(taken.state, passed.steps + taken.steps)


def miss(state: State, at_ms: int, hold: Hold, heard: Heard) -> Outcome:
    """Takes a sample without a usable value."""
    passed = _catch_up(state, hold, heard, at_ms)
    taken = _blind(passed.state, at_ms, at_ms)
    return Outcome(taken.state, passed.steps + taken.steps)


def due_ms(state: State, hold: Hold, heard: Heard) -> int | None:
    """When time alone changes something."""
    if state.blind_ms != NEVER:
        return None
    if state.phase is Phase.PENDING:
        due = state.since_ms + hold.for_ms
        if due - heard.last_ms > hold.gap_ms:
            return None
        return due if due > heard.listening_ms else heard.listening_ms + hold.gap_ms
    if state.phase in (Phase.FIRING, Phase.CLEARING):
        return heard.silent_from_ms + hold.gap_ms + 1
    return None


def expire(state: State, hold: Hold, heard: Heard, until_ms: int) -> Outcome:
    """Lets time pass without a sample."""
    due = due_ms(state, hold, heard)
    if due is None or due > until_ms:
        return Outcome(state)
    if state.phase is Phase.PENDING:
        at = state.since_ms + hold.for_ms
        fired = replace(state, phase=Phase.FIRING, since_ms=at)
        return Outcome(fired, (Step(Phase.PENDING, Phase.FIRING, at, state.value),))
    return _blind(state, due, heard.last_ms)


def _catch_up(state: State, hold: Hold, heard: Heard, at_ms: int) -> Outcome:
    """What time alone has changed before a sample, judged by the samples' own times.

    A silence while FIRING is left out: samples inside the guard are not shown to the rule, so only the clock can tell.
    """
    if state.phase is Phase.FIRING:
        return Outcome(state)
    return expire(state, hold, replace(heard, listening_ms=NEVER), at_ms - 1)


def _on(state: State, found: Finding, hold: Hold) -> Outcome:
    at, phase = found.at_ms, state.phase
    if phase is Phase.FIRING:
        return _still(state, found)
    since = state.since_ms if phase is Phase.PENDING else at
    after = Phase.FIRING if phase is Phase.CLEARING or at - since >= hold.for_ms else Phase.PENDING
    note = RELAPSE if phase is Phase.CLEARING else ""
    entered = State(after, at if after is Phase.FIRING else since, found.value)
    steps = () if phase is after else (Step(phase, after, at, found.value, found.limit, note),)
    return Outcome(entered, steps)


def _still(state: State, found: Finding) -> Outcome:
    blind = state.blind_ms != NEVER
    if not (blind or found.worse):
        return Outcome(state)
    note = WORSE if found.worse else DATA_AGAIN
    told = found.value if found.worse else state.value
    step = Step(Phase.FIRING, Phase.FIRING, found.at_ms, found.value, found.limit, note)
    return Outcome(replace(state, value=told, blind_ms=NEVER), (step,))


def _off(state: State, found: Finding, hold: Hold) -> Outcome:
    at, phase = found.at_ms, state.phase
    if phase is Phase.OK:
        return Outcome(DEFAULT)
    if phase in (Phase.UNKNOWN, Phase.PENDING):
        return Outcome(DEFAULT, (Step(phase, Phase.OK, at, found.value, found.limit),))
    since = state.since_ms if phase is Phase.CLEARING else at
    if at - since >= hold.clear_ms:
        return Outcome(DEFAULT, (Step(phase, Phase.RESOLVED, at, found.value, found.limit),))
    if phase is Phase.CLEARING:
        return Outcome(state)
    clearing = State(Phase.CLEARING, at, state.value)
    return Outcome(clearing, (Step(phase, Phase.CLEARING, at, found.value, found.limit),))


def _blind(state: State, at_ms: int, since_ms: int) -> Outcome:
    """No usable value since `since_ms`, noticed at `at_ms`."""
    phase = state.phase
    if state.blind_ms != NEVER:
        return Outcome(state)
    if phase is Phase.PENDING:
        return Outcome(replace(state, blind_ms=since_ms))
    after = Phase.UNKNOWN if phase is Phase.OK else Phase.FIRING
    since = state.since_ms if phase is Phase.FIRING else at_ms
    blind = State(after, since if after is Phase.FIRING else NEVER, state.value, since_ms)
    return Outcome(blind, (Step(phase, after, at_ms, None, None, NO_DATA),))
