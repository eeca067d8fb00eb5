"""The way from ok to resolved that kinds with a condition share: `for`, `clear_for`, suppression and missing data.

A value is taken to last until the next sample, or for `max_gap` where none comes. So the same samples yield the same
phases and times whether they come live, with the clock's help, or all at once from a backlog:

* PENDING fires at `since + for`, once that time has passed within `max_gap` of a sample that kept the condition.
  After a longer silence only a sample with the condition fires it, at that sample's time. Where that time passed while
  nobody listened (a restart), the clock waits for one more `max_gap`, so that a backlog can speak first.
* CLEARING ends only with a sample: silence never resolves. A silence longer than `max_gap` starts it anew.
* A sample without a value opens and ends nothing: PENDING waits, FIRING stays, CLEARING falls back to FIRING, OK
  becomes UNKNOWN. So does OK after a silence longer than `max_gap`, by the clock.
* While suppressed, a value out of range opens nothing: OK remembers since when, PENDING goes back to OK. What is open
  stays open. When the suppression ends and the value still lasts, PENDING begins then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from frostline_core.rules.state import DEFAULT, NEVER, NOTHING, Heard, Outcome, Phase, Severity, State, Step

MAX_GAP_MS = 600_000
"""How long a value lasts unless the rule says otherwise: twice the 300 s at which an unchanged one is sampled again."""

NO_DATA = "no data"
DATA_AGAIN = "data again"
RELAPSE = "out of range again"
SUPPRESSED = "suppressed"
ESCALATED = "escalated"
"""The note of an incident whose severity has risen."""
WORSE = "worse"
"""The note of a value that is notably worse than the one told before."""

_MOST_CHANGES = 8  # of time alone between two samples: the end of a suppression, then firing, then silence


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a kind makes of a sample, or of a time without one.

    Attributes:
        on: Whether the condition holds, hysteresis included; None: it cannot be said, but `memory` is kept.
        value: What people are told; None where there is nothing to tell.
        limit: What it is measured against.
        worse: Whether, while firing, the value is news.
        at_once: It fires without `for` and whatever suppresses it: beyond the hard limit.
        severity: Where it is not the rule's own; an incident keeps the highest.
        memory: What the kind wants to find in the state next time; replaces what is there. JSON values only, bounded.
        note: Why, where the phases do not say it.
        facts: What else belongs on the incident; JSON values only.
    """

    on: bool | None
    value: float | None = None
    limit: float | None = None
    worse: bool = False
    at_once: bool = False
    severity: Severity | None = None
    memory: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    note: str = ""
    facts: Mapping[str, Any] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class Hold:
    """How long the condition must last before it counts, how long its absence, and what the kind says of both.

    Attributes:
        for_ms: From pending to firing.
        clear_ms: From clearing to resolved.
        gap_ms: How long a value is taken to last when no newer one comes.
        quiet_until: Of (state, heard, at_ms): until when that instant is suppressed; NEVER or earlier: it is not.
        look: Of (state, heard, at_ms): the kind's verdict at a time that it asked for, without a sample.
        again_ms: Of (state): when the kind wants to look without a sample; None for never.
    """

    for_ms: int
    clear_ms: int
    gap_ms: int
    quiet_until: Callable[[State, Heard, int], int]
    look: Callable[[State, Heard, int], Verdict | None]
    again_ms: Callable[[State], int | None]


def take(state: State, at_ms: int, verdict: Verdict | None, hold: Hold, heard: Heard) -> Outcome:
    """Takes what the kind made of a sample, in the state that `catch_up` has led to; None is no usable value."""
    if verdict is None:
        return _blind(state, at_ms, at_ms)
    if verdict.on is None:
        blind = _blind(state, at_ms, at_ms, verdict.note or NO_DATA)
        return Outcome(replace(blind.state, memory=verdict.memory), blind.steps)
    return (_on if verdict.on else _off)(state, at_ms, verdict, hold, heard)


def due_ms(state: State, hold: Hold, heard: Heard) -> int | None:
    """When time alone changes something."""
    again = hold.again_ms(state)
    due = None if state.blind_ms != NEVER else _held_due(state, hold, heard)
    if again is None or due is None:
        return due if again is None else again
    return min(again, due)


def silence_ms(hold: Hold, heard: Heard) -> int:
    """When the silence has become longer than a value is taken to last."""
    return heard.silent_from_ms + hold.gap_ms + 1


def expire(state: State, hold: Hold, heard: Heard, until_ms: int) -> Outcome:
    """Lets time pass without a sample."""
    steps: tuple[Step, ...] = ()
    for _ in range(_MOST_CHANGES):
        due = due_ms(state, hold, heard)
        if due is None or due > until_ms:
            break
        passed = _once(state, hold, heard, due)
        if passed.state == state:
            break
        state, steps = passed.state, steps + passed.steps
    return Outcome(state, steps)


def catch_up(state: State, hold: Hold, heard: Heard, at_ms: int) -> Outcome:
    """What time alone has changed before a sample, judged by the samples' own times.

    A silence while OK or FIRING is left out: samples inside the guard are not shown to the rule, so only the clock can
    tell.
    """
    calm = (state.phase is Phase.OK and state.held_ms == NEVER) or state.phase in (Phase.FIRING, Phase.UNKNOWN)
    if calm and hold.again_ms(state) is None:
        return Outcome(state)
    alone = replace(heard, listening_ms=at_ms if calm else NEVER)
    return expire(state, hold, alone, at_ms - 1)


def _held_due(state: State, hold: Hold, heard: Heard) -> int | None:
    silence = silence_ms(hold, heard)
    if state.phase is Phase.PENDING:
        due = state.since_ms + hold.for_ms
        if due - heard.last_ms > hold.gap_ms:
            return None
        return due if due > heard.listening_ms else heard.listening_ms + hold.gap_ms
    if state.phase is Phase.OK and heard.last_ms == NEVER:
        return None
    if state.phase is Phase.OK and state.held_ms != NEVER:
        end = _quiet_end(state, hold, heard)
        return end if end - heard.last_ms <= hold.gap_ms else silence
    return None if state.phase is Phase.UNKNOWN else silence


def _quiet_end(state: State, hold: Hold, heard: Heard) -> int:
    """When everything that suppresses is over, one thing after the other."""
    end = heard.last_ms
    for _ in range(_MOST_CHANGES):
        further = hold.quiet_until(state, heard, end)
        if further <= end:
            break
        end = further
    return end


def _once(state: State, hold: Hold, heard: Heard, due: int) -> Outcome:
    if due == hold.again_ms(state):
        verdict = hold.look(state, heard, due)
        return Outcome(state) if verdict is None else take(state, due, verdict, hold, heard)
    if state.phase is Phase.PENDING:
        at = state.since_ms + hold.for_ms
        fired = replace(state, phase=Phase.FIRING, since_ms=at)
        return Outcome(fired, (_step(Phase.PENDING, fired, at, state.value),))
    if state.phase is Phase.OK and state.held_ms != NEVER and due - heard.last_ms <= hold.gap_ms:
        return _unhush(state, due, hold)
    return _blind(state, due, heard.last_ms)


def _unhush(state: State, at: int, hold: Hold) -> Outcome:
    """The suppression is over, and the value still lasts."""
    after = Phase.PENDING if hold.for_ms > 0 else Phase.FIRING
    quiet = state.suppressed_ms + at - state.since_ms
    entered = replace(state, phase=after, since_ms=at, suppressed_ms=quiet)
    return Outcome(entered, (_step(Phase.OK, entered, at, state.value),))


def _on(state: State, at: int, found: Verdict, hold: Hold, heard: Heard) -> Outcome:
    phase = state.phase
    if phase is Phase.FIRING:
        return _still(state, at, found)
    if phase is not Phase.CLEARING and not found.at_once and hold.quiet_until(state, heard, at) > at:
        return _hush(state, at, found)
    if phase is Phase.OK and state.held_ms != NEVER:
        state = replace(state, suppressed_ms=state.suppressed_ms + at - state.since_ms)
    since = state.since_ms if phase is Phase.PENDING else at
    fires = phase is Phase.CLEARING or found.at_once or at - since >= hold.for_ms
    after = Phase.FIRING if fires else Phase.PENDING
    entered = replace(
        state,
        phase=after,
        since_ms=at if fires else since,
        value=found.value,
        limit=found.limit,
        severity=_higher(state.severity if phase in (Phase.PENDING, Phase.CLEARING) else None, found.severity),
        blind_ms=NEVER,
        memory=found.memory,
    )
    if phase is after:
        return Outcome(entered)
    note = found.note or (RELAPSE if phase is Phase.CLEARING else "")
    return Outcome(entered, (_step(phase, entered, at, found.value, note, found.facts),))


def _hush(state: State, at: int, found: Verdict) -> Outcome:
    """A value out of range that opens nothing, because something suppresses it."""
    phase = state.phase
    hushed = phase is Phase.OK and state.held_ms != NEVER
    since = state.since_ms if hushed else at
    held = state.held_ms
    if held == NEVER:
        held = state.since_ms if phase is Phase.PENDING else at
    quiet = replace(
        state, phase=Phase.OK, since_ms=since, held_ms=held, value=found.value, limit=found.limit, blind_ms=NEVER,
        severity=found.severity, memory=found.memory,
    )  # fmt: skip
    return Outcome(quiet, () if phase is Phase.OK else (_step(phase, quiet, at, found.value, SUPPRESSED),))


def _still(state: State, at: int, found: Verdict) -> Outcome:
    """Firing, and out of range as before: worth telling when data is back, it is worse, or more severe."""
    severity = _higher(state.severity, found.severity)
    rises = severity is not state.severity
    blind = state.blind_ms != NEVER
    told = found.worse or rises
    kept = replace(state, memory=found.memory, severity=severity, blind_ms=NEVER)
    if told:
        kept = replace(kept, value=found.value, limit=found.limit)
    if not (blind or told):
        return Outcome(kept)
    note = ESCALATED if rises else WORSE if found.worse else DATA_AGAIN
    step = Step(Phase.FIRING, Phase.FIRING, at, found.value, found.limit, note, severity, found.facts)
    return Outcome(kept, (step,))


def _off(state: State, at: int, found: Verdict, hold: Hold, heard: Heard) -> Outcome:
    phase = state.phase
    well = State(memory=found.memory) if found.memory else DEFAULT
    if phase is Phase.OK:
        return Outcome(well)
    if phase in (Phase.UNKNOWN, Phase.PENDING):
        return Outcome(well, (Step(phase, Phase.OK, at, found.value, found.limit),))
    since = state.since_ms if phase is Phase.CLEARING else at
    if at - since >= hold.clear_ms:
        facts = {**_suppressed(state), **found.facts}
        return Outcome(well, (Step(phase, Phase.RESOLVED, at, found.value, found.limit, found.note, facts=facts),))
    clearing = replace(state, phase=Phase.CLEARING, since_ms=since, blind_ms=NEVER, memory=found.memory)
    if phase is Phase.CLEARING:
        return Outcome(clearing)
    step = Step(phase, Phase.CLEARING, at, found.value, found.limit, severity=state.severity)
    return Outcome(clearing, (step,))


def _blind(state: State, at_ms: int, since_ms: int, note: str = NO_DATA) -> Outcome:
    """No usable value since `since_ms`, noticed at `at_ms`."""
    phase = state.phase
    if state.blind_ms != NEVER:
        return Outcome(state)
    if phase is Phase.PENDING:
        return Outcome(replace(state, blind_ms=since_ms))
    if phase is Phase.OK:
        quiet = state.suppressed_ms + max(0, since_ms - state.since_ms) if state.held_ms != NEVER else 0
        unknown = State(
            Phase.UNKNOWN, blind_ms=since_ms, memory=state.memory, held_ms=state.held_ms, suppressed_ms=quiet
        )
        return Outcome(unknown, (Step(phase, Phase.UNKNOWN, at_ms, None, None, note),))
    since = state.since_ms if phase is Phase.FIRING else at_ms
    blind = replace(state, phase=Phase.FIRING, since_ms=since, blind_ms=since_ms)
    return Outcome(blind, (Step(phase, Phase.FIRING, at_ms, None, None, note, state.severity),))


def _step(  # noqa: PLR0913 - a step has so many parts
    before: Phase, state: State, at: int, value: float | None, note: str = "", facts: Mapping[str, Any] = NOTHING
) -> Step:
    told = {**_suppressed(state), **facts}
    return Step(before, state.phase, at, value, state.limit, note, state.severity, told)


def _suppressed(state: State) -> dict[str, Any]:
    return {"suppressed_ms": state.suppressed_ms} if state.suppressed_ms else {}


def _higher(one: Severity | None, other: Severity | None) -> Severity | None:
    if one is None or other is None:
        return one or other
    return one if one.rank >= other.rank else other
