"""What one rule knows about one series, and what a step of it yields."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

NEVER = -1
"""In place of a time: it has not happened."""

HIGHEST = sys.float_info.max
"""The largest finite number, in place of "no limit"."""

FOREVER_MS = 2**63 - 1
"""A deadline that never comes."""


class Phase(StrEnum):
    """Where an alert stands.

    UNKNOWN: no usable value, and no incident is open. PENDING: the condition holds, `for` is not yet over. CLEARING: it
    no longer holds, `clear_for` is not yet over. RESOLVED appears in transitions only: the OK that follows an incident.
    """

    OK = "ok"
    PENDING = "pending"
    FIRING = "firing"
    CLEARING = "clearing"
    RESOLVED = "resolved"
    UNKNOWN = "unknown"


OPEN = frozenset({Phase.PENDING, Phase.FIRING, Phase.CLEARING})
"""The phases in which an incident is open."""


@dataclass(frozen=True, slots=True)
class State:
    """What is remembered between two samples; the default is OK and needs no row in SQL.

    Attributes:
        phase: Never RESOLVED.
        since_ms: Event time at which the clock of PENDING or CLEARING started; in FIRING, when it fired.
        value: In PENDING the last value; in FIRING and CLEARING the value that was last told about.
        blind_ms: Since when there has been no usable value; NEVER while there is one.
        memory: What the rule's kind keeps beyond that; JSON values only.
    """

    phase: Phase = Phase.OK
    since_ms: int = NEVER
    value: float | None = None
    blind_ms: int = NEVER
    memory: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any] | None:
        """As a small JSON object, or None for the default."""
        if self == DEFAULT:
            return None
        entry: dict[str, Any] = {"phase": self.phase.value}
        if self.since_ms != NEVER:
            entry["since_ms"] = self.since_ms
        if self.value is not None:
            entry["value"] = self.value
        if self.blind_ms != NEVER:
            entry["blind_ms"] = self.blind_ms
        if self.memory:
            entry["memory"] = dict(self.memory)
        return entry

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> State:
        """What `to_json` wrote.

        Raises:
            ValueError: The object was not written by `to_json`.
        """
        value = entry.get("value")
        return cls(
            Phase(entry["phase"]) if "phase" in entry else Phase.OK,
            int(entry.get("since_ms", NEVER)),
            None if value is None else float(value),
            int(entry.get("blind_ms", NEVER)),
            dict(entry.get("memory", {})),
        )


DEFAULT = State()


@dataclass(frozen=True, slots=True)
class Step:
    """One change that a rule makes on one series.

    Attributes:
        before: The phase before.
        after: The phase after; equal to `before` where only the note or the value is news.
        at_ms: Event time of the change.
        value: The value that caused it; None where missing data did.
        limit: The limit that the value is measured against, in the metric's unit.
        note: Why, in a few words; "" where the phases say it all.
    """

    before: Phase
    after: Phase
    at_ms: int
    value: float | None = None
    limit: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The state after a step, and what changed on the way."""

    state: State
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Guard:
    """Where nothing can change: a sample with `low <= value <= high` before `deadline_ms` leaves the state as it is.

    The bounds are finite, so that an infinite value is never inside: it is no measurement.
    """

    low: float = -HIGHEST
    high: float = HIGHEST
    deadline_ms: int = FOREVER_MS


OPEN_GUARD = Guard()
CLOSED_GUARD = Guard(HIGHEST, -HIGHEST)


@dataclass(frozen=True, slots=True)
class Heard:
    """How the data of a series flows.

    Attributes:
        last_ms: Event time of the newest sample before this one; NEVER if there was none.
        listening_ms: Since when this process has been listening for the series; silence before that proves nothing.
        now_ms: The clock at the last `advance`; NEVER before the first.
    """

    last_ms: int
    listening_ms: int
    now_ms: int

    @property
    def silent_from_ms(self) -> int:
        """From when silence counts: the newest sample, or when listening began if that is later."""
        return max(self.last_ms, self.listening_ms)
