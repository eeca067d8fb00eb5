"""Where a sample of a series changes nothing, and when the clock alone may: for each slot, from all of its rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from frostline_core.rules.device import Device
from frostline_core.rules.slot import Slot
from frostline_core.rules.state import DEFAULT, FOREVER_MS, HIGHEST, NEVER, Guard, Heard, State
from frostline_core.rules.timers import Timers


class Guards:
    """The guards and timers of an evaluator.

    Attributes:
        low: Lowest value of each slot's guard.
        high: Highest value of each slot's guard.
        deadline_ms: Event time at which each slot's guard ends.
        now_ms: The clock; NEVER before anybody has said.
        timers: Of all slots; none are set before the clock is known.
    """

    def __init__(self, slots: Sequence[Slot], states: Sequence[Mapping[str, State]], last_ms: Sequence[int]) -> None:
        self.low: list[float] = []
        self.high: list[float] = []
        self.deadline_ms: list[int] = []
        self.now_ms = NEVER
        self.timers = Timers(slots)
        self._slots, self._states, self._last_ms = slots, states, last_ms

    def add(self) -> None:
        """Another slot, whose guard is open until it is made."""
        self.low.append(-HIGHEST)
        self.high.append(HIGHEST)
        self.deadline_ms.append(FOREVER_MS)

    def heard(self, slot: int) -> Heard:
        """How the live samples of a slot flow."""
        known = self._slots[slot]
        heard = Heard(self._last_ms[slot], known.listening_ms, self.now_ms, known.device.inputs, known.pauses)
        return replace(heard, seen_ms=partial(self._seen_ms, known.device)) if known.device.watched else heard

    def refresh(self, slot: int, positions: Iterable[int] | None = None) -> None:
        """Makes the slot's guard and next timer anew, after the rules at these positions (None: all) had a say."""
        known = self._slots[slot]
        positions = range(len(known.rules)) if positions is None else positions
        guard = self._guard(slot, positions)
        low, high = guard.low, guard.high
        watched = known.device.guard(known.series.metric) if known.device.watched else None
        if watched is not None:
            low, high = max(low, watched.low), min(high, watched.high)
        self.low[slot], self.high[slot] = low, high
        first = bool(known.rules) and self._last_ms[slot] == NEVER  # it is always seen
        self.deadline_ms[slot] = NEVER if first else guard.deadline_ms
        if self.now_ms != NEVER:
            self.timers.set(slot, self._due(slot, positions))

    def due(self, slot: int) -> int:
        """The earliest time at which the clock alone changes something."""
        return self._due(slot, range(len(self._slots[slot].rules)))

    def restart(self, now_ms: int) -> None:
        """Sets every timer anew, by another clock."""
        self.now_ms = now_ms
        self.timers.clear()
        for slot in range(len(self._slots)):
            self.timers.set(slot, self.due(slot))

    def _guard(self, slot: int, positions: Iterable[int]) -> Guard:
        known, states = self._slots[slot], self._states[slot]
        calm = known.chosen.calm
        if calm is not None and not states:
            known.guards = None
            return calm.guard
        guards = known.guards = known.guards or list(known.chosen.guards)
        heard = self.heard(slot)
        for position in positions:
            rule = known.rules[position]
            guards[position] = rule.guard(states.get(rule.id, DEFAULT), heard)
        return Guard(
            max((guard.low for guard in guards), default=-HIGHEST),
            min((guard.high for guard in guards), default=HIGHEST),
            min((guard.deadline_ms for guard in guards), default=FOREVER_MS),
        )

    def _due(self, slot: int, positions: Iterable[int]) -> int:
        """The same, for the rules at these positions."""
        known, states = self._slots[slot], self._states[slot]
        calm = known.chosen.calm
        if calm is not None and not states:
            return calm.due_ms(self._last_ms[slot], known.listening_ms)
        heard = self.heard(slot)
        rules = [known.rules[position] for position in positions]
        dues = [rule.due_ms(states.get(rule.id, DEFAULT), heard) for rule in rules]
        return min((due for due in dues if due is not None), default=FOREVER_MS)

    def _seen_ms(self, device: Device, metric: str) -> int:
        """Event time of the newest live sample of a metric."""
        return self._last_ms[device.slots[metric]] if metric in device.slots else NEVER
