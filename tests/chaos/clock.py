"""What a gateway's stamps must be wrong by while its machine's clock is set about. Pure.

The promise (docs/decisions/0008): a clock that is set back is caught up with at half speed, also over a restart; while
it is lost (1970) samples wait, at full speed, and get the time that is known once it is back. This says the same in
other words than the gateway's own code, from what was done to the clock and when.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

START_MS = 6_000
"""A process may take so long to look at the clock for the first time."""
_LOOKS_MS = 1_000
"""A process that runs looks at least so often."""
NEAR_MS = 2_000
"""What is sent so near to a step may be read, or told as lost, on either side of it."""


@dataclass(frozen=True, slots=True)
class Setting:
    """The machine's clock was set.

    Attributes:
        at_ms: When, true UTC milliseconds.
        ahead_ms: By how much it is ahead of the truth from then on; negative: behind.
        lost: It says 1970, and nobody believes it.
        seen_ms: By when a process has certainly looked at it; infinite if perhaps none has.
    """

    at_ms: float
    ahead_ms: float
    lost: bool = False
    seen_ms: float = 0.0


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
        at_once = [replace(each, seen_ms=each.at_ms) for each in settings]
        certain = [each for each in settings if each.seen_ms < float("inf")]
        self._lines = [_spans(at_once), _spans(settings), _spans(certain)]

    def around(self, at_ms: float) -> tuple[float, float]:
        """The least and the most that the stamp of a sample of that moment may be off by."""
        found = [error for line in self._lines for error in _around(line, at_ms)]
        return min(found), max(found)


def _spans(settings: Sequence[Setting]) -> list[_Span]:
    spans = [_Span(float("-inf"), 0.0, 0.0)]
    waiting: list[Setting] = []
    for each in settings:
        if each.lost:
            waiting.append(each)
            continue
        # Our time has gone on at half speed until somebody saw that the clock was lost, and at full speed from then on.
        until_ms = min([each.at_ms, *(max(lost.at_ms, lost.seen_ms) for lost in waiting)])
        held_ms = max(0.0, spans[-1].wrong_ms(until_ms) - each.ahead_ms)
        # What was read while the clock was lost is stamped by what is known when it is back.
        spans += [_Span(lost.at_ms, each.ahead_ms + held_ms, 0.0) for lost in waiting]
        spans.append(_Span(each.at_ms, each.ahead_ms, held_ms))
        waiting = []
    return spans


def _around(spans: Sequence[_Span], at_ms: float) -> list[float]:
    """The errors just before, just after, and at each step between."""
    found = [
        next(span for span in reversed(spans) if span.at_ms <= moment).wrong_ms(moment)
        for moment in (at_ms - NEAR_MS, at_ms + NEAR_MS)
    ]
    for before, span in itertools.pairwise(spans):
        if abs(span.at_ms - at_ms) <= NEAR_MS:
            found += [before.wrong_ms(span.at_ms), span.wrong_ms(span.at_ms)]
    return found


def seen(settings: Sequence[Setting], lives: Sequence[tuple[float, float]]) -> list[Setting]:
    """The settings with the times by when a process saw them: our time knows nothing of a clock that nobody looked at.

    Args:
        settings: In order of time.
        lives: Of the gateway: begin and end.
    """
    ends = [each.at_ms for each in settings[1:]] + [float("inf")]
    return [
        replace(each, seen_ms=min((look for look in _looks(each, lives) if look <= end_ms), default=float("inf")))
        for each, end_ms in zip(settings, ends, strict=True)
    ]


def _looks(setting: Setting, lives: Sequence[tuple[float, float]]) -> list[float]:
    """When each process that lived then had looked at the clock."""
    return [max(setting.at_ms, began + START_MS) for began, ended in lives if setting.at_ms + _LOOKS_MS <= ended]
