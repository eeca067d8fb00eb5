"""An override: somebody else is on call for a while. From cloud.toml, or made over API and console; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Override:
    """Somebody else for a while.

    Attributes:
        rotation: Whose turns it changes.
        who: The receiver that is on call then.
        from_ms: When it begins, UTC milliseconds.
        to_ms: When it is over.
        instead_of: Only while this receiver would be on call; "" for whoever it is, and for nobody.
        reason: Why; "" for one of cloud.toml.
        author: Who wanted it; "" for one of cloud.toml.
        created_ms: When it was written; 0 for one of cloud.toml.
        id: Its number; 0 for one of cloud.toml, and before it is written.
        ended_by: Who ended it before its time.
    """

    rotation: str
    who: str
    from_ms: int
    to_ms: int
    instead_of: str = ""
    reason: str = ""
    author: str = ""
    created_ms: int = 0
    id: int = 0
    ended_by: str | None = None

    def holds(self, at_ms: int, otherwise: str) -> bool:
        """Whether it holds at an instant.

        Args:
            at_ms: UTC.
            otherwise: Who would be on call without it; "" for nobody.
        """
        return self.from_ms <= at_ms < self.to_ms and self.instead_of in ("", otherwise)

    def clashes(self, other: Override) -> bool:
        """Whether both could hold at the same time, so that it would not be clear who is on call."""
        if self.rotation != other.rotation or self.from_ms >= other.to_ms or other.from_ms >= self.to_ms:
            return False
        return self.instead_of == other.instead_of or "" in (self.instead_of, other.instead_of)


def holding(overrides: Iterable[Override], at_ms: int, otherwise: str) -> Override | None:
    """The one that holds at an instant; None for none. The first, where there are several."""
    return next((each for each in overrides if each.holds(at_ms, otherwise)), None)


def clash(overrides: Sequence[Override]) -> tuple[Override, Override] | None:
    """Two that clash, the one that begins first before the other; None where none do."""
    found = sorted(overrides, key=lambda each: (each.from_ms, each.to_ms, each.who))
    for number, each in enumerate(found):
        for other in found[number + 1 :]:
            if other.from_ms >= each.to_ms:
                break
            if each.clashes(other):
                return each, other
    return None


def fault_of(override: Override) -> str:
    """What is wrong with one by itself; "" for nothing."""
    if override.from_ms >= override.to_ms:
        return f"that of {override.who} ends at {shown(override.to_ms)}, before it begins"
    if override.who == override.instead_of:
        return f"{override.who} cannot stand in for {override.who}"
    return ""


def shown(at_ms: int) -> str:
    """An instant in a sentence about what is wrong: `2026-12-24 07:00 UTC`."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
