"""What has changed since the last `settle`, so that all of it can be kept or taken back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from frostline_core.rules.hole import Hole, inputs_to_json
from frostline_core.rules.state import DEFAULT, State
from frostline_core.rules.transition import Transition
from frostline_core.rules.watch import Input, Watch

HOLES = "~holes"
INPUTS = "~inputs"
"""Names of a series' own rows among the rule states; no rule can have such an id."""

Rows = Callable[[int, str], dict[str, Any] | None]


@dataclass(slots=True)
class Ledger:
    """The state of every series, and how it was at the last `settle`.

    Attributes:
        states: Of each slot, by rule id, only what differs from the default.
        holes: Of the slots that have any.
        inputs: What a slot's own watches say, of the slots that are watched.
        transitions: Since the last `settle`.
    """

    states: list[dict[str, State]] = field(default_factory=list)
    holes: dict[int, list[Hole]] = field(default_factory=dict)
    inputs: dict[int, dict[Watch, Input]] = field(default_factory=dict)
    transitions: list[Transition] = field(default_factory=list)
    _states_before: dict[tuple[int, str], State] = field(default_factory=dict)
    _holes_before: dict[int, list[Hole]] = field(default_factory=dict)
    _inputs_before: dict[int, dict[Watch, Input]] = field(default_factory=dict)
    _opened: list[tuple[int, Hole]] = field(default_factory=list)
    _dropped: list[tuple[int, Hole]] = field(default_factory=list)
    _unsaved: set[int] = field(default_factory=set)

    def put(self, slot: int, rule_id: str, state: State) -> None:
        """A rule's new state on a slot."""
        self._states_before.setdefault((slot, rule_id), self.states[slot].get(rule_id, DEFAULT))
        self._set(slot, rule_id, state)

    def touch_holes(self, slot: int, *, save: bool = True) -> list[Hole]:
        """The holes of a slot, to be changed now; `save`: SQL must hear of it at this `settle`."""
        found = self.holes.setdefault(slot, [])
        if slot not in self._holes_before:
            self._holes_before[slot] = [hole.copy() for hole in found]
        if save:
            self._unsaved.add(slot)
        return found

    def open_hole(self, slot: int, hole: Hole, *, save: bool) -> list[Hole]:
        """Adds a hole to a slot; `save` as in `touch_holes`. Much cheaper than that, because most holes stay empty."""
        found = self.holes.setdefault(slot, [])
        found.append(hole)
        self._opened.append((slot, hole))
        if save:
            self._unsaved.add(slot)
        return found

    def drop_hole(self, slot: int, hole: Hole) -> None:
        """Takes a hole from a slot; SQL may go on holding it."""
        self.holes[slot].remove(hole)
        if slot not in self._holes_before:
            self._dropped.append((slot, hole))

    def touch_inputs(self, slot: int) -> dict[Watch, Input]:
        """What a slot's watches say, to be changed now."""
        found = self.inputs.setdefault(slot, {})
        if slot not in self._inputs_before:
            self._inputs_before[slot] = dict(found)
        return found

    def holds_more_than(self, slot: int, bound: frozenset[str]) -> bool:
        """Whether there are states of other rules than those that are bound to a slot."""
        holes = self.holes.get(slot, ())
        return bool(self.states[slot].keys() - bound) or any(hole.states.keys() - bound for hole in holes)

    def rows(self) -> list[tuple[str, int, dict[str, Any] | None]]:
        """(name, slot, content) of every row that is not as at the last `settle`."""
        rows: list[tuple[str, int, dict[str, Any] | None]] = [
            (rule_id, slot, now.to_json())
            for (slot, rule_id), before in self._states_before.items()
            if (now := self.states[slot].get(rule_id, DEFAULT)) != before
        ]
        for slot in sorted(self._unsaved):
            holes = self.holes.get(slot)
            rows.append((HOLES, slot, {"holes": [hole.to_json() for hole in holes]} if holes else None))
        for slot, before_inputs in self._inputs_before.items():
            if self.inputs[slot] != before_inputs:
                rows.append((INPUTS, slot, {"inputs": inputs_to_json(self.inputs[slot])}))
        return rows

    def settle(self) -> None:
        """Keeps everything."""
        self._clear()

    def forget(self) -> set[int]:
        """Takes everything back; returns the slots that it concerns."""
        for (slot, rule_id), state in self._states_before.items():
            self._set(slot, rule_id, state)
        for slot, holes in self._holes_before.items():
            if holes:
                self.holes[slot] = holes
            else:
                self.holes.pop(slot, None)
        for slot, hole in reversed(self._dropped):
            self.holes[slot] = sorted([*self.holes.get(slot, ()), hole], key=_from_ms)
        for slot, hole in self._opened:
            kept = [
                each for each in self.holes.get(slot, ()) if (each.from_ms, each.to_ms) != (hole.from_ms, hole.to_ms)
            ]
            self.holes[slot] = kept
        for slot, inputs in self._inputs_before.items():
            self.inputs[slot].clear()
            self.inputs[slot].update(inputs)
        touched = {slot for slot, _ in self._states_before} | {slot for slot, _ in self._opened}
        touched |= self._holes_before.keys() | self._inputs_before.keys()
        self._clear()
        return touched

    def _set(self, slot: int, rule_id: str, state: State) -> None:
        if state == DEFAULT:
            self.states[slot].pop(rule_id, None)
        else:
            self.states[slot][rule_id] = state

    def _clear(self) -> None:
        for slot in self._holes_before:
            if not self.holes.get(slot):
                self.holes.pop(slot, None)
        self._opened.clear()
        self._dropped.clear()
        self._states_before.clear()
        self._holes_before.clear()
        self._inputs_before.clear()
        self._unsaved.clear()
        self.transitions.clear()


def _from_ms(hole: Hole) -> int:
    return hole.from_ms
