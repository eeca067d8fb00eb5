"""A hole in the live samples of a series, and what rules make of the backlog that fills it.

The live samples of a series go forward in time. Where they leap, a link was down: what was measured meanwhile comes
later, in order, while live samples go on. A hole is that span: it begins with what the rules knew at its start, follows
the backlog with states of its own, and ends where the live samples had gone on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from frostline_core.rules.state import DEFAULT, NEVER, NO_INPUTS, OPEN, Guard, Phase, State
from frostline_core.rules.watch import Input, Watch

HOLE_MS = 30_000
"""Live samples at least so far apart may have a backlog between them: a gateway keeps a live row back no longer."""

NO_STATES: Mapping[str, State] = MappingProxyType({})
NO_TIMES: Mapping[str, int] = MappingProxyType({})
NO_GUARDS: Mapping[str, Guard] = MappingProxyType({})

MOST_HOLES = 3
"""Holes remembered for one series; the shortest makes room, and what fills it is counted as not ruled."""

_FIRING = (Phase.FIRING, Phase.CLEARING)
_SETS = ("inherited", "live", "over")


@dataclass(slots=True, eq=False)
class Hole:
    """One hole of one series. Its mappings and sets are replaced, never changed, and so shared where they are alike.

    A series whose samples are half a minute apart always has as many as are remembered: they are kept small.

    Attributes:
        from_ms: Event time of the live sample before it; NEVER where there was none.
        to_ms: Event time of the live sample after it.
        value: Of the live sample after it; None where it had none.
        last_ms: Event time of the newest sample of the backlog; `from_ms` before the first.
        states: By rule id, only what differs from the default.
        begun: The same, as it was at the hole's start, of rules that keep a memory.
        inputs: What the series' own watches say, at `last_ms`.
        inherited: Rules whose alert was open before the hole, and has been since: it is the live incident.
        live: Rules whose live alert was open at `to_ms`; or, where that sample had no value, at the first that had one.
        over: Rules whose live alert has ended since.
        ended: By rule id, when the live alert first fired or ended since `to_ms`: what was found in the hole ends then,
            unless it is one with the live alert.
        heard_ms: The clock at the newest sample of the backlog; NEVER before the first.
        guards: By rule id; a cache.
    """

    from_ms: int
    to_ms: int
    value: float | None
    last_ms: int
    states: Mapping[str, State] = field(default_factory=lambda: NO_STATES)
    begun: Mapping[str, State] = field(default_factory=lambda: NO_STATES)
    inputs: Mapping[Watch, Input] = field(default_factory=lambda: NO_INPUTS)
    inherited: frozenset[str] = frozenset()
    live: frozenset[str] = frozenset()
    over: frozenset[str] = frozenset()
    ended: Mapping[str, int] = field(default_factory=lambda: NO_TIMES)
    heard_ms: int = NEVER
    guards: Mapping[str, Guard] = field(default_factory=lambda: NO_GUARDS)

    def begin(self, starts: Mapping[str, State]) -> None:
        """The states that rules had at the hole's start, if they had any."""
        states = {rule_id: state for rule_id, state in starts.items() if state.memory or state != DEFAULT}
        if not states:
            return
        self.states = states
        begun = {rule_id: state for rule_id, state in states.items() if state.memory}
        self.begun = (states if len(begun) == len(states) else begun) or NO_STATES
        if inherited := [rule_id for rule_id, state in states.items() if state.phase in _FIRING]:
            self.inherited = frozenset(inherited)

    def go_on(self, states: Mapping[str, State]) -> None:
        """The states of the live machines after the sample at the hole's end."""
        if live := [rule_id for rule_id, state in states.items() if state.phase in OPEN]:
            self.live = frozenset(live)

    def copy(self) -> Hole:
        """As it is now, whatever happens to this one."""
        return Hole(
            self.from_ms, self.to_ms, self.value, self.last_ms, self.states, self.begun, self.inputs, self.inherited,
            self.live, self.over, self.ended, self.heard_ms,
        )  # fmt: skip

    def waits_for_value(self, rule_id: str) -> bool:
        """Whether the live sample after it had no value, and none since has said what a rule makes of it."""
        return self.value is None and rule_id not in self.live and rule_id not in self.ended

    def concerns(self, rule_id: str) -> bool:
        """Whether it matters to the hole what the live alert of a rule does."""
        return rule_id not in self.over or rule_id not in self.ended

    def lasts(self, rule_id: str, state: State) -> bool:
        """Whether what a rule has open at the hole's end is one with what is live, or at least not contradicted."""
        if rule_id in self.live:
            return rule_id not in self.over
        return state.phase is not Phase.PENDING and rule_id not in self.ended

    def keep(self, rule_id: str, state: State) -> None:
        """Keeps a state that a rule has come to."""
        if state == DEFAULT:
            if rule_id in self.states:
                self.states = {rule: kept for rule, kept in self.states.items() if rule != rule_id}
        elif self.states.get(rule_id) is not state:
            self.states = {**self.states, rule_id: state}
        if state.phase not in OPEN:
            self.inherited -= {rule_id}

    def to_json(self) -> dict[str, Any]:
        """As a JSON object, without what is empty: after an outage each series of a site has a hole at once."""
        entry: dict[str, Any] = {
            "from_ms": self.from_ms, "to_ms": self.to_ms, "value": self.value, "last_ms": self.last_ms,
        }  # fmt: skip
        if self.states:
            entry["states"] = {rule: state.to_json() for rule, state in self.states.items()}
        if self.begun:
            entry["begun"] = {rule: state.to_json() for rule, state in self.begun.items()}
        if self.inputs:
            entry["inputs"] = inputs_to_json(self.inputs)
        for name in _SETS:
            if rules := getattr(self, name):
                entry[name] = sorted(rules)
        if self.ended:
            entry["ended"] = dict(self.ended)
        return entry

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Hole:
        """What `to_json` wrote.

        Raises:
            ValueError: It was not.
        """
        value = entry["value"]
        return cls(
            int(entry["from_ms"]),
            int(entry["to_ms"]),
            None if value is None else float(value),
            int(entry["last_ms"]),
            {rule: State.from_json(state or {}) for rule, state in entry.get("states", {}).items()},
            {rule: State.from_json(state or {}) for rule, state in entry.get("begun", {}).items()},
            inputs_from_json(entry.get("inputs", [])),
            frozenset(entry.get("inherited", ())),
            frozenset(entry.get("live", ())),
            frozenset(entry.get("over", ())),
            {rule: int(at_ms) for rule, at_ms in entry.get("ended", {}).items()},
        )


def at_start(state: State) -> State:
    """A state as it was when the hole began: what the clock has said of the silence since is taken back."""
    if state.phase is Phase.UNKNOWN:
        return replace(state, phase=Phase.OK, blind_ms=NEVER, held_ms=NEVER, suppressed_ms=0)
    return state if state.blind_ms == NEVER else replace(state, blind_ms=NEVER)


def inputs_to_json(inputs: Mapping[Watch, Input]) -> list[list[Any]]:
    """As a JSON array of [metric, above, below, what the watch says]."""
    return [[watch.metric, watch.above, watch.below, found.to_json()] for watch, found in inputs.items()]


def inputs_from_json(entry: list[list[Any]]) -> dict[Watch, Input]:
    """What `inputs_to_json` wrote.

    Raises:
        ValueError: It was not.
    """
    return {Watch(metric, above, below): Input.from_json(found) for metric, above, below, found in entry}
