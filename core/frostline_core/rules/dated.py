"""A rule that was changed, or will be: each of its versions judges the samples that were measured in its time. Pure.

    ------ version 1 ------ | ------ version 2 ------ | (retired)
                           T1                        T2

* A sample is judged by the version in force when it was measured, however late it comes.
* What time alone changes after a sample (`for`, silence) follows from the version of that sample.
* The state goes on from one version to the next; a memory goes on where it means the same (`Rule.memory_key`).
* Where there is no version, or it does not select the series, samples are not judged, and what is open is resolved
  with that note at the instant at which the version before ended.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from frostline_core.rules.bound import Bound
from frostline_core.rules.rule import Rule
from frostline_core.rules.series import Series
from frostline_core.rules.state import (
    DEFAULT,
    FOREVER_MS,
    NEVER,
    NOTHING,
    OPEN,
    OPEN_GUARD,
    Guard,
    Heard,
    Outcome,
    Phase,
    State,
    Step,
)
from frostline_core.rules.watch import Watch

NO_RULE = "the rule does not apply any more"
"""The note of an incident whose rule has gone."""


class Version(NamedTuple):
    """One version of a rule.

    Attributes:
        from_ms: Event time from which it judges.
        rule: The rule then; None: there is none.
    """

    from_ms: int
    rule: Rule | None


@dataclass(frozen=True, slots=True)
class History:
    """The versions of one rule.

    Attributes:
        id: The rule's id.
        versions: In the order of time; before the first there is none.
    """

    id: str
    versions: tuple[Version, ...]

    def at(self, at_ms: int) -> Rule | None:
        """The rule in force at an instant."""
        position = bisect_right(self.versions, at_ms, key=_from_ms)
        return self.versions[position - 1].rule if position else None

    def may_select(self, metric: str) -> bool:
        """Whether a version may apply to series of a metric."""
        return any(each.rule is not None and _may_select(each.rule, metric) for each in self.versions)

    def on(self, series: Series, applied: Callable[[Rule, Series], Bound | None]) -> Bound | None:
        """What stands for the rule on a series; None where no version applies to it.

        Args:
            series: The series.
            applied: What stands for one version there.
        """
        spans = [_Span(NEVER, None)]
        for from_ms, rule in self.versions:
            spans.append(_Span(from_ms, None if rule is None else applied(rule, series)))
        if all(each.bound is None for each in spans):
            return None
        return Dated(self.id, tuple(spans))


class _Span(NamedTuple):
    from_ms: int
    bound: Bound | None


@dataclass(frozen=True, slots=True)
class Dated:
    """The versions of one rule on one series; see the module.

    Attributes:
        id: The rule's id.
        spans: In the order of time, the first from NEVER.
    """

    id: str
    spans: tuple[_Span, ...]

    @property
    def in_backlog(self) -> bool:
        """As any of its versions."""
        return any(each.bound is not None and each.bound.in_backlog for each in self.spans)

    @property
    def calm(self) -> None:
        """None: it depends on the version."""

    def key_at(self, last_ms: int) -> str:
        """Of the version of that time."""
        found = self._at(last_ms)
        return "" if found is None else found.key_at(last_ms)

    def whole(self, from_ms: int, to_ms: int) -> Bound | None:
        """The version, where it is one."""
        position = self._position(from_ms)
        return self.spans[position].bound if position == self._position(to_ms) else None

    def inputs(self) -> tuple[Watch, ...]:
        """Of all versions."""
        found = [watch for each in self.spans if each.bound is not None for watch in each.bound.inputs()]
        return tuple(dict.fromkeys(found))

    def observe(self, state: State, value: float | None, at_ms: int, heard: Heard) -> Outcome:
        """By the version of that instant, from the state that those before it have led to."""
        position = self._position(at_ms)
        bound = self.spans[position].bound
        before = position if heard.last_ms == NEVER else self._position(heard.last_ms)
        steps: tuple[Step, ...] = ()
        if before != position:
            passed = self.catch_up(state, heard, at_ms)
            steps = passed.steps
            last = self.spans[before].bound
            kept = last is not None and bound is not None and last.key_at(at_ms) == bound.key_at(at_ms)
            state = passed.state if kept else replace(passed.state, memory=NOTHING)
            state = DEFAULT if last is None or _is_over(state) else state
        if bound is None:
            return Outcome(state, steps)
        taken = bound.observe(state, value, at_ms, heard)
        return Outcome(taken.state, steps + taken.steps)

    def catch_up(self, state: State, heard: Heard, at_ms: int) -> Outcome:
        """By the version of the newest sample."""
        position = self._of(heard)
        bound, end_ms = self.spans[position].bound, self._end_ms(position)
        if bound is None or _is_over(state):
            return Outcome(state)
        passed = bound.catch_up(state, heard, min(at_ms, end_ms))
        return passed if at_ms < end_ms else _over(passed, end_ms)

    def due_ms(self, state: State, heard: Heard) -> int | None:
        """By the version of the newest sample; at the latest when no version follows any more."""
        position = self._of(heard)
        bound, end_ms = self.spans[position].bound, self._end_ms(position)
        if bound is None or _is_over(state):
            return None
        due = bound.due_ms(state, heard)
        if state == DEFAULT or end_ms == FOREVER_MS:
            return due if due is None or due < end_ms else None
        return end_ms if due is None else min(due, end_ms)

    def expire(self, state: State, heard: Heard, until_ms: int) -> Outcome:
        """By the version of the newest sample."""
        position = self._of(heard)
        bound, end_ms = self.spans[position].bound, self._end_ms(position)
        if bound is None or _is_over(state):
            return Outcome(state)
        passed = bound.expire(state, heard, min(until_ms, end_ms - 1))
        return passed if until_ms < end_ms else _over(passed, end_ms)

    def guard(self, state: State, heard: Heard) -> Guard:
        """Of the version of the newest sample, until its end."""
        position = self._of(heard)
        bound = self.spans[position].bound
        found = OPEN_GUARD if bound is None else bound.guard(state, heard)
        if position + 1 == len(self.spans):
            return found
        return replace(found, deadline_ms=min(found.deadline_ms, self.spans[position + 1].from_ms))

    def rest(self, state: State, at_ms: int) -> State:
        """By the version of that instant."""
        bound = self._at(at_ms)
        return state if bound is None else bound.rest(state, at_ms)

    def join(self, begun: State, late: State, live: State) -> State:
        """What is live; the engine asks `whole` first."""
        return live

    def _at(self, at_ms: int) -> Bound | None:
        return self.spans[self._position(at_ms)].bound

    def _position(self, at_ms: int) -> int:
        return max(0, bisect_right(self.spans, at_ms, key=_from_ms) - 1)

    def _of(self, heard: Heard) -> int:
        """The version whose sample was the newest; before the first, the one since when it has been listened."""
        return self._position(heard.listening_ms if heard.last_ms == NEVER else heard.last_ms)

    def _end_ms(self, position: int) -> int:
        """From when there is no version, after one; FOREVER_MS: there always is."""
        return next((each.from_ms for each in self.spans[position + 1 :] if each.bound is None), FOREVER_MS)


def _may_select(rule: Rule, metric: str) -> bool:
    return rule.select.matches_metric(metric) or rule.select.matches_buffer_of(metric)


def _from_ms(span: Version | _Span) -> int:
    return span.from_ms


_OVER = "over"


def _over(passed: Outcome, at_ms: int) -> Outcome:
    """No version applies from that instant on."""
    state = passed.state
    ended = State(Phase.UNKNOWN, blind_ms=at_ms, memory={_OVER: True})
    if state.phase not in OPEN:
        return Outcome(ended, passed.steps)
    end = Step(state.phase, Phase.RESOLVED, at_ms, None, None, NO_RULE)
    return Outcome(ended, (*passed.steps, end))


def _is_over(state: State) -> bool:
    return _OVER in state.memory


def history(versions: Sequence[tuple[int, int | None, Rule]], since_ms: int) -> History | None:
    """The history of one rule; None where it has been the same since an instant.

    Args:
        versions: From when, until when (None: for ever), and what it was, in the order of time.
        since_ms: No sample is so old that an earlier version could matter.
    """
    found: list[Version] = []
    known = [each for each in versions if (each[1] is None or each[1] > max(since_ms, each[0]))]
    for position, (from_ms, to_ms, rule) in enumerate(known):
        found.append(Version(from_ms, rule))
        after_ms = known[position + 1][0] if position + 1 < len(known) else None
        if to_ms is not None and to_ms != after_ms:
            found.append(Version(to_ms, None))
    if not found or (len(found) == 1 and found[0].from_ms <= since_ms):
        return None
    return History(known[0][2].id, tuple(found))
