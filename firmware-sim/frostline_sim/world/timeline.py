"""The timeline of faults: which are on at a world time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from frostline_sim.config import FaultConfig, FaultType


@dataclass(frozen=True, slots=True)
class Timeline:
    """The faults of a world; `on` is pure."""

    faults: Sequence[FaultConfig] = ()

    def on(self, now_s: float) -> list[int]:
        """The places in `faults` of those that are on at a world time."""
        return [i for i, fault in enumerate(self.faults) if is_on(fault, now_s)]

    def hits(self, kind: FaultType, target: str, now_s: float) -> FaultConfig | None:
        """The fault of that type that is on for that target, or None."""
        return next((f for f in self.faults if f.type == kind and f.target == target and is_on(f, now_s)), None)


def is_on(fault: FaultConfig, now_s: float) -> bool:
    """Whether a fault is on; one without a length stays."""
    return fault.at <= now_s and (not fault.lasts or now_s < fault.at + fault.lasts)
