"""The evidence of alerts that somebody looks at, so that many open pages read the store once.

At most `MOST` alerts; of an alert that goes on it is read anew after `AGAIN_MS`, and for any when it has changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Final

from frostline_cloud.api import Caller, Services
from frostline_cloud.api.alerts import AlertDetailOut
from frostline_cloud.api.closing import EvidenceOut, show_evidence
from frostline_cloud.console.incident.behind import buffered
from frostline_cloud.console.kept import Kept
from frostline_cloud.console.plot import Point

AGAIN_MS: Final = 30_000
MOST: Final = 50


@dataclass(frozen=True, slots=True)
class Found:
    """Evidence.

    Attributes:
        revision: Of the alert that it is of.
        read_ms: When it was read.
        evidence: As the API has it.
        buffered: The virtual buffer that the rule looked at; empty where it looked at what was measured.
    """

    revision: int
    read_ms: int
    evidence: EvidenceOut
    buffered: tuple[Point, ...] = ()


@dataclass(slots=True)
class Shelf:
    """Evidence by alert; from any thread."""

    _kept: Kept[str, Found] = field(default_factory=lambda: Kept(MOST))

    def of(self, alert: AlertDetailOut) -> partial[Found]:
        """What reads it, as a call of the API."""
        return partial(self._read, alert=alert)

    def _read(self, services: Services, caller: Caller, alert: AlertDetailOut) -> Found:
        now_ms = services.clock()
        known = self._kept.get(alert.id)
        if known is not None and known.revision == alert.revision and 0 <= now_ms - known.read_ms < AGAIN_MS:
            return known
        evidence = show_evidence(services, caller, alert.id)
        found = Found(alert.revision, now_ms, evidence, buffered(services, caller, alert, evidence))
        self._kept.put(alert.id, found)
        return found
