"""What a gateway's stamps must be wrong by while its machine's clock is set about. Pure.

The promise (docs/decisions/0008): a clock that is set back is caught up with at half speed, also over a restart; while
it is lost (1970) samples wait, at full speed, and get the time that is known once it is back. This says the same in
other words than the gateway's own code, from what was done to the clock and when.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
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
        return self.ahead_ms + max(0.0, self.held_ms - max(0.0, at_ms - self.at_ms) / 2)


@dataclass(frozen=True, slots=True)
class _State:
    """What the gateway may believe.

    Attributes:
        span: What it last saw.
        lost_ms: By how much our time was wrong when the clock was lost, if it is.
        waits: The eras in which samples were read without a clock.
    """

    span: _Span
    lost_ms: float | None = None
    waits: tuple[int, ...] = ()

    def wrong_ms(self, at_ms: float) -> float:
        return self.span.wrong_ms(at_ms) if self.lost_ms is None else self.lost_ms


class StampErrors:
    """By how much a stamp may be off.

    From one setting to the next is an era, and each has all spans that the gateway may be in: it may or may not have
    seen a setting, and may have seen it late.

    Args:
        settings: In order of time; before the first the clock was right.
        stall_ms: For so long the machine may hold up any process.
    """

    def __init__(self, settings: Sequence[Setting] = (), stall_ms: float = 0.0) -> None:
        self._near_ms, start_ms = NEAR_MS + stall_ms, START_MS + stall_ms
        never = float("-inf")
        self._begins = [never, *(each.at_ms for each in settings)]
        self._eras = [{_Span(never, 0.0, 0.0)}]
        states = {_State(_Span(never, 0.0, 0.0))}
        for each, end_ms in zip(settings, [*self._begins[2:], float("inf")], strict=False):
            self._eras.append(set())
            after = {found for state in states for found in self._after(state, each, end_ms)}
            self._eras[-1] |= {state.span for state in after if state.lost_ms is None}
            states = _extremes(after, min(end_ms, each.at_ms + start_ms))

    def around(self, at_ms: float) -> tuple[float, float]:
        """The least and the most that the stamp of a sample of that moment may be off by."""
        first, last = at_ms - self._near_ms, at_ms + self._near_ms
        found = [
            span.wrong_ms(moment)
            for (begin, end), spans in zip(itertools.pairwise([*self._begins, float("inf")]), self._eras, strict=True)
            if begin <= last and end >= first
            for span in spans
            for moment in (max(begin, first), min(end, last))
        ]
        return min(found, default=0.0), max(found, default=0.0)

    def _after(self, state: _State, setting: Setting, end_ms: float) -> Iterator[_State]:
        """What the gateway may believe after a setting."""
        if setting.seen_ms == float("inf"):
            yield state
        for look_ms in {setting.at_ms, min(max(setting.at_ms, setting.seen_ms), end_ms)}:
            if look_ms == float("inf"):
                continue
            wrong_ms = state.wrong_ms(look_ms)
            if setting.lost:
                yield replace(state, lost_ms=wrong_ms, waits=(*state.waits, len(self._eras) - 1))
                continue
            held_ms = max(0.0, wrong_ms - setting.ahead_ms)
            # What was read while the clock was lost is stamped by what is known when it is back.
            for era in state.waits:
                self._eras[era].add(_Span(setting.at_ms, setting.ahead_ms + held_ms, 0.0))
            yield _State(_Span(look_ms, setting.ahead_ms, held_ms))


def _extremes(states: set[_State], at_ms: float) -> set[_State]:
    """Of states that differ only in how far our time is ahead, those that are ahead least and most from a moment on."""
    kept: dict[object, list[_State]] = {}
    for state in sorted(states, key=lambda state: state.wrong_ms(at_ms)):
        kept.setdefault((state.span.ahead_ms, state.lost_ms is None, state.waits), []).append(state)
    return {state for alike in kept.values() for state in (alike[0], alike[-1])}


def seen(settings: Sequence[Setting], lives: Sequence[tuple[float, float]], stall_ms: float = 0.0) -> list[Setting]:
    """The settings with the times by when a process saw them: our time knows nothing of a clock that nobody looked at.

    Args:
        settings: In order of time.
        lives: Of the gateway: begin and end.
        stall_ms: For so long the machine may hold up any process.
    """
    ends = [each.at_ms for each in settings[1:]] + [float("inf")]
    return [
        replace(
            each, seen_ms=min((look for look in _looks(each, lives, stall_ms) if look <= end_ms), default=float("inf"))
        )
        for each, end_ms in zip(settings, ends, strict=True)
    ]


def _looks(setting: Setting, lives: Sequence[tuple[float, float]], stall_ms: float) -> list[float]:
    """When each process that lived then had looked at the clock."""
    start_ms, looks_ms = START_MS + stall_ms, _LOOKS_MS + stall_ms
    return [
        max(setting.at_ms + stall_ms, began + start_ms) for began, ended in lives if setting.at_ms + looks_ms <= ended
    ]
