"""What the evaluator tells its caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from frostline_core.rules.series import Series
from frostline_core.rules.state import NOTHING, Phase, Severity, Step, Track


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of one rule on one series, in event time.

    Attributes:
        rule_id: The rule.
        series: The series.
        before: The phase before.
        after: The phase after; equal to `before` where only the note, the value or the severity is news.
        at_ms: Event time of the change.
        value: The value that caused it; None where missing data did.
        limit: The limit that the value is measured against; None where there is none.
        note: Why, in a few words; "" where the phases say it all.
        track: Which samples it was found in.
        severity: Where it is not the rule's own.
        facts: What else belongs on the incident; JSON values only.
    """

    rule_id: str
    series: Series
    before: Phase
    after: Phase
    at_ms: int
    value: float | None
    limit: float | None
    note: str
    track: Track = Track.LIVE
    severity: Severity | None = None
    facts: Mapping[str, Any] = field(default_factory=lambda: NOTHING)

    @classmethod
    def of(cls, rule_id: str, series: Series, step: Step, track: Track) -> Transition:
        """A rule's step on a series."""
        return cls(
            rule_id, series, step.before, step.after, step.at_ms, step.value, step.limit, step.note, track,
            step.severity, step.facts,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Staged:
    """What has changed since the last `settle`.

    Attributes:
        transitions: In the order in which they happened.
        states: What SQL must hold of a series under a name: of a rule by its id, of the series itself by a name that
            begins with `~`; None means "delete the row".
    """

    transitions: tuple[Transition, ...]
    states: tuple[tuple[str, Series, dict[str, Any] | None], ...]
