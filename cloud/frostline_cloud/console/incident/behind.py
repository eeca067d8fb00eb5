"""The virtual buffer that an alert's rule looked at, beside what was measured.

It is derived from the stored samples when somebody looks (docs/decisions/0013-derived-when-read.md), so it is no part
of frozen evidence; the air always is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.exceptions import HTTPException

from frostline_cloud.api import Caller, Services
from frostline_cloud.api.alerts import AlertDetailOut
from frostline_cloud.api.closing import EvidenceOut
from frostline_cloud.api.series import MAX_BUFFERED_MS, show_series
from frostline_cloud.console.front.values import LONGEST_SILENCE_MS, with_gaps
from frostline_cloud.console.plot import Point
from frostline_core.rules import duration

_POINTS: Final = 500


def tau_s(alert: AlertDetailOut) -> int | None:
    """How slow the buffer is that the rule looked at, in seconds; None where it looked at what was measured."""
    evidence: Mapping[str, Any] = alert.evidence or {}
    content: Mapping[str, Any] = (evidence.get("rule") or {}).get("content") or {}
    if content.get("type") == "buffered" and content.get("tau") is not None:
        return duration.parse(content["tau"]) // 1000
    told = evidence.get("buffer_s")
    return told if isinstance(told, int) else None


def buffered(services: Services, caller: Caller, alert: AlertDetailOut, evidence: EvidenceOut) -> tuple[Point, ...]:
    """The buffer over the time that the evidence shows, with None where it breaks; the last 31 days at most.

    Raises:
        UnavailableError: SQL or the store does not answer.
    """
    buffer_s = tau_s(alert)
    if buffer_s is None:
        return ()
    end_ms = min(evidence.to_ms, services.clock())
    begin_ms = max(evidence.from_ms, end_ms - MAX_BUFFERED_MS)
    try:
        found = show_series(
            services,
            caller,
            alert.site,
            alert.node,
            alert.device,
            alert.metric,
            start=begin_ms,
            end=end_ms,
            max_points=_POINTS,
            buffer_s=buffer_s,
        )
    except HTTPException:  # the device is known no more, or its view has no length
        return ()
    return with_gaps(found.points, max(found.bucket_ms, LONGEST_SILENCE_MS))
