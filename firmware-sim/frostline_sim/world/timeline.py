"""The timeline of faults: which are on at a world time."""

from __future__ import annotations

from dataclasses import dataclass, field

from frostline_core.errors import ConfigError
from frostline_sim.config import FaultConfig, FaultType

MOST_FAULTS = 1_000
"""Faults of one world, those of its file and those that were put in later."""


@dataclass(slots=True)
class Timeline:
    """The faults of a world, in the order in which they were put in."""

    faults: list[FaultConfig] = field(default_factory=list)

    def add(self, fault: FaultConfig) -> None:
        """Puts in one more.

        Raises:
            ConfigError: There are `MOST_FAULTS` already.
        """
        if len(self.faults) >= MOST_FAULTS:
            raise ConfigError(f"a world takes at most {MOST_FAULTS} faults")
        self.faults.append(fault)

    def on(self, now_s: float) -> list[int]:
        """The places in `faults` of those that are on at a world time."""
        return [i for i, fault in enumerate(self.faults) if is_on(fault, now_s)]

    def hits(self, kind: FaultType, target: str, now_s: float) -> FaultConfig | None:
        """The fault of that type that is on for that target, or None."""
        return next((f for f in self.faults if f.type == kind and f.target == target and is_on(f, now_s)), None)


def is_on(fault: FaultConfig, now_s: float) -> bool:
    """Whether a fault is on; one without a length stays."""
    return fault.at <= now_s and (not fault.lasts or now_s < fault.at + fault.lasts)
