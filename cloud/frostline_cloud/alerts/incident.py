"""One incident, and what a transition of its rule makes of it; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from sqlalchemy import RowMapping

from frostline_cloud.alerts.event import EventType
from frostline_core.rules import OPEN, WORSE, Phase, Rule, Severity, Transition
from frostline_core.units import UNITS

RETROACTIVE_MS = 15 * 60_000
"""An incident that is noticed later than this after it fired was found in late samples, and says so."""


@dataclass(frozen=True, slots=True)
class Incident:
    """A row of the table `alert`.

    Attributes:
        id: Stable from pending to resolved.
        rule: The rule's id.
        site: Of the series.
        node: Of the series.
        device: Of the series.
        metric: Of the series.
        zone: Of the series, when the incident opened.
        severity: Of the rule, at the newest change.
        state: `pending`, `firing`, `clearing` or `resolved`.
        revision: 1 at first, one more with every change.
        retroactive: It was noticed more than `RETROACTIVE_MS` after it fired.
        opened_ms: Event time at which it became pending, or fired without that.
        fired_ms: Event time; None while pending.
        resolved_ms: Event time; None until then.
        value: The value at the newest change that had one.
        summary: One line for people.
        evidence: `title`, `rule_version`, `kind`, `labels`, `limit`, `unit`, and
            `no_data_since_ms` while there is none.
        acknowledged_ms: When somebody took note.
        acknowledged_by: Who.
    """

    id: str
    rule: str
    site: str
    node: str
    device: str
    metric: str
    zone: str
    severity: str
    state: str
    revision: int
    retroactive: bool
    opened_ms: int
    fired_ms: int | None
    resolved_ms: int | None
    value: float | None
    summary: str
    evidence: Mapping[str, Any]
    acknowledged_ms: int | None = None
    acknowledged_by: str | None = None

    @classmethod
    def from_row(cls, row: RowMapping) -> Incident:
        """The incident in a row of the table."""
        return cls(**{field.name: row[field.name] for field in fields(cls)})

    def to_row(self) -> dict[str, Any]:
        """Column values for the table."""
        return {field.name: getattr(self, field.name) for field in fields(self)} | {"evidence": dict(self.evidence)}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known besides the transition.

    Attributes:
        rule: The rule; None if it has been removed.
        version: Of the rule set.
        unit: UCUM code of the metric; "" where not known.
        now_ms: The clock.
        new_id: Id for an incident that opens.
    """

    rule: Rule | None
    version: str
    unit: str
    now_ms: int
    new_id: str


@dataclass(frozen=True, slots=True)
class Change:
    """What a transition makes of an incident.

    Attributes:
        incident: As it is now; None: it was pending only, and is over as if it had never been.
        tell: The notification to send, if any.
    """

    incident: Incident | None
    tell: EventType | None = None


def change(incident: Incident | None, transition: Transition, about: Circumstances) -> Change | None:
    """Applies a transition.

    Args:
        incident: The open incident of that rule and series, if there is one.
        transition: What the rule did.
        about: What is known besides.

    Returns:
        The change; None when there is nothing to note (no incident is open, and none opens).
    """
    if transition.after not in OPEN:
        return None if incident is None else _close(incident, transition)
    if incident is None and transition.after is Phase.CLEARING:
        return None
    known = incident or _open(transition, about)
    after = _update(known, transition, about, is_new=incident is None)
    return Change(after, _news(known, after, transition))


def _open(transition: Transition, about: Circumstances) -> Incident:
    series = transition.series
    return Incident(
        id=about.new_id,
        rule=transition.rule_id,
        site=series.site,
        node=series.node,
        device=series.device,
        metric=series.metric,
        zone=series.zone,
        severity=(about.rule.severity if about.rule else Severity.WARNING).value,
        state=transition.after.value,
        revision=1,
        retroactive=False,
        opened_ms=transition.at_ms,
        fired_ms=None,
        resolved_ms=None,
        value=transition.value,
        summary="",
        evidence={
            "title": about.rule.title if about.rule else transition.rule_id,
            "kind": series.kind,
            "labels": dict(series.labels),
            "limit": transition.limit,
        },
    )


def _update(known: Incident, transition: Transition, about: Circumstances, *, is_new: bool) -> Incident:
    fires = transition.after is Phase.FIRING and known.fired_ms is None
    evidence = {k: v for k, v in known.evidence.items() if k != "no_data_since_ms" or transition.value is None}
    evidence |= {"rule_version": about.version, "unit": about.unit}
    if transition.value is None and not fires:
        evidence["no_data_since_ms"] = transition.at_ms
    elif transition.limit is not None:
        evidence["limit"] = transition.limit
    changed = replace(
        known,
        severity=about.rule.severity.value if about.rule else known.severity,
        state=transition.after.value,
        revision=known.revision if is_new else known.revision + 1,
        retroactive=known.retroactive or (fires and about.now_ms - transition.at_ms > RETROACTIVE_MS),
        fired_ms=transition.at_ms if fires else known.fired_ms,
        value=known.value if transition.value is None else transition.value,
        evidence=evidence,
    )
    return replace(changed, summary=_summary(changed, transition.note))


def _close(incident: Incident, transition: Transition) -> Change:
    if incident.fired_ms is None:
        return Change(None)
    evidence = {k: v for k, v in incident.evidence.items() if k != "no_data_since_ms"}
    closed = replace(
        incident,
        state=Phase.RESOLVED.value,
        revision=incident.revision + 1,
        resolved_ms=transition.at_ms,
        value=incident.value if transition.value is None else transition.value,
        evidence=evidence,
    )
    note = transition.note or "back in range"
    return Change(replace(closed, summary=_summary(closed, note)), EventType.RESOLVED)


def _news(before: Incident, after: Incident, transition: Transition) -> EventType | None:
    """Who was told of "firing" is told again only when it matters: notably worse, or another severity."""
    if after.state != Phase.FIRING:
        return None
    if before.fired_ms is None:
        return EventType.FIRING
    worse = transition.before is Phase.FIRING and transition.note == WORSE
    return EventType.UPDATED if worse or before.severity != after.severity else None


def _summary(incident: Incident, note: str) -> str:
    """One line: what, where, how much against what, and why where that is not plain."""
    symbol = UNITS[incident.evidence["unit"]].symbol if incident.evidence.get("unit") in UNITS else ""
    unit = f" {symbol}" if symbol else ""
    text = f"{incident.evidence.get('title', incident.rule)}: {incident.site} {incident.device} {incident.metric}"
    if incident.value is not None:
        text += f" {incident.value:.6g}{unit}"
        limit = incident.evidence.get("limit")
        if limit is not None:
            text += f" (limit {limit:.6g}{unit})"
    return f"{text}, {note}" if note else text
