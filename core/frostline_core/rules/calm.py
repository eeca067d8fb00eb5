"""What rules say of a series about which they know nothing, which is nearly every series nearly all the time.

Where that follows from a rule's keys alone, it is the same for each series that the rule is bound to: it is worked out
once for all rules that are bound together, and a series needs neither guards nor timers of its own for them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from frostline_core.rules.state import FOREVER_MS, HIGHEST, NEVER, OPEN_GUARD, Guard


@dataclass(frozen=True, slots=True)
class Calm:
    """What a rule says of the default state, or several rules together.

    Attributes:
        guard: See `Bound.guard`.
        silence_ms: After so much silence the clock alone changes something; FOREVER_MS: it never does.
        unheard_ms: The same while no sample has come.
    """

    guard: Guard = OPEN_GUARD
    silence_ms: int = FOREVER_MS
    unheard_ms: int = FOREVER_MS

    def lets(self, value: float | None, at_ms: int) -> bool:
        """Whether a sample changes nothing; one without a usable value may."""
        guard = self.guard
        return value is not None and guard.low <= value <= guard.high and at_ms < guard.deadline_ms

    def due_ms(self, last_ms: int, listening_ms: int) -> int:
        """See `Bound.due_ms`; FOREVER_MS for never.

        Args:
            last_ms: Event time of the newest sample; NEVER before the first.
            listening_ms: Since when the series has been listened for.
        """
        wait_ms = self.unheard_ms if last_ms == NEVER else self.silence_ms
        return FOREVER_MS if wait_ms == FOREVER_MS else max(last_ms, listening_ms) + wait_ms


def together(rules: Iterable[Calm | None]) -> Calm | None:
    """What several rules say; None where one of them says nothing that holds for every series."""
    found = list(rules)
    known = [each for each in found if each is not None]
    if len(known) < len(found):
        return None
    guard = Guard(
        max((each.guard.low for each in known), default=-HIGHEST),
        min((each.guard.high for each in known), default=HIGHEST),
        min((each.guard.deadline_ms for each in known), default=FOREVER_MS),
    )
    silence_ms = min((each.silence_ms for each in known), default=FOREVER_MS)
    return Calm(guard, silence_ms, min((each.unheard_ms for each in known), default=FOREVER_MS))
