"""How the data of a device flowed at a time in the past: live, or in the holes that a backlog is filling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from frostline_core.rules.hole import Hole
from frostline_core.rules.ledger import Ledger
from frostline_core.rules.slot import Slot
from frostline_core.rules.state import NEVER, NO_INPUTS, Heard
from frostline_core.rules.watch import Input, Watch


class Past:
    """What rules are told of a backlog's circumstances."""

    def __init__(self, ledger: Ledger, last_ms: Sequence[int]) -> None:
        self._ledger, self._last_ms = ledger, last_ms

    def hole(self, slot: int, at_ms: int) -> Hole | None:
        """The hole of a series that an instant is in."""
        holes = self._ledger.holes.get(slot, ())
        return next((each for each in holes if each.from_ms < at_ms < each.to_ms), None)

    def heard(self, known: Slot, hole: Hole, at_ms: int) -> Heard:
        """How the data of a series flowed in one of its holes."""
        inputs = self._inputs(known, at_ms) if known.device.inputs else NO_INPUTS
        seen_ms = partial(self._seen_ms, known, at_ms)
        return Heard(hole.last_ms, NEVER, NEVER, inputs, known.pauses, seen_ms)

    def _seen_ms(self, known: Slot, at_ms: int, metric: str) -> int:
        """Event time of a metric's newest sample then; of the backlog where that is in a hole."""
        slot = known.device.slots.get(metric)
        if slot is None:
            return NEVER
        hole = self.hole(slot, at_ms)
        return min(at_ms, self._last_ms[slot] if hole is None else hole.last_ms)

    def _inputs(self, known: Slot, at_ms: int) -> Mapping[Watch, Input]:
        """What a device's watches said then: in the hole of the series watched, or before it."""
        found: dict[Watch, Input] = {}
        for watch, live in known.device.inputs.items():
            slot = known.device.slots.get(watch.metric)
            hole = None if slot is None else self.hole(slot, at_ms)
            found[watch] = live.as_of(at_ms) if hole is None else hole.inputs.get(watch, Input()).as_of(at_ms)
        return found
