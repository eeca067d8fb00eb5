"""What one rule knows about one series, and what a step of it yields."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from frostline_core.rules.watch import NEVER as NEVER
from frostline_core.rules.watch import Input, Watch

HIGHEST = sys.float_info.max
"""The largest finite number, in place of "no limit"."""

FOREVER_MS = 2**63 - 1
"""A deadline that never comes."""

NOTHING: Mapping[str, Any] = MappingProxyType({})
NO_INPUTS: Mapping[Watch, Input] = MappingProxyType({})


class Severity(StrEnum):
    """How much it matters; ordered from least to most by `rank`."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for info, 1 for warning, 2 for critical."""
        return list(Severity).index(self)


class Track(StrEnum):
    """Which samples a change was found in.

    LIVE: in those that only go forward. BACKLOG: in a hole of the live ones, filled afterwards. JOIN: the backlog has
    reached the live samples, and its incident goes on in them.
    """

    LIVE = "live"
    BACKLOG = "backlog"
    JOIN = "join"


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
        since_ms: Event time at which the clock of PENDING or CLEARING started; in FIRING, when it fired; in OK, since
            when a value out of range is suppressed.
        value: In PENDING the last value; in FIRING and CLEARING the value that was last told about; in OK the last
            value that is suppressed.
        blind_ms: Since when there has been no usable value; NEVER while there is one.
        memory: What the rule's kind keeps beyond that; JSON values only.
        limit: What `value` is measured against.
        severity: Of what is pending or firing, where it is not the rule's own.
        held_ms: Since when the value has been out of range, where a part of that was suppressed; NEVER otherwise.
        suppressed_ms: How much of that was suppressed, milliseconds.
    """

    phase: Phase = Phase.OK
    since_ms: int = NEVER
    value: float | None = None
    blind_ms: int = NEVER
    memory: Mapping[str, Any] = field(default_factory=dict)
    limit: float | None = None
    severity: Severity | None = None
    held_ms: int = NEVER
    suppressed_ms: int = 0

    @property
    def is_suppressed(self) -> bool:
        """Whether a value is out of range that opens nothing, because something suppresses it."""
        return self.phase is Phase.OK and self.held_ms != NEVER

    def to_json(self) -> dict[str, Any] | None:
        """As a small JSON object, or None for the default."""
        if self == DEFAULT:
            return None
        entry: dict[str, Any] = {"phase": self.phase.value}
        entry |= {name: given for name in _TIMES if (given := getattr(self, name)) != NEVER}
        entry |= {name: given for name in _NUMBERS if (given := getattr(self, name)) is not None}
        if self.severity is not None:
            entry["severity"] = self.severity.value
        if self.suppressed_ms:
            entry["suppressed_ms"] = self.suppressed_ms
        if self.memory:
            entry["memory"] = dict(self.memory)
        return entry

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> State:
        """What `to_json` wrote, also in an earlier version.

        Raises:
            ValueError: The object was not written by `to_json`.
        """
        value, limit, severity = entry.get("value"), entry.get("limit"), entry.get("severity")
        return cls(
            phase=Phase(entry["phase"]) if "phase" in entry else Phase.OK,
            since_ms=int(entry.get("since_ms", NEVER)),
            value=None if value is None else float(value),
            blind_ms=int(entry.get("blind_ms", NEVER)),
            memory=dict(entry.get("memory", {})),
            limit=None if limit is None else float(limit),
            severity=None if severity is None else Severity(severity),
            held_ms=int(entry.get("held_ms", NEVER)),
            suppressed_ms=int(entry.get("suppressed_ms", 0)),
        )


_TIMES = ("since_ms", "blind_ms", "held_ms")
_NUMBERS = ("value", "limit")
DEFAULT = State()


@dataclass(frozen=True, slots=True)
class Step:
    """One change that a rule makes on one series.

    Attributes:
        before: The phase before.
        after: The phase after; equal to `before` where only the note, the value or the severity is news.
        at_ms: Event time of the change.
        value: The value that caused it; None where missing data did.
        limit: The limit that the value is measured against, in the metric's unit.
        note: Why, in a few words; "" where the phases say it all.
        severity: Where it is not the rule's own.
        facts: What else belongs on the incident; JSON values only.
    """

    before: Phase
    after: Phase
    at_ms: int
    value: float | None = None
    limit: float | None = None
    note: str = ""
    severity: Severity | None = None
    facts: Mapping[str, Any] = field(default_factory=lambda: NOTHING)


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


def _unseen(_metric: str) -> int:
    return NEVER


@dataclass(frozen=True, slots=True)
class Heard:
    """How the data of a series flows.

    Attributes:
        last_ms: Event time of the newest sample before this one; NEVER if there was none.
        listening_ms: Since when this process has been listening for the series; silence before that proves nothing.
        now_ms: The clock at the last `advance`; NEVER before the first.
        inputs: What the rule watches besides its own series, as of this instant; absent: never seen.
        pauses: Spans of event time (from, to) in which the rule opens nothing, by order from outside: maintenance, or
            an asset that is out of service. Sorted; `to` is exclusive.
        seen_ms: Of the name of another metric of the device: event time of its newest sample as of this instant, NEVER
            before the first.
    """

    last_ms: int
    listening_ms: int
    now_ms: int
    inputs: Mapping[Watch, Input] = field(default_factory=lambda: NO_INPUTS)
    pauses: tuple[tuple[int, int], ...] = ()
    seen_ms: Callable[[str], int] = _unseen

    @property
    def silent_from_ms(self) -> int:
        """From when silence counts: the newest sample, or when listening began if that is later."""
        return max(self.last_ms, self.listening_ms)
