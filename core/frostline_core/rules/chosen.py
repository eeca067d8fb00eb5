"""The rules that apply to a series, and what follows from them alone: one object for all series of the same rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from frostline_core.rules.bound import Bound
from frostline_core.rules.calm import Calm, together
from frostline_core.rules.state import OPEN_GUARD, Guard
from frostline_core.rules.watch import Watch


@dataclass(frozen=True, slots=True)
class Chosen:
    """Rules that are bound together.

    Attributes:
        rules: In the order in which they are shown a sample.
        ids: Their ids.
        inputs: Other metrics of the device that they need.
        calm: What all of them together say of the default state; None where that is not the same for every series.
        guards: What each of them says of it; open where that is not the same for every series.
    """

    rules: tuple[Bound, ...]
    ids: frozenset[str]
    inputs: tuple[Watch, ...]
    calm: Calm | None
    guards: tuple[Guard, ...]

    @classmethod
    def of(cls, rules: Iterable[Bound]) -> Chosen:
        """What follows from rules."""
        bound = tuple(rules)
        calms = [rule.calm for rule in bound]
        return cls(
            bound,
            frozenset([rule.id for rule in bound]),
            tuple(dict.fromkeys([watch for rule in bound for watch in rule.inputs()])),
            together(calms),
            tuple([OPEN_GUARD if calm is None else calm.guard for calm in calms]),
        )


NONE_CHOSEN = Chosen.of(())
