"""One device under a few rules, for tests of kinds; and the property that every kind's guard must have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from frostline_core.rules import HOLE_MS, Evaluator, Phase, Rule, Series, State, Transition, parse
from frostline_core.rules.state import CLOSED_GUARD, Guard, Heard

MINUTE = 60_000
ROOM = Series("hamburg", "gw-1", "room-1", "cold_room", "freezer-1", "air_temperature")

Seen = tuple[float, str, float | None]
"""(minute, metric, value)."""


def rule(type_: str, **keys: Any) -> Rule:
    """A rule as a file would give it; a trailing underscore of a key (`for_`) is left out."""
    table = {"type": type_, "id": "r", "title": "R", "select": {"metric": "air_temperature"}}
    return parse({**table, **{key.rstrip("_"): value for key, value in keys.items()}}, "test")


class DeviceBench:
    """A device with several metrics, with minutes for times; the first metric is the one that rules select."""

    def __init__(self, rules: Sequence[Rule], metrics: Sequence[str] = ("air_temperature",)) -> None:
        self.evaluator = Evaluator(rules)
        self.metrics = metrics
        self.slots = {metric: self.evaluator.bind(replace(ROOM, metric=metric)) for metric in metrics}
        self.saved: dict[str, dict[str, dict[str, Any]]] = {}  # what SQL holds, by metric and name

    def see(self, *samples: tuple[float, float | None], metric: str = "") -> DeviceBench:
        """Samples of one metric, as ingest shows them: the guard inline, the evaluator outside of it."""
        for minute, value in samples:
            show(self.evaluator, self.slots[metric or self.metrics[0]], value, round(minute * MINUTE))
        return self

    def wait(self, minute: float) -> DeviceBench:
        """The clock says that it is so late."""
        self.evaluator.advance(round(minute * MINUTE))
        return self

    @property
    def transitions(self) -> tuple[Transition, ...]:
        """What has happened so far."""
        return self.evaluator.staged().transitions

    @property
    def path(self) -> list[str]:
        """The phases passed, with the minute of each."""
        return [f"{each.after.value}@{each.at_ms / MINUTE:g}" for each in self.transitions]

    @property
    def notes(self) -> list[str]:
        """The notes of what has happened."""
        return [each.note for each in self.transitions]

    @property
    def fired_ms(self) -> list[int]:
        """When it has fired."""
        return [each.at_ms for each in self.transitions if each.after is Phase.FIRING is not each.before]

    @property
    def memory(self) -> Any:
        """What the rule `r` keeps of the first metric."""
        return self.evaluator._ledger.states[0]["r"].memory

    def restarted(self) -> DeviceBench:
        """Another process, with what SQL holds."""
        saved = {metric: dict(rows) for metric, rows in self.saved.items()}
        for name, series, content in self.evaluator.staged().states:
            saved.setdefault(series.metric, {}).pop(name, None)
            if content is not None:
                saved[series.metric][name] = content
        again = DeviceBench.__new__(DeviceBench)
        again.saved = saved
        again.evaluator, again.metrics, again.slots = Evaluator(self.evaluator.rules), self.metrics, {}
        for metric, slot in self.slots.items():
            last_ms = self.evaluator.last_ms[slot]
            again.slots[metric] = again.evaluator.bind(replace(ROOM, metric=metric), saved.get(metric, {}), last_ms)
        return again


def show(evaluator: Evaluator, slot: int, value: float | None, at_ms: int) -> None:
    """As the ingest loop does."""
    inside = value is not None and evaluator.low[slot] <= value <= evaluator.high[slot]
    if inside and at_ms - HOLE_MS < evaluator.last_ms[slot] < at_ms < evaluator.deadline_ms[slot]:
        evaluator.last_ms[slot] = at_ms
    else:
        evaluator.observe(slot, value, at_ms)


def timed(steps: Iterable[Seen]) -> list[Seen]:
    """The same samples at their times, where each says how long after the one before it comes."""
    now, samples = 0.0, []
    for step, metric, value in steps:
        now += step
        samples.append((now, metric, value))
    return samples


def moved(steps: Iterable[tuple[float, float | str | None]]) -> list[Seen]:
    """A temperature from 4 on that moves so much at each step; None is no value, a text turns the defrost on or off."""
    value, defrost = 4.0, 0.0
    samples: list[Seen] = []
    for step, move in steps:
        if isinstance(move, str):
            defrost = 1.0 - defrost
            samples.append((step, "defrost_active", defrost))
        else:
            value += move or 0.0
            samples.append((step, "air_temperature", None if move is None else value))
    return timed(samples)


def in_two_lanes(
    make: Callable[[], DeviceBench], steps: Iterable[tuple[float, float | None]], data: st.DataObject
) -> tuple[DeviceBench, DeviceBench, float]:
    """The same samples in order, and with a part of them as a backlog behind the rest; and the minute of the last.

    A leap that is usual for the series is no hole: what then is no backlog is not asked.
    """
    samples = [(minute, value) for minute, _, value in timed((step, "", value) for step, value in steps)]
    first = data.draw(st.integers(1, len(samples) - 2))
    last = data.draw(st.integers(first + 1, len(samples) - 1))
    in_order, in_lanes = make().see(*samples), make()

    in_lanes.see(*samples[:first], *samples[last:]).see(*samples[first:last])
    assume(in_lanes.evaluator.retroactive == 0)
    now = samples[-1][0]
    in_lanes.wait(now).wait(now + 61)
    return in_order, in_lanes, now


def guarded_and_exact(
    tried: Rule, script: Iterable[Seen], metrics: Sequence[str], *, clock: bool = True
) -> tuple[DeviceBench, DeviceBench]:
    """The same samples under the rule, and under one that sees each of them; a test asserts that their paths are equal.

    Args:
        tried: The rule.
        script: Samples in the order of time.
        metrics: The device's metrics, the rule's own first.
        clock: Whether the clock goes along.
    """
    guarded, exact = DeviceBench([tried], metrics), DeviceBench([without_guard(tried)], metrics)
    for minute, metric, value in script:
        for bench in (guarded, exact):
            if clock:
                bench.wait(minute)
            bench.see((minute, value), metric=metric)
    return guarded, exact


def without_guard(tried: Rule) -> Rule:
    """The same rule, but it sees every sample."""
    kind = type(tried)
    closed: type[Rule] = type(f"Exact{kind.__name__}", (kind,), {"guard": _closed, "__module__": __name__})
    return closed.model_validate(tried.model_dump(mode="json", by_alias=True))


def _closed(_rule: Rule, _state: State, _heard: Heard) -> Guard:
    return CLOSED_GUARD
