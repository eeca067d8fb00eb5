"""`type = "stock"`: there is too little of something, or what there is will not last until more can come.

    [[rule]]
    type = "stock"
    id = "fish-reorder"
    title = "Order frozen fish"
    severity = "warning"
    select = { kind = "stock_zone", metric = "count_00003700065423" }
    below = 10            # always too little
    lead_time = "3d"      # reorder point: what is used in this time, and `safety`
    safety = 20
    for = "30m"

    [[rule]]
    type = "stock"
    id = "milk-cover"
    title = "Milk for less than two days"
    select = { kind = "stock_zone", metric = "count_04000521001234" }
    cover = "2d"
    history = "28d"       # the default is 14d; whole weeks, or weekends count too much or too little

It fires below `below`, at or below the reorder point, and when the count lasts for less than `cover`. Told are the
count and the limit; the daily use and the days of cover are on the incident.

Use is what the count falls. It is taken between the highest counts of spans of `settle`, so that a tag that is missed
for a moment is not used, and what is restocked takes nothing away. The daily use is the mean over the days (UTC) of
`history` of which at least 80 % were counted, the lowest and the highest replaced by their neighbours where there are
five or more. With fewer than three such days there is none: unknown, unless the count is below `below`.

A count without good quality (a reader that is away) is no count: unknown, and nothing was used. Nor is what has gone
in a gap (longer than `max_gap`): a reader that comes back counts from nothing.

Cost: changes of the count are looked at, and one sample in `max_gap`. Memory: three numbers for each day of `history`.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from frostline_core.rules.condition import Look, Verdict
from frostline_core.rules.duration import Duration
from frostline_core.rules.state import Heard, Phase, State
from frostline_core.rules.suppress import Number
from frostline_core.rules.tally import Memory, Tally

DAY_MS = 86_400_000
LEAST_DAYS = 3
"""Days without which there is no daily use."""

COVERAGE = 0.8
"""The part of a day that must have been counted."""

_DAYS_TO_TRIM = 5


class Stock(Tally):
    """Fires while a count is too low, by itself or for what is used of it."""

    counts_by: ClassVar[tuple[str, ...]] = ("settle",)
    type: Literal["stock"] = "stock"
    below: Number | None = Field(None, ge=0, description="Fewer are too few, whatever is used.")
    lead_time: Duration | None = Field(
        None, ge=3_600_000, description="How long an order takes; the reorder point is what is used meanwhile."
    )
    safety: Number = Field(0.0, ge=0, description="How many more the reorder point has.")
    cover: Duration | None = Field(None, ge=3_600_000, description="For how long the count must last.")
    hysteresis: Number = Field(0.0, ge=0, description="How many more than the limit it must be again.")
    history: Duration = Field(
        14 * 86_400, ge=LEAST_DAYS * DAY_MS, le=60 * DAY_MS, description="Over which days the daily use is taken."
    )
    settle: Duration = Field(
        900, ge=60_000, le=DAY_MS // 4, description="How long something must be away to be used, about."
    )

    @model_validator(mode="after")
    def _has_sense(self) -> Self:
        if self.below is None and self.lead_time is None and self.cover is None:
            raise ValueError("give `below`, `lead_time` or `cover`")
        if self.safety and self.lead_time is None:
            raise ValueError("`safety` belongs to `lead_time`")
        return self

    @property
    def window_ms(self) -> int:
        """`history`."""
        return self.history

    @property
    def part_ms(self) -> int:
        """A day."""
        return DAY_MS

    def rate(self, value: float) -> float:
        """Time alone uses nothing."""
        return 0.0

    def count(self, memory: Memory, last_ms: int, at_ms: int, value: float | None) -> Memory:
        """Also adds to each day what was used on it."""
        held, span = memory.get("value"), at_ms // self.settle
        if held is not None and last_ms > memory["at"] and self.lasts_until(memory, last_ms, at_ms) < at_ms:
            memory = self.count(memory, last_ms, last_ms, held)  # what the guard has passed, up to the gap
        counted = dict(super().count(memory, last_ms, at_ms, value))
        if held is None or self.lasts_until(memory, last_ms, at_ms) < at_ms:
            return {**counted, "span": span, "top": value, "before": None}
        before, top, known = memory["before"], memory["top"], int(memory["span"])
        if span > known:
            counted["parts"] = _used(counted["parts"], (known + 1) * self.settle, _fall(before, top))
            before, top = top, held
        if span > known + 1:
            counted["parts"] = _used(counted["parts"], (known + 2) * self.settle, _fall(before, held))
            before = held
        return {**counted, "span": span, "top": top if value is None else max(top, value), "before": before}

    def weigh(self, look: Look, memory: Memory) -> Verdict:
        """Whether the count is below a limit; and the limits that follow from the use."""
        assert look.value is not None, "asked only with one"  # noqa: S101
        slack = self.hysteresis if look.is_open else 0.0
        use, days = self.daily_use(memory)
        point = self._point(use)
        scarce = self.below is not None and (look.value < self.below or (slack > 0 and look.value < self.below + slack))
        on: bool | None = scarce or (point is not None and look.value <= point + slack)
        if not on and use is None and (self.lead_time is not None or self.cover is not None):
            return Verdict(None, note=f"the use of {days} days is known, of {LEAST_DAYS} needed")
        told = look.state.value
        worse = look.state.phase is Phase.FIRING and told is not None and look.value <= told / 2 < told
        limits = [each for each in (self.below, point) if each is not None]
        return Verdict(on, look.value, max(limits, default=None), worse, facts=_facts(look.value, use, days))

    def daily_use(self, memory: Memory) -> tuple[float | None, int]:
        """How much is used on a day, None where too few days are known; and how many are."""
        today = int(memory["at"]) // DAY_MS
        days = sorted(used for day, seen, used in memory["parts"] if day < today and seen >= COVERAGE * DAY_MS)
        if len(days) < LEAST_DAYS:
            return None, len(days)
        if len(days) >= _DAYS_TO_TRIM:
            days[0], days[-1] = days[1], days[-2]
        return fmean(days), len(days)

    def band(self, state: State, heard: Heard) -> tuple[float, float] | None:
        """The same count."""
        known = state.memory.get("value")
        if known is None or (state.phase is Phase.FIRING and self.hard_limit is not None):
            return None
        return known, known

    def merged(self, late: Memory, live: Memory, twice: Memory) -> Memory:
        """What is used but not yet noted at the end of the backlog is noted now, unless its span goes on."""
        merged = super().merged(late, live, twice)
        if live["span"] == late["span"]:
            tops = [each["top"] for each in (late, live) if each["top"] is not None]
            return {**merged, "top": max(tops, default=None), "before": late["before"]}
        if live["span"] == late["span"] + 1:
            noted = _fall(late["before"], late["top"]) - _fall(twice.get("before"), twice.get("top"))
            parts = _used(merged["parts"], int(late["at"]), max(0.0, noted))
            return {**merged, "parts": parts, "before": late["top"]}
        open_use = _pending(late) - _pending(twice)
        return {**merged, "parts": _used(merged["parts"], int(late["at"]), max(0.0, open_use))}

    def _point(self, use: float | None) -> float | None:
        """At how many it fires for what is used; None where that is not asked or not known."""
        if use is None:
            return None
        points = [use * self.lead_time / DAY_MS + self.safety] if self.lead_time is not None else []
        points += [use * self.cover / DAY_MS] if self.cover is not None and use > 0 else []
        return max(points, default=None)


def _fall(before: float | None, after: float | None) -> float:
    return 0.0 if before is None or after is None else max(0.0, before - after)


def _pending(memory: Mapping[str, Any]) -> float:
    """What the spans that are not over hold."""
    return _fall(memory.get("before"), memory.get("top")) + _fall(memory.get("top"), memory.get("value"))


def _used(parts: list[Any], at_ms: int, amount: float) -> list[Any]:
    """The days with so much more used on one of them."""
    if not amount:
        return parts
    day = at_ms // DAY_MS
    found = {part[0]: list(part) for part in parts}
    found.setdefault(day, [day, 0, 0.0])[2] += amount
    return [found[each] for each in sorted(found)]


def _facts(count: float, use: float | None, days: int) -> dict[str, Any]:
    if use is None:
        return {"days_known": days}
    return {"daily_use": use, "days_known": days, **({"days_of_cover": count / use} if use > 0 else {})}
