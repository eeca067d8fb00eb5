"""The contract of a kind of rule: a model of its keys, and pure functions of (rule, state, sample)."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import replace
from enum import StrEnum
from functools import cached_property
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from frostline_core.config import ConfigModel
from frostline_core.rules.calm import Calm
from frostline_core.rules.selector import Selector
from frostline_core.rules.state import Guard, Heard, Outcome, Phase, Severity, State
from frostline_core.rules.watch import Watch

__all__ = ["Category", "Rule", "Severity", "Where"]


class Category(StrEnum):
    """What a rule is for: a compliance limit decides about goods, an operational one calls somebody in time."""

    COMPLIANCE = "compliance"
    OPERATIONAL = "operational"


class Where(StrEnum):
    """Where a rule is evaluated: in the cloud always; on the gateway too if it drives an output there."""

    CLOUD = "cloud"
    GATEWAY = "gateway"


class Rule(ConfigModel, ABC):
    """What all rules share. A kind is one module in `rules/kinds/` with one subclass, found by its `type`.

    The methods are pure. The engine calls `observe` for a sample outside the guard, and `expire` when a time that
    `due_ms` named has passed. A sample inside the guard is not shown to the rule at all, so `guard` must be right about
    where `observe` would leave the state as it is and yield no step.
    """

    in_backlog: ClassVar[bool] = True
    """Whether it also looks at what comes late; False for rules about now."""

    shared_keys: ClassVar[frozenset[str]] = frozenset()
    """Keys that are not the kind's own."""

    counts_by: ClassVar[tuple[str, ...] | None] = None
    """Its own keys that say what its memory means; None: all of them."""

    type: str = Field(description="The kind of rule.")
    id: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,99}$",
        description="Unique name: small letters, digits, - and _. Incidents keep it, so do not reuse it.",
    )
    title: str = Field(min_length=1, max_length=200, description="What people read in an alert.")
    severity: Severity = Field(Severity.WARNING, description="info, warning or critical.")
    category: Category = Field(
        Category.OPERATIONAL,
        description="compliance: reports judge by it, and closing an incident asks for cause and disposition; "
        "operational: it only calls somebody.",
    )
    select: Selector = Field(description="The series that the rule applies to.")
    where: Where = Field(
        Where.CLOUD,
        description="gateway: evaluated on the gateway too, so that its output works without the cloud.",
    )
    output: str | None = Field(
        None,
        pattern=r"^[a-z0-9][a-z0-9_-]{0,99}$",
        description='With where = "gateway": the gateway\'s [[output]] that is on while the rule fires.',
    )

    @model_validator(mode="after")
    def _has_output_where_it_works(self) -> Self:
        if (self.where is Where.GATEWAY) != (self.output is not None):
            raise ValueError('where = "gateway" and output are given together')
        return self

    @cached_property
    def content(self) -> dict[str, Any]:
        """The rule with the keys of its file, without those at their default."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True) | {"type": self.type}

    @cached_property
    def content_hash(self) -> str:
        """16 hex digits of the SHA-256 of the rule's content: what is written in another way is the same rule."""
        content = json.dumps(self.model_dump(mode="json", by_alias=True), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @cached_property
    def memory_key(self) -> str:
        """8 hex digits that say what the rule's memory means: one with another key can do nothing with it.

        Keys at their defaults do not count, so that a release with a key more goes on with what is there.
        """
        keys = set(self.counts_by or type(self).model_fields.keys() - self.shared_keys)
        own = self.model_dump(mode="json", include=keys, exclude_defaults=True)
        content = json.dumps([self.type, own], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:8]

    @property
    def calm(self) -> Calm | None:
        """What `guard` and `due_ms` say of the default state; None where that is not the same for every series."""
        return None

    def key_at(self, _last_ms: int) -> str:
        """`memory_key`, at any time: it has one version."""
        return self.memory_key

    def whole(self, _from_ms: int, _to_ms: int) -> Self:
        """Itself: it has one version."""
        return self

    def inputs(self) -> tuple[Watch, ...]:
        """Other metrics of the same device that the rule needs; `heard.inputs` has them. The same tuple every time."""
        return ()

    @abstractmethod
    def observe(self, state: State, value: float | None, at_ms: int, heard: Heard) -> Outcome:
        """Takes one sample that is newer than `heard.last_ms`; None is a sample without a usable value."""

    def catch_up(self, state: State, heard: Heard, at_ms: int) -> Outcome:
        """What time alone has changed before an instant, judged by the samples' own times; see `observe`."""
        return Outcome(state)

    @abstractmethod
    def due_ms(self, state: State, heard: Heard) -> int | None:
        """When `expire` must be called if no sample comes first; None for never.

        A sample inside the guard may only delay it, or the engine would wake up too late.
        """

    @abstractmethod
    def expire(self, state: State, heard: Heard, until_ms: int) -> Outcome:
        """Lets time pass to `until_ms` without a sample."""

    @abstractmethod
    def guard(self, state: State, heard: Heard) -> Guard:
        """Where a sample changes nothing, as long as `heard.inputs` stay as they are."""

    def rest(self, state: State, at_ms: int) -> State:
        """The state at a series' newest sample, which the guard may have passed; asked where a hole begins.

        Only of states with a memory. A kind that counts brings its memory up to that sample.
        """
        return state

    def join(self, begun: State, late: State, live: State) -> State:
        """The live state after a hole was filled: pure.

        Without more, the phase and times of the earlier beginning, and the memory of the live state. A kind that counts
        (an exposure, a number of starts) adds what the backlog has counted.

        Args:
            begun: Before the hole.
            late: What the backlog has led to from there.
            live: What the live samples alone have led to from there.
        """
        return join_phases(late, live)


def join_phases(late: State, live: State) -> State:
    """Phase and times of the earlier beginning, and the memory of what is live."""
    if late.phase is Phase.PENDING and live.phase is Phase.PENDING:
        return replace(live, since_ms=late.since_ms)
    if late.phase in (Phase.FIRING, Phase.CLEARING) and live.phase not in (Phase.FIRING, Phase.CLEARING):
        return replace(late, memory=live.memory)
    return live


Rule.shared_keys = frozenset(Rule.model_fields)
