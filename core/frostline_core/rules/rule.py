"""The contract of a kind of rule: a model of its keys, and pure functions of (rule, state, sample)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum

from pydantic import Field

from frostline_core.config import ConfigModel
from frostline_core.rules.selector import Selector
from frostline_core.rules.state import Guard, Heard, Outcome, State


class Severity(StrEnum):
    """How much it matters; ordered from least to most by `rank`."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for info, 1 for warning, 2 for critical."""
        return list(Severity).index(self)


class Rule(ConfigModel, ABC):
    """What all rules share. A kind is one module in `rules/kinds/` with one subclass, found by its `type`.

    The methods are pure. The engine calls `observe` for a sample outside the guard, and `expire` when a time that
    `due_ms` named has passed. A sample inside the guard is not shown to the rule at all, so `guard` must be right about
    where `observe` would leave the state as it is and yield no step.
    """

    type: str = Field(description="The kind of rule.")
    id: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,99}$",
        description="Unique name: small letters, digits, - and _. Incidents keep it, so do not reuse it.",
    )
    title: str = Field(min_length=1, max_length=200, description="What people read in an alert.")
    severity: Severity = Field(Severity.WARNING, description="info, warning or critical.")
    select: Selector = Field(description="The series that the rule applies to.")

    @abstractmethod
    def observe(self, state: State, value: float | None, at_ms: int, heard: Heard) -> Outcome:
        """Takes one sample that is newer than `heard.last_ms`; None is a sample without a usable value."""

    @abstractmethod
    def due_ms(self, state: State, heard: Heard) -> int | None:
        """When `expire` must be called if no sample comes first; None for never.

        A sample inside the guard may only delay it, or the engine would wake up too late.
        """

    @abstractmethod
    def expire(self, state: State, heard: Heard, until_ms: int) -> Outcome:
        """Lets time pass to `until_ms` without a sample."""

    @abstractmethod
    def guard(self, state: State) -> Guard:
        """Where a sample changes nothing."""
