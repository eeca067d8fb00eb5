"""A virtual buffer: what a probe in a bottle of glycol, or in the product, would show while the air does what it does.

A lag of first order: the level goes toward the air's value, and after `tau` has come 63 % of the way. A value lasts
until the next sample, so the level is exact however far apart samples are. After a gap nobody knows the level; it is
taken to be the first value then, and is settled again, within 5 % of what it was off, after three times `tau`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SETTLED = 3
"""After so many times `tau` the first guess does not matter any more: 5 % of it is left."""


@dataclass(frozen=True, slots=True)
class Level:
    """What a buffer has come to.

    Attributes:
        at_ms: Event time of the newest sample.
        value: Of that sample; it lasts.
        level: The buffer's temperature then, in the metric's unit.
        from_ms: Since when it has been followed without a gap.
    """

    at_ms: int
    value: float
    level: float
    from_ms: int

    @classmethod
    def first(cls, at_ms: int, value: float) -> Level:
        """Where nothing is known, it is what the air is."""
        return cls(at_ms, value, value, at_ms)

    def then(self, at_ms: int, value: float, tau_ms: int) -> Level:
        """After another sample, which is no earlier."""
        left = math.exp(-(at_ms - self.at_ms) / tau_ms)
        return Level(at_ms, value, self.value + (self.level - self.value) * left, self.from_ms)

    def is_settled(self, tau_ms: int) -> bool:
        """Whether the first guess has worn off."""
        return self.at_ms - self.from_ms >= SETTLED * tau_ms
