"""What keeps a rule from opening an incident: a defrost, an open door, a start-up, closing hours; and what never does.

suppress_while = ["defrost_active", { metric = "compressor_running", below = 0.5 }]
grace = "20m"        # and so long after it
cap = "45m"          # never longer than this, and never longer than this for one excursion
hard_limit = { above = 12.0 }   # fires at once, whatever is suppressed
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from frostline_core.config import ConfigModel
from frostline_core.rules.duration import Duration
from frostline_core.rules.state import NEVER, Heard
from frostline_core.rules.watch import Input, Watch

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
TRUE_ABOVE = 0.5
"""A flag is 0 or 1; as a condition it holds above this."""


def _as_table(value: object) -> object:
    return {"metric": value, "above": TRUE_ABOVE} if isinstance(value, str) else value


class Circumstance(ConfigModel):
    """A condition on another metric of the same device."""

    metric: str = Field(min_length=1, max_length=200, description="A metric of the same device.")
    above: Number | None = Field(None, description="It holds above this.")
    below: Number | None = Field(None, description="It holds below this.")

    @model_validator(mode="after")
    def _has_sense(self) -> Self:
        if self.above is None and self.below is None:
            raise ValueError("give `above`, `below` or both; a flag that is to be true is written as its name alone")
        if self.above is not None and self.below is not None and self.below > self.above:
            raise ValueError("`below` must not be more than `above`")
        return self

    @property
    def watch(self) -> Watch:
        """What to watch for it."""
        return Watch(self.metric, self.above, self.below)


Circumstances = Annotated[
    tuple[Annotated[Circumstance, BeforeValidator(_as_table, json_schema_input_type=str | Circumstance)], ...],
    Field(max_length=20),
]
"""Conditions of which one must hold; the name of a flag stands for "it is true"."""


class HardLimit(ConfigModel):
    """Limits that ignore `for`, suppression, schedules and maintenance."""

    above: Number | None = Field(None, description="Fires at once above this value, in the metric's unit.")
    below: Number | None = Field(None, description="Fires at once below this value, in the metric's unit.")

    @model_validator(mode="after")
    def _has_sense(self) -> Self:
        if self.above is None and self.below is None:
            raise ValueError("give `above`, `below` or both")
        return self

    def passed(self, value: float) -> float | None:
        """The limit that a value is beyond; None when it is within them."""
        if self.above is not None and value > self.above:
            return self.above
        return self.below if self.below is not None and value < self.below else None


class Suppression(ConfigModel):
    """The keys `suppress_while`, `grace` and `cap` of a rule."""

    suppress_while: Circumstances = Field(
        (), description="While one of these holds, a value out of range opens nothing; an open incident stays open."
    )
    grace: Duration = Field(0, description="How long after the end of `suppress_while` it still counts.")
    cap: Duration = Field(
        2700, ge=1000, description="How long one circumstance, or all of them for one excursion, may suppress at most."
    )


def until_ms(suppression: tuple[Iterable[Watch], int, int], held_ms: int, heard: Heard, at_ms: int) -> int:
    """Until when an instant is suppressed by what is watched; NEVER if it is not.

    Args:
        suppression: What is watched, grace and cap in milliseconds.
        held_ms: Since when the excursion has lasted; NEVER when it begins now.
        heard: With the inputs as of that instant.
        at_ms: The instant.
    """
    watches, grace_ms, cap_ms = suppression
    end = max((_end(heard.inputs.get(watch), grace_ms, cap_ms) for watch in watches), default=NEVER)
    if held_ms != NEVER:
        end = min(end, held_ms + cap_ms)
    return end if end > at_ms else NEVER


def _end(found: Input | None, grace_ms: int, cap_ms: int) -> int:
    if found is None:
        return NEVER
    if found.value == 1.0:
        return found.since_ms + cap_ms
    if found.was == 1.0:
        return min(found.since_ms + grace_ms, found.was_since_ms + cap_ms)
    return NEVER


def paused_until_ms(spans: Iterable[tuple[int, int]], at_ms: int) -> int:
    """The end of the span that an instant is in, adjoining spans taken together; NEVER if it is in none."""
    end = NEVER
    for start, stop in spans:
        if start <= max(at_ms, end) < stop:
            end = stop
    return end
