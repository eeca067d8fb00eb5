"""What a rule watches besides its own series: another metric of the same device, as a value or as a condition.

    Watch("setpoint")                       the value itself
    Watch("defrost_active", above=0.5)      1 while it holds, 0 while it does not

A metric that is watched has a guard of its own: between two changes its samples cost nothing.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

NEVER = -1
"""In place of a time: it has not happened."""

_HIGHEST = sys.float_info.max


@dataclass(frozen=True, slots=True)
class Watch:
    """A metric of the same device; with a limit it is a condition: beyond the limit or not.

    Attributes:
        metric: The metric's name.
        above: The condition holds above this.
        below: The condition holds below this; with `above` too, outside of the band.
    """

    metric: str
    above: float | None = None
    below: float | None = None

    @property
    def is_condition(self) -> bool:
        """Whether it is read as 1 or 0."""
        return self.above is not None or self.below is not None

    def read(self, value: float) -> float:
        """What a value means: itself, or 1 where the condition holds and 0 where not."""
        if not self.is_condition:
            return value
        beyond = (self.above is not None and value > self.above) or (self.below is not None and value < self.below)
        return 1.0 if beyond else 0.0

    def band(self, said: float) -> tuple[float, float]:
        """The values, lowest and highest, of which `read` says that; none (lowest above highest) where not known."""
        if not self.is_condition:
            return said, said
        if said != 1.0:
            return -_HIGHEST if self.below is None else self.below, _HIGHEST if self.above is None else self.above
        if self.above is None and self.below is not None:
            return -_HIGHEST, math.nextafter(self.below, -math.inf)
        if self.above is not None and self.below is None:
            return math.nextafter(self.above, math.inf), _HIGHEST
        return _HIGHEST, -_HIGHEST


@dataclass(frozen=True, slots=True)
class Input:
    """What a watch says.

    Attributes:
        value: Now; None while there is no usable value.
        since_ms: Event time at which it became that.
        was: What it was before; None where that is not known.
        was_since_ms: Event time at which it had become that.
    """

    value: float | None = None
    since_ms: int = NEVER
    was: float | None = None
    was_since_ms: int = NEVER

    def then(self, value: float | None, at_ms: int) -> Input:
        """After another sample."""
        return self if value == self.value else Input(value, at_ms, self.value, self.since_ms)

    def as_of(self, at_ms: int) -> Input:
        """As it was at an earlier time; without a value where that is not known any more."""
        if self.since_ms <= at_ms:
            return self
        return Input(self.was, self.was_since_ms) if self.was_since_ms <= at_ms else Input()

    def to_json(self) -> list[float | int | None]:
        """As a short JSON array."""
        return [self.value, self.since_ms, self.was, self.was_since_ms]

    @classmethod
    def from_json(cls, entry: Sequence[float | int | None]) -> Input:
        """What `to_json` wrote.

        Raises:
            ValueError: It was not.
        """
        value, since, was, was_since = entry
        return cls(
            None if value is None else float(value),
            int(since if since is not None else NEVER),
            None if was is None else float(was),
            int(was_since if was_since is not None else NEVER),
        )
