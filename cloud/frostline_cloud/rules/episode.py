"""From changes to alerts: when each fired, and when it was over."""

from __future__ import annotations

from dataclasses import dataclass, replace

from frostline_core.rules import Phase, Severity, Transition

_OPEN = (Phase.FIRING, Phase.CLEARING)


@dataclass(frozen=True, slots=True)
class Episode:
    """One alert, in event time.

    Attributes:
        rule_id: The rule.
        device: Site, gateway, device.
        metric: The metric.
        fired_ms: When it fired.
        resolved_ms: When it was over; None while it is not.
        value: The value that it fired with, or the last that was told.
        severity: The highest, where it is not the rule's own.
    """

    rule_id: str
    device: tuple[str, str, str]
    metric: str
    fired_ms: int
    resolved_ms: int | None = None
    value: float | None = None
    severity: Severity | None = None


class Episodes:
    """Alerts out of changes, in the order in which they fired."""

    def __init__(self) -> None:
        self._done: list[Episode] = []
        self._open: dict[tuple[str, tuple[str, str, str], str], Episode] = {}

    def take(self, transition: Transition) -> None:
        """One change; of each rule and series in order of time."""
        series = transition.series
        key = (transition.rule_id, (series.site, series.node, series.device), series.metric)
        known = self._open.get(key)
        if transition.after in _OPEN and known is None:
            self._open[key] = Episode(
                *key, fired_ms=transition.at_ms, value=transition.value, severity=transition.severity
            )
        elif known is not None and transition.after in _OPEN:
            told = transition.after is Phase.FIRING and transition.value is not None
            value = transition.value if told else known.value
            self._open[key] = replace(known, value=value, severity=transition.severity or known.severity)
        elif known is not None:
            self._done.append(replace(self._open.pop(key), resolved_ms=transition.at_ms))

    def all(self) -> list[Episode]:
        """Those that are over and those that are not."""
        return sorted([*self._done, *self._open.values()], key=lambda each: (each.fired_ms, each.rule_id, each.metric))
