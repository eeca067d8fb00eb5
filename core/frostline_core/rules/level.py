"""One limit of a rule of the kind `levels`: how long a value may be beyond it, and what has added up of that. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Self

from pydantic import Field, model_validator

from frostline_core.config import ConfigModel
from frostline_core.rules.condition import beyond
from frostline_core.rules.duration import Duration, text
from frostline_core.rules.state import Severity
from frostline_core.rules.suppress import Number
from frostline_core.rules.tally import PARTS, added


class Mode(StrEnum):
    """How the time beyond a level adds up."""

    CONSECUTIVE = "consecutive"
    CUMULATIVE = "cumulative"


class Level(ConfigModel):
    """One limit with its time."""

    above: Number | None = Field(None, description="The value counts above this, in the metric's unit.")
    below: Number | None = Field(None, description="The value counts below this, in the metric's unit.")
    for_ms: Duration = Field(0, alias="for", description="How long it may be beyond the limit.")
    mode: Mode = Field(Mode.CONSECUTIVE, description="consecutive or cumulative.")
    within: Duration | None = Field(
        None, ge=600_000, description="The window of a cumulative level; without it, one incident."
    )
    severity: Severity = Field(Severity.WARNING, description="info, warning or critical.")

    @model_validator(mode="after")
    def _has_sense(self) -> Self:
        if self.above is None and self.below is None:
            raise ValueError("give `above`, `below`, or both for a band")
        if self.above is not None and self.below is not None and self.below > self.above:
            raise ValueError("`below` must not be more than `above`")
        if self.within is not None and (self.mode is Mode.CONSECUTIVE or self.within < self.for_ms):
            raise ValueError("`within` is for cumulative levels, and not shorter than their `for`")
        if self.mode is Mode.CUMULATIVE and self.for_ms == 0:
            raise ValueError("a cumulative level needs a `for`")
        return self

    @property
    def is_of_incident(self) -> bool:
        """Whether it adds up over one incident."""
        return self.mode is Mode.CUMULATIVE and self.within is None

    @property
    def part_ms(self) -> int:
        """The length of a part of its window."""
        return max(1, (self.within or 0) // PARTS)

    def is_out(self, value: float) -> bool:
        """Beyond it."""
        return beyond(value, self.below, self.above)

    def is_back(self, value: float, hysteresis: float) -> bool:
        """Within it by the hysteresis."""
        return (self.above is None or value <= self.above - hysteresis) and (
            self.below is None or value >= self.below + hysteresis
        )

    def spent_ms(self, spent: Sequence[Any] | None, at_ms: int) -> float:
        """How much time has added up."""
        if not spent:
            return 0.0
        if self.within is None:
            return float(spent[1])
        start, step = at_ms - self.within, self.part_ms
        return float(sum(ms * min(1.0, max(0.0, ((index + 1) * step - start) / step)) for index, _, ms in spent))

    def limit(self, value: float) -> float:
        """The side that a value is nearer to, or beyond."""
        if self.above is None or (self.below is not None and value - self.below < self.above - value):
            assert self.below is not None, "the model demands one"  # noqa: S101
            return self.below
        return self.above

    def __str__(self) -> str:
        """In words."""
        sides = [f"above {self.above:g}"] if self.above is not None else []
        sides += [f"below {self.below:g}"] if self.below is not None else []
        words = " or ".join(sides)
        if self.for_ms:
            words += f" for {text(self.for_ms)}"
        if self.mode is Mode.CUMULATIVE:
            words += " in all" + (f" within {text(self.within)}" if self.within is not None else "")
        return words


def with_span(level: Level, spent: Any, span: tuple[int, int]) -> Any:
    """With a span of event time beyond the level."""
    start, end = span
    if level.within is not None:
        return added(spent or (), level.part_ms, span, 1.0)
    since, ms = spent or (start, 0)
    return [since, ms + end - start]


def joined(level: Level, to_ms: int, counts: tuple[Any, Any, Any]) -> Any:
    """What the backlog has counted to the end of its hole, and the live samples since, `alone` being in both.

    Args:
        level: The level.
        to_ms: The end of the hole.
        counts: Of the backlog; of the live samples; of the live samples up to the end of the hole, without the backlog.
    """
    late, live, alone = counts
    if level.within is not None:
        parts: dict[int, list[float]] = {}
        for found, sign in ((late, 1), (live, 1), (alone, -1)):
            for index, seen, ms in found or ():
                known = parts.setdefault(index, [0, 0.0])
                parts[index] = [known[0] + sign * seen, known[1] + sign * ms]
        return [[index, seen, ms] for index, (seen, ms) in sorted(parts.items()) if seen > 0]
    if not live or live[0] > to_ms:
        return live
    since_hole = live[1] - (alone[1] if alone else 0)
    return [late[0], late[1] + since_hole] if late else [to_ms, since_hole]
