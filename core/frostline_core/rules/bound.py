"""What the engine asks of a rule that is bound to a series: a rule itself, or something that stands for it there."""

from __future__ import annotations

from typing import Protocol

from frostline_core.rules.calm import Calm
from frostline_core.rules.state import Guard, Heard, Outcome, State
from frostline_core.rules.watch import Watch


class Bound(Protocol):
    """See `frostline_core.rules.rule.Rule`, which is one, for what the methods mean."""

    @property
    def id(self) -> str:
        """The rule's id."""

    @property
    def in_backlog(self) -> bool:
        """Whether it also looks at what comes late."""

    @property
    def calm(self) -> Calm | None:
        """What `guard` and `due_ms` say of the default state; None where that is not the same for every series."""

    def key_at(self, last_ms: int) -> str:
        """What its memory means when its newest sample is of that event time; see `Rule.memory_key`."""

    def whole(self, from_ms: int, to_ms: int) -> Bound | None:
        """What stands for the rule in all of a span of event time; None where that changes in it."""

    def inputs(self) -> tuple[Watch, ...]:
        """Other metrics of the same device that it needs."""

    def observe(self, state: State, value: float | None, at_ms: int, heard: Heard) -> Outcome:
        """Takes one sample."""

    def catch_up(self, state: State, heard: Heard, at_ms: int) -> Outcome:
        """What time alone has changed before an instant, judged by the samples' own times."""

    def due_ms(self, state: State, heard: Heard) -> int | None:
        """When `expire` must be called if no sample comes first."""

    def expire(self, state: State, heard: Heard, until_ms: int) -> Outcome:
        """Lets time pass without a sample."""

    def guard(self, state: State, heard: Heard) -> Guard:
        """Where a sample changes nothing."""

    def rest(self, state: State, at_ms: int) -> State:
        """The state at a series' newest sample."""

    def join(self, begun: State, late: State, live: State) -> State:
        """The live state after a hole was filled."""
