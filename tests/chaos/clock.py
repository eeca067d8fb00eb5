"""What a gateway's stamps must be wrong by while its machine's clock is set about. Pure.

The promise (docs/decisions/0008): a clock that is set back is caught up with at half speed, also over a restart; while
it is lost (1970) samples wait, and get the time that is known once it is back. This says the same in other words than
the gateway's own code, from what was done to the clock and when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NEAR_MS = 2_000
"""What is sent so near to a step may be read, or told as lost, on either side of it."""


@dataclass(frozen=True, slots=True)
class Setting:
    """The machine's clock was set.

    Attributes:
        at_ms: When, true UTC milliseconds.
        ahead_ms: By how much it is ahead of the truth from then on; negative: behind.
        lost: It says 1970, and nobody believes it.
    """

    at_ms: float
    ahead_ms: float
    lost: bool = False


@dataclass(frozen=True, slots=True)
class _Span:
    """From `at_ms` on stamps are wrong by `ahead_ms`, and by `held_ms` more, which shrinks at half speed."""

    at_ms: float
    ahead_ms: float
    held_ms: float

    def wrong_ms(self, at_ms: float) -> float:
        return self.ahead_ms + self.left_ms(at_ms)

    def left_ms(self, at_ms: float) -> float:
        return max(0.0, self.held_ms - (at_ms - self.at_ms) / 2)


class StampErrors:
    """By how much a stamp may be off.

    Args:
        settings: In order of time; before the first the clock was right.
    """

    def __init__(self, settings: Sequence[Setting] = ()) -> None:
        spans = [_Span(float("-inf"), 0.0, 0.0)]
        waiting: list[float] = []
        for each in settings:
            if each.lost:
                waiting.append(each.at_ms)
                continue
            last = spans[-1]
            held_ms = max(0.0, last.wrong_ms(each.at_ms) - each.ahead_ms)
            # What was read while the clock was lost is stamped by what is known when it is back.
            spans += [_Span(at_ms, each.ahead_ms + held_ms, 0.0) for at_ms in waiting]
            spans.append(_Span(each.at_ms, each.ahead_ms, held_ms))
            waiting = []
        self._spans = spans

    def around(self, at_ms: float) -> tuple[float, float]:
        """The least and the most that the stamp of a sample of that moment may be off by."""
        found = [self._at(at_ms - NEAR_MS), self._at(at_ms + NEAR_MS)]
        for before, span in zip(self._spans, self._spans[1:], strict=False):
            if abs(span.at_ms - at_ms) <= NEAR_MS:
                found += [before.wrong_ms(span.at_ms), span.wrong_ms(span.at_ms)]
        return min(found), max(found)

    def _at(self, at_ms: float) -> float:
        return next(span for span in reversed(self._spans) if span.at_ms <= at_ms).wrong_ms(at_ms)
