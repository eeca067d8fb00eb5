"""When a device is read: aligned to UTC, spread over the period. Pure."""

from __future__ import annotations

import math


def phase_s(index: int, units: int, period_s: float) -> float:
    """The offset of a device's ticks, so that the devices of one bus do not all want it at once."""
    return period_s * index / units


def until_tick_s(now_s: float, period_s: float, phase: float) -> float:
    """Seconds until the next tick: `phase` after a multiple of `period_s` since 1970; more than 0, at most a period.

    Computed from the time as it is now, so that a clock that was set wrong, or right, costs one period at most.
    """
    since = math.fmod(now_s - phase, period_s)
    return period_s - since if since >= 0 else -since


def missed(started_s: float, ended_s: float, period_s: float) -> int:
    """Ticks that passed during a poll, by a clock that cannot be set; they are counted and not made up for."""
    return max(0, int((ended_s - started_s) / period_s))
