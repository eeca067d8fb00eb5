"""Limits that kinds measure a number against: above, below, or outside of a band, with hysteresis."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from frostline_core.config import ConfigModel
from frostline_core.rules.condition import after, before, beyond
from frostline_core.rules.state import HIGHEST
from frostline_core.rules.suppress import Number


class Limits(ConfigModel):
    """The keys `above`, `below` and `hysteresis` of a rule. A number exactly on a limit is within it."""

    above: Number | None = Field(None, description="Fires above this.")
    below: Number | None = Field(None, description="Fires below this.")
    hysteresis: Number = Field(0.0, ge=0, description="How far inside the limit it must come back to be in range.")

    @model_validator(mode="after")
    def _has_limits(self) -> Self:
        if self.above is None and self.below is None:
            raise ValueError("give `above`, `below`, or both for a band")
        if (
            self.above is not None
            and self.below is not None
            and self.below + self.hysteresis > self.above - self.hysteresis
        ):
            raise ValueError(
                "`below` + `hysteresis` must not be more than `above` - `hysteresis`: it could never be resolved"
            )
        return self

    def is_out(self, number: float, *, is_open: bool) -> bool:
        """Whether a number is out of range; while an alert is open, whether it is not back by the hysteresis."""
        return not self._within(number) if is_open else beyond(number, self.below, self.above)

    def nearest(self, number: float) -> float:
        """The limit that a number is measured against."""
        return self._limit(self._is_high(number))

    def is_news(self, number: float, told: float | None) -> bool:
        """Whether a number beyond a limit is worth telling after the one told: twice as far beyond, or elsewhere."""
        if not beyond(number, self.below, self.above):
            return False
        if told is None or self._is_high(told) != self._is_high(number):
            return True
        return number >= self._news(told) if self._is_high(told) else number <= self._news(told)

    def quiet(self) -> tuple[float, float]:
        """The numbers that are in range where nothing is open."""
        return -HIGHEST if self.below is None else self.below, HIGHEST if self.above is None else self.above

    def no_news(self, told: float) -> tuple[float, float]:
        """The numbers that neither end what fires nor are worth telling, after the one told."""
        if self._is_high(told):
            return after(self._back(True)), before(self._news(told))
        return after(self._news(told)), before(self._back(False))

    def _within(self, number: float) -> bool:
        """Whether it is back in range by the hysteresis."""
        return (self.above is None or number <= self._back(True)) and (
            self.below is None or number >= self._back(False)
        )

    def _is_high(self, number: float) -> bool:
        """Whether the upper limit is the one that the number is measured against."""
        if self.above is None or self.below is None:
            return self.above is not None
        return number - self.below >= self.above - number

    def _limit(self, high: bool) -> float:
        limit = self.above if high else self.below
        assert limit is not None, "a side without a limit is never looked at"  # noqa: S101
        return limit

    def _back(self, high: bool) -> float:
        """The number at which it is back in range."""
        return self._limit(high) - self.hysteresis if high else self._limit(high) + self.hysteresis

    def _news(self, told: float) -> float:
        """The number that is worth telling again after `told`: twice as far beyond, and by the hysteresis at least."""
        high = self._is_high(told)
        limit = self._limit(high)
        step = max(2 * ((told - limit) if high else (limit - told)), self.hysteresis)
        return limit + step if high else limit - step
