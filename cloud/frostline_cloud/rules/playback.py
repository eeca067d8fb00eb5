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

from frostline_core.rules import HOLE_MS, Evaluator, Rule, Series, Transition

Seen = tuple[int, int, float | None]
"""When (UTC milliseconds), which of the series, and the value; None is a sample without a usable value."""

_Key = tuple[str, str]


class Playback:
    """One device under rules.

    Args:
        rules: The rules.
        series: Of one device, in any order; `Seen` counts them.
        start_ms: From when the rules listen: silence before that proves nothing.
    """

    def __init__(self, rules: Sequence[Rule], series: Sequence[Series], start_ms: int) -> None:
        self.samples = 0
        self.now_ms = start_ms
        self._evaluator = Evaluator(rules, lateness_ms=0)
        self._slots = [self._evaluator.bind(each) for each in series]
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
