"""Plays samples of one device to rules, with a clock that goes along, and says what would have happened.

What ingest does, without broker, SQL and notifications: the same evaluator, the same order, the same guards. Memory is
that of the device's series; samples are taken one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

from frostline_core.rules import HOLE_MS, NEVER, Evaluator, Rule, RuleSet, Series, Transition
from frostline_core.rules.engine import Calendar

Seen = tuple[int, int, float | None]
"""When (UTC milliseconds), which of the series, and the value; None is a sample without a usable value."""

_Key = tuple[str, str]


@dataclass(slots=True)
class Known:
    """What rules know of a series at an instant.

    Attributes:
        states: By the names that `Evaluator.staged` gives.
        last_ms: Event time of the newest sample that they have seen; NEVER before the first.
    """

    states: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    last_ms: int = NEVER


class Playback:
    """One device under rules.

    Args:
        rules: The rules, with their histories if they come as a set.
        series: Of one device, in any order; `Seen` counts them.
        start_ms: From when the rules listen: silence before that proves nothing.
        known: What the rules know of each of the series by then; () is nothing.
        calendar: When series are paused; None is never.
    """

    def __init__(
        self,
        rules: RuleSet | Sequence[Rule],
        series: Sequence[Series],
        start_ms: int,
        known: Sequence[Known] = (),
        calendar: Calendar | None = None,
    ) -> None:
        self.samples = 0
        self.now_ms = start_ms
        self._evaluator = Evaluator(rules, lateness_ms=0)
        if calendar is not None:
            self._evaluator.pause(calendar)
        before = known or [Known() for _ in series]
        self._states = {each.key: dict(had.states) for each, had in zip(series, before, strict=True)}
        self._slots = [
            self._evaluator.bind(each, had.states, had.last_ms) for each, had in zip(series, before, strict=True)
        ]
        self._evaluator.listen(start_ms)
        self._hush = _Hush()

    def play(self, seen: Iterable[Seen], end_ms: int | None) -> Iterator[Transition]:
        """Every change, as it happens, until the clock is at `end_ms`.

        Args:
            seen: In the order of time.
            end_ms: The clock goes on so far after the last sample; None: it stops there.
        """
        for at_ms, instant in groupby(seen, key=itemgetter(0)):
            if at_ms > self.now_ms:
                yield from self._wait(at_ms - 1)  # a timer that is due now yields to the sample of now
                self.now_ms = at_ms
            samples = [(self._slots[index], value, at_ms) for _, index, value in instant]
            self.samples += len(samples)
            for slot, value, _ in self._evaluator.in_order(samples):
                if not self._passed(slot, value, at_ms):
                    self._evaluator.observe(slot, value, at_ms)
                    yield from self._settled(at_ms)
        self.now_ms = self.now_ms if end_ms is None else end_ms
        yield from self._wait(self.now_ms)
        self._hush.end(self.now_ms)

    def known(self) -> list[Known]:
        """What the rules know of each series now."""
        last_ms = self._evaluator.last_ms
        return [Known(states, last_ms[slot]) for states, slot in zip(self._states.values(), self._slots, strict=True)]

    @property
    def suppressed_ms(self) -> Mapping[str, int]:
        """For how long each rule had a value out of range that something suppressed."""
        return self._hush.total

    def _passed(self, slot: int, value: float | None, at_ms: int) -> bool:
        """What ingest does inline: inside the guard nothing changes."""
        known = self._evaluator
        if value is None or not known.low[slot] <= value <= known.high[slot]:
            return False
        if not at_ms - HOLE_MS < known.last_ms[slot] < at_ms < known.deadline_ms[slot]:
            return False
        known.last_ms[slot] = at_ms
        return True

    def _wait(self, until_ms: int) -> Iterator[Transition]:
        self._evaluator.advance(until_ms)
        return self._settled(until_ms)

    def _settled(self, at_ms: int) -> Iterator[Transition]:
        staged = self._evaluator.staged()
        if staged.states or staged.transitions:
            self._hush.note(staged.states, at_ms)
            for name, series, content in staged.states:
                if content is None:
                    self._states[series.key].pop(name, None)
                else:
                    self._states[series.key][name] = content
            self._evaluator.settle()
        yield from staged.transitions


@dataclass(slots=True)
class _Hush:
    """How long values out of range were suppressed, from the states that the rules leave."""

    total: dict[str, int] = field(default_factory=dict)
    _since: dict[_Key, int] = field(default_factory=dict)

    def note(self, states: Iterable[tuple[str, Series, Mapping[str, Any] | None]], at_ms: int) -> None:
        for rule, series, content in states:
            if rule.startswith("~"):
                continue
            quiet = content is not None and content.get("phase") == "ok" and "held_ms" in content
            if not quiet:
                self._stop((rule, series.metric), at_ms)
            elif content is not None:
                self._since.setdefault((rule, series.metric), content.get("since_ms", at_ms))

    def end(self, at_ms: int) -> None:
        for key in list(self._since):
            self._stop(key, at_ms)

    def _stop(self, key: _Key, at_ms: int) -> None:
        since = self._since.pop(key, None)
        if since is not None:
            self.total[key[0]] = self.total.get(key[0], 0) + max(0, at_ms - since)
