"""Every kind of rule with samples for it, for properties that all of them must have.

A kind without a case here fails `test_rules_kinds.test_every_kind_has_a_case`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from frostline_core.rules import Phase
from tests.unit.core.rules.rule_bench import DeviceBench, Seen, rule

METRICS = ("air_temperature", "defrost_active", "wanted")
"""The rule's own metric, what suppresses (or is a trip), and a set-point."""

Sample = tuple[float, float | None]
"""(minute, value)."""

Walk = list[tuple[float, float | str | None]]
"""Steps: how much time passes, and then how far the value moves (None: a sample without one), or which metric."""

HOURS = 60.0
DAY = 24 * 60


def as_it_is(value: float) -> float:
    """A temperature."""
    return value


def as_flag(value: float) -> float:
    """A flag that a step of a half switches."""
    return float(math.floor(value * 2) % 2)


def as_count(value: float) -> float:
    """A number of things."""
    return float(max(0, round(value * 2)))


def every(minutes: float, count: int, value: Callable[[int], float]) -> list[Sample]:
    """Samples at equal distances from minute 0 on."""
    return [(index * minutes, value(index)) for index in range(count)]


@dataclass(frozen=True, slots=True)
class Case:
    """One rule of a kind.

    Attributes:
        keys: Of the rule, with its type.
        fires: Samples after which it fires.
        calm: Samples after which it is ok.
        before: What comes before a walk, so that a walk can decide something.
        unit: How many minutes the time of a walk's step is counted in.
        shape: What the rule's metric makes of a walk's value.
        flag: Of `defrost_active`, where the samples of `fires` and `calm` begin.
        clock: How many minutes of silence the clock tells after `fires`.
    """

    keys: Mapping[str, Any]
    fires: Sequence[Sample]
    calm: Sequence[Sample] = tuple(every(1, 40, lambda index: 4.0 + (index % 7) * 0.001))
    before: Sequence[Sample] = ()
    unit: float = 1.0
    shape: Callable[[float], float] = as_it_is
    flag: float = 0.0
    clock: float = 0.0

    @property
    def type(self) -> str:
        """The kind."""
        return str(self.keys["type"])

    def bench(self, **keys: Any) -> DeviceBench:
        """A device under this rule, with more keys."""
        table = {**self.keys, **keys}
        if self.type == "levels":  # each level has its own time
            table.pop("for", None)
        return DeviceBench([rule(table.pop("type"), **table)], METRICS)

    def feed(self, found: DeviceBench, samples: Sequence[Sample]) -> DeviceBench:
        """Samples of the metric, and of what belongs to it."""
        for minute, value in samples:
            found.see((minute, 4.0), metric="wanted").see((minute, self.flag), metric="defrost_active")
            found.see((minute, value))
        return found

    def fired(self, **keys: Any) -> DeviceBench:
        """A device on which it has fired, with the clock."""
        found = self.feed(self.bench(**keys).wait(0), self.fires)
        return found.wait(self.end + self.clock)

    @property
    def end(self) -> float:
        """The minute of the last of `fires`."""
        return self.fires[-1][0]

    def walk(self, steps: Walk) -> list[Seen]:
        """What is seen of a device: `before`, and then a walk."""
        now, value, flag = self.before[-1][0] if self.before else 0.0, 4.0, 0.0
        seen: list[Seen] = [(0.0, "wanted", 4.0), (0.0, "defrost_active", flag)]
        seen += [(minute, METRICS[0], known) for minute, known in self.before or [(0.0, self.shape(value))]]
        for step, move in steps:
            now += step * self.unit
            if move == "wanted":
                seen.append((now, "wanted", now % 3))
            elif isinstance(move, str):
                flag = 1.0 - flag
                seen.append((now, "defrost_active", flag))
            else:
                value += move or 0.0
                seen.append((now, METRICS[0], None if move is None else self.shape(value)))
        return seen


def _levels() -> dict[str, Any]:
    cumulative = {"above": 8.0, "for": "6m", "mode": "cumulative", "within": "30m", "severity": "critical"}
    of_incident = {"below": 2.0, "for": "5m", "mode": "cumulative", "severity": "critical"}
    return {"type": "levels", "hysteresis": 0.2, "level": [{"above": 6.0, "for": "4m"}, cumulative, of_incident]}


WARM = tuple(every(1, 30, lambda _: 9.0))
HALF_DAYS = tuple(every(60, 6 * 24, lambda index: float(index % 2)))
"""A machine that runs for half of each of six days."""
FALLING = tuple(every(60, 4 * 24, lambda index: 100.0 - index // 3))
"""A count of which 8 are used a day, for four days."""


def _duty() -> dict[str, Any]:
    return {"type": "duty", "above": 0.2, "below": 0.2, "history": "5d", "max_gap": "6h"}


CASES: dict[str, Case] = {
    "threshold": Case({"type": "threshold", "above": 8.0, "hysteresis": 1.0}, WARM),
    "levels": Case(_levels(), WARM),
    "setpoint": Case({"type": "setpoint", "setpoint": "wanted", "above": 4.0, "settle": "2m"}, WARM),
    "change": Case({"type": "change", "is_not": [4.0, 5.0]}, WARM, every(1, 40, lambda _: 4.0)),
    "change_times": Case(
        {"type": "change", "times": 2, "within": "30m"}, every(1, 30, lambda index: 4.0 + index % 2),
        every(1, 40, lambda _: 4.0),
    ),
    "stuck": Case({"type": "stuck", "unchanged_for": "20m"}, every(1, 30, lambda _: 4.0)),
    "rate": Case(
        {"type": "rate", "above": 12.0, "window": "8m", "max_gap": "3m"}, every(1, 30, lambda index: 4.0 + index)
    ),
    "breach": Case(
        {"type": "breach", "above": 8.0, "within": "20m", "window": "8m", "max_gap": "3m"},
        every(1, 30, lambda index: 4.0 + index * 0.1),
    ),
    "exposure": Case({"type": "exposure", "above": 8.0, "allowed": "10m", "within": "1h"}, WARM),
    "exposure_of_a_trip": Case(
        {"type": "exposure", "above": 8.0, "allowed": "10m", "during": "defrost_active"}, WARM, flag=1.0
    ),
    "mkt": Case({"type": "mkt", "above": 8.0, "within": "1h", "coverage": 0.5}, every(1, 60, lambda _: 9.0)),
    "stock": Case(
        {"type": "stock", "below": 2, "lead_time": "12h", "history": "3d", "settle": "1h", "max_gap": "6h"},
        fires=[*FALLING, (4.5 * DAY, 1.0)], calm=[*FALLING, (4 * DAY, 67.0)], before=FALLING, unit=HOURS,
        shape=as_count,
    ),
    "cycling": Case(
        {"type": "cycling", "min_on": "3m", "min_off": "2m", "times": 2, "within": "30m"},
        every(1, 30, lambda index: float(index % 2)), every(1, 40, lambda _: 1.0), shape=as_flag,
    ),
    "defrost": Case(
        {"type": "defrost", "every": "30m", "longest": "5m"},
        every(1, 41, lambda _: 0.0), every(1, 30, lambda index: float(10 <= index < 12)), shape=as_flag,
    ),
    "duty": Case(
        _duty(), fires=[*HALF_DAYS, *[(6 * DAY + index * 180, 1.0) for index in range(10)]],
        calm=[*HALF_DAYS, (6 * DAY, 0.0)], before=HALF_DAYS, unit=HOURS, shape=as_flag,
    ),
    "buffered": Case({"type": "buffered", "tau": "10m", "above": 8.0, "hysteresis": 0.5}, WARM),
    "absence": Case({"type": "absence", "max_silence": "10m"}, [(0.0, 4.0)], clock=11.0),
}  # fmt: skip
"""By a name: at least one for each type."""


CONDITIONS = [name for name, case in CASES.items() if case.type != "absence"]
"""The names of all that judge values; `absence` judges the clock."""

step = st.tuples(
    st.sampled_from([0.3, 0.5, 1, 1, 2, 5, 12]),
    st.sampled_from([-4.0, -0.5, -0.1, 0.0, 0.0, 0.1, 0.5, 0.5, 4.0, None, "defrost", "wanted"]),
)
steps = st.lists(step, min_size=2, max_size=60)
shared = st.sampled_from([{}, {"for": "2m", "clear_for": "3m"}, {"suppress_while": ["defrost_active"], "grace": "2m"}])


def phase(found: DeviceBench) -> Phase:
    """Where the alert stands."""
    return found.evaluator.phases(0)["r"]


def is_firing(found: DeviceBench) -> bool:
    """Whether an incident is open that has fired."""
    return phase(found) in (Phase.FIRING, Phase.CLEARING)
