"""Whether the machine's clock can be believed, and what a reading's time really is. Pure: looks are arguments.

A Pi has no clock that survives a power cut: it starts in 1970, or where it was switched off, until the network tells it
the time. Besides its wall clock a machine has one that counts from its start, never stops and is never set (`boot_ms`).

1. Until the wall clock is believed, readings are stamped with the time since the start, and wait. Once it is believed
   the difference of the two clocks makes these stamps times of day.
2. A believed clock that is set back by up to an hour is not followed at once: our time goes on, at half speed, until it
   is right again. So the samples of a series keep their order, and no two of them fall on one instant. Samples that are
   more than two seconds off meanwhile are marked uncertain. Set back further, it is followed: what was stamped before
   was wrong, and is later than what comes.
3. A believed clock that leaps forward by more than a day is not believed until it is synchronised or goes back, and
   one that falls to before 2024 not until it is plausible again.
4. What our time was (`Before`) is kept while the clock is not believed, and over a restart of the process, so that our
   time does not run backwards when the clock comes back, or was set back while no process ran. While the clock is not
   believed our time goes on at full speed: one difference dates everything that waits, and keeps its order.

Believed is (`auto`): a clock in 2024 or later that is synchronised, or that nobody has synchronised for `wait_ms` from
the machine's start, since some sites have no time on their network; or (`always`) any.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

PLAUSIBLE_MS = 1_704_067_200_000
"""2024-01-01: a clock before it was never set."""
FOLLOWED_BACK_MS = 3_600_000
LEAP_MS = 86_400_000
DOUBTFUL_MS = 2_000
_STEP_MS = 100
"""A difference that grows by less between two looks is drift."""
_RECENT_MS = 60_000
"""A reading may be under way for so long: stamped before a step, and brought after it."""
_CLEAR_STEP_MS = 2 * _RECENT_MS


class Trust(StrEnum):
    """When the machine's clock is believed: see the module."""

    AUTO = "auto"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Look:
    """The machine's clocks at one instant.

    Attributes:
        wall_ms: Time of day as the machine has it, UTC milliseconds.
        boot_ms: Milliseconds since its start.
        synchronised: Whether something keeps it right (NTP, GPS).
    """

    wall_ms: int
    boot_ms: int
    synchronised: bool

    @property
    def difference_ms(self) -> int:
        """What makes time since the start time of day."""
        return self.wall_ms - self.boot_ms


@dataclass(frozen=True, slots=True)
class Before:
    """Our time as it was when the clock was last believed, since the same start of the machine.

    Attributes:
        boot_ms: When: milliseconds since the machine's start.
        difference_ms: Of the wall clock and the time since the start.
        ahead_ms: How far our time was ahead of the wall clock.
        lost: The clock has not been believed since then.
        dates_ms: See `Clock.dates_ms`; None where nothing has been dated.
    """

    boot_ms: int
    difference_ms: int
    ahead_ms: int
    lost: bool = False
    dates_ms: int | None = None

    def at(self, boot_ms: int) -> Before:
        """The same at a later look that does not believe the clock."""
        if self.lost:
            return self
        gone_ms = max(0, boot_ms - self.boot_ms)
        return replace(self, boot_ms=boot_ms, ahead_ms=round(max(0.0, self.ahead_ms - gone_ms / 2)), lost=True)


@dataclass(frozen=True, slots=True)
class Stamp:
    """When a reading was measured.

    Attributes:
        at_ms: UTC milliseconds; while `waits`, milliseconds since the machine's start.
        waits: The time of day is not known yet.
        doubtful: It may be off by more than two seconds.
    """

    at_ms: int
    waits: bool = False
    doubtful: bool = False


class Clock:
    """What two clocks say together.

    Args:
        trust: When to believe the wall clock.
        wait_ms: How long after the machine's start a clock that nobody synchronises is believed.
        first: A first look.
        before: Our time as the process before had it, if that was since the machine's start.
    """

    def __init__(self, trust: Trust, wait_ms: int, first: Look, before: Before | None = None) -> None:
        self._trust, self._wait_ms = trust, wait_ms
        self._last = first
        self._ahead_ms = 0.0
        self._before = before.at(first.boot_ms) if before is not None else None
        self._dates_ms: int | None = None
        self._stepped: tuple[int, int] | None = None  # when (boot_ms), and by how much
        self._before_leap_ms: int | None = None
        self.steps = 0
        self.believed = False
        self._judge(first)
        if self.believed and before is not None and not before.lost and before.dates_ms is not None:
            self._dates_ms = before.dates_ms

    @property
    def synchronised(self) -> bool:
        """Whether something kept the wall clock right at the last look."""
        return self._last.synchronised

    @property
    def ahead_ms(self) -> int:
        """How far our time is ahead of the wall clock, since that was set back."""
        return round(self._ahead_ms)

    @property
    def difference_ms(self) -> int:
        """What makes time since the start ours."""
        return self._last.difference_ms + self.ahead_ms

    @property
    def dates_ms(self) -> int:
        """What makes the stamps of readings that waited ours: the difference as it was when the clock was believed."""
        return self.difference_ms if self._dates_ms is None else self._dates_ms

    @property
    def now(self) -> Before | None:
        """Our time when the clock was last believed, for a process that comes after this one; None if it never was."""
        if not self.believed:
            return self._before
        return Before(self._last.boot_ms, self._last.difference_ms, self.ahead_ms, dates_ms=self._dates_ms)

    @property
    def last_step_ms(self) -> int:
        """By how much the wall clock was last set; 0 if it never was."""
        return self._stepped[1] if self._stepped is not None else 0

    @property
    def window_ms(self) -> int:
        """How far back the newest sample of a series may lie ahead and still be pushed past, while unsteady."""
        return FOLLOWED_BACK_MS

    @property
    def unsteady(self) -> bool:
        """Whether the wall clock was set a moment ago, so that a reading may not be later than the one before it."""
        recent = self._stepped is not None and self._last.boot_ms - self._stepped[0] < _RECENT_MS
        return recent or self._ahead_ms > 0

    @property
    def steady(self) -> bool:
        """Whether every stamp is what it was given: the clock is believed, and was not set a moment ago."""
        return self.believed and not self.unsteady

    def look(self, now: Look) -> None:
        """Takes note of the clocks; at least each second, and before a reading is stamped."""
        elapsed_ms = max(0, now.boot_ms - self._last.boot_ms)
        step_ms = now.difference_ms - self._last.difference_ms
        self._ahead_ms = max(0.0, self._ahead_ms - elapsed_ms / 2)
        if abs(step_ms) >= _STEP_MS:
            self._step(now, step_ms)
        self._last = now
        if not self.believed:
            self._judge(now)

    def stamp(self, at_ms: int) -> Stamp:
        """When a reading was measured that a driver stamped by the wall clock, or its device by a clock of its own."""
        last = self._last
        if self._stepped is not None and last.boot_ms - self._stepped[0] < _RECENT_MS:
            step_ms = self._stepped[1]
            beyond = step_ms < 0 and last.wall_ms < at_ms  # later than now: by the clock as it was before the step back
            if beyond or (abs(step_ms) > _CLEAR_STEP_MS and abs(at_ms + step_ms - last.wall_ms) < _RECENT_MS):
                at_ms += step_ms  # stamped before the step
        ours = abs(at_ms - last.wall_ms) < LEAP_MS
        if not self.believed:
            if not ours and at_ms >= PLAUSIBLE_MS:
                return Stamp(at_ms)
            return Stamp(at_ms - last.difference_ms, waits=True)
        return Stamp(at_ms + self.ahead_ms, doubtful=self._ahead_ms > DOUBTFUL_MS) if ours else Stamp(at_ms)

    def _step(self, now: Look, step_ms: int) -> None:
        self.steps += 1
        self._stepped = now.boot_ms, step_ms
        if self._before_leap_ms is not None and abs(now.difference_ms - self._before_leap_ms) < _RECENT_MS:
            self._believe(now)
            return
        if not self.believed:
            return
        if step_ms > LEAP_MS and self._trust is Trust.AUTO and not now.synchronised:
            self._doubt()
            self._before_leap_ms = now.difference_ms - step_ms
        elif now.wall_ms < PLAUSIBLE_MS and self._trust is Trust.AUTO:
            self._doubt()
        elif step_ms < 0:
            ahead_ms = self._ahead_ms - step_ms
            self._ahead_ms = ahead_ms if ahead_ms <= FOLLOWED_BACK_MS else 0.0
        else:
            self._ahead_ms = max(0.0, self._ahead_ms - step_ms)

    def _doubt(self) -> None:
        last = self._last
        self._before = Before(last.boot_ms, last.difference_ms, self.ahead_ms, lost=True)
        self.believed, self._ahead_ms = False, 0.0

    def _judge(self, now: Look) -> None:
        if self._believes(now):
            self._believe(now)

    def _believe(self, now: Look) -> None:
        self.believed, self._before_leap_ms = True, None
        if self._before is not None:
            self._ahead_ms = _still_ahead_ms(self._before, now)
        self._before, self._dates_ms = None, now.difference_ms + self.ahead_ms

    def _believes(self, now: Look) -> bool:
        if self._trust is Trust.ALWAYS:
            return True
        if now.wall_ms < PLAUSIBLE_MS:
            return False
        return now.synchronised or (self._before_leap_ms is None and now.boot_ms >= self._wait_ms)


def _still_ahead_ms(before: Before, now: Look) -> float:
    """How far our time is ahead of the wall clock if it has gone on since then."""
    ahead_ms = before.difference_ms + before.ahead_ms - now.difference_ms
    return ahead_ms if _STEP_MS <= ahead_ms <= FOLLOWED_BACK_MS else 0.0
