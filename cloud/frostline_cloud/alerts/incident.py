"""One incident, and what a transition of its rule makes of it; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from sqlalchemy import RowMapping

from frostline_cloud.alerts.event import EventType
from frostline_cloud.spoken import spoken
from frostline_core.rules import OPEN, WORSE, Phase, Rule, Severity, Track, Transition
from frostline_core.units import UNITS

RETROACTIVE_MS = 15 * 60_000
"""An incident that is noticed later than this after it fired was found in late samples, and says so."""
CURRENT: Final = "current"
"""In the evidence of a retroactive incident: people know that it lasts."""
STILL: Final = "noticed late, and still so now"
"""The note of a retroactive incident that turns out to last."""


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
        retroactive: It was found in a backlog, or noticed more than `RETROACTIVE_MS` after it fired.
        opened_ms: Event time at which it became pending, or fired without that.
        fired_ms: Event time; None while pending.
        resolved_ms: Event time; None until then.
        value: The value at the newest change that had one.
        summary: One line for people.
        evidence: `title`, `rule_version` (of the whole set), `rule` (hash, number, category and content as they were
            when it opened), `kind`, `labels`, `limit`, `unit`; where they apply `no_data_since_ms`, `suppressed_ms`,
            what the rule's kind adds, `track` ("backlog" while nothing has joined it to the live samples),
            `continued_by` and `continues` (ids of incidents that turned out to be the same), `withheld` (nobody has
            been told yet: it is most likely the beginning of a live alert that fires), `back_in_range_ms` (a backlog
            says that it was over then, which the live samples could not know), `current` (it is retroactive, and people
            have been told that it lasts).
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

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """The rule and the series."""
        return (self.rule, self.site, self.node, self.device, self.metric)

    @property
    def track(self) -> Track:
        """Which samples it is found in."""
        return Track(self.evidence.get("track", Track.LIVE.value))

    @property
    def is_withheld(self) -> bool:
        """Whether nobody has been told of it, since it is most likely the beginning of a live alert that fires."""
        return bool(self.evidence.get("withheld"))

    @property
    def no_data_since_ms(self) -> int | None:
        """Since when nothing is known of what it watches: it stays as it was; None while samples come."""
        since: int | None = self.evidence.get("no_data_since_ms")
        return since

    @property
    def category(self) -> str | None:
        """`compliance` or `operational`, as the rule was when it opened; None where that is not known."""
        found: str | None = (self.evidence.get("rule") or {}).get("category")
        return found


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known besides the transition.

    Attributes:
        rule: The rule; None if it has been removed.
        version: Of the rule set.
        unit: UCUM code of the metric; "" where not known.
        now_ms: The clock.
        new_id: Id for an incident that opens.
        number: Of the rule's version that is in force; None where versions are not kept.
    """

    rule: Rule | None
    version: str
    unit: str
    now_ms: int
    new_id: str
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What a transition makes of an incident.

    Attributes:
        incident: As it is now; None: it was pending only, and is over as if it had never been.
        tell: The notification to send, if any.
        note: For the timeline, besides the transition's own.
    """

    incident: Incident | None
    tell: EventType | None = None
    note: str = ""


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
    if known.acknowledged_ms is None or _rank_of(after) <= _rank_of(known):
        return Change(after, _news(known, after, transition))
    told = replace(after, acknowledged_ms=None, acknowledged_by=None)
    why = f"{after.severity} now: that {known.acknowledged_by} took note of {known.severity} no longer counts"
    return Change(told, _news(known, told, transition), why)


@dataclass(frozen=True, slots=True)
class Joined:
    """What becomes of an incident of a backlog and the live one, when the backlog has reached the live samples.

    Attributes:
        live: The one incident that goes on, and how.
        late: The other, closed; None where it is the one that goes on, or had never fired.
        dropped: Id of an incident that had never fired and is part of the other now.
    """

    live: Change
    late: Change | None = None
    dropped: str | None = None


def join(late: Incident, live: Incident | None, transition: Transition) -> Joined:
    """Makes one incident of two: the one that people know of goes on, with the earlier beginning."""
    if live is None or (live.fired_ms is None and late.fired_ms is not None):
        evidence = {k: v for k, v in told(late).items() if k != "track"} | {CURRENT: True}
        state = transition.after.value if live is None else late.state
        going = replace(late, state=state, revision=late.revision + 1, evidence=evidence)
        tell = EventType.UPDATED if late.fired_ms is not None and going.state == Phase.FIRING else None
        tell = EventType.FIRING if late.is_withheld else tell
        going = replace(going, summary=_summary(going, transition.note))
        return Joined(Change(going, tell), dropped=None if live is None else live.id)
    going = replace(live, opened_ms=min(live.opened_ms, late.opened_ms), revision=live.revision + 1)
    if late.fired_ms is None:
        return Joined(Change(going), dropped=late.id)
    fired_ms = late.fired_ms if live.fired_ms is None else min(live.fired_ms, late.fired_ms)
    if late.is_withheld:
        return Joined(Change(replace(going, fired_ms=fired_ms), EventType.UPDATED), dropped=late.id)
    going = replace(going, fired_ms=fired_ms, evidence=dict(live.evidence) | {"continues": late.id})
    closed = replace(
        late,
        state=Phase.RESOLVED.value,
        revision=late.revision + 1,
        resolved_ms=transition.at_ms,
        evidence=dict(late.evidence) | {"continued_by": live.id},
    )
    closed = replace(closed, summary=_summary(closed, transition.note))
    return Joined(Change(going, EventType.UPDATED), Change(closed, EventType.RESOLVED))


def told(incident: Incident) -> dict[str, Any]:
    """The evidence of an incident of which people are told now."""
    return {name: known for name, known in incident.evidence.items() if name != "withheld"}


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
        severity=_severity(transition, about, None),
        state=transition.after.value,
        revision=1,
        retroactive=transition.track is Track.BACKLOG,
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
        }
        | _rule(about)
        | ({"track": transition.track.value} if transition.track is Track.BACKLOG else {}),
    )


def _rule(about: Circumstances) -> dict[str, Any]:
    """The rule as it is now, so that the incident shows its limits whatever becomes of the rule."""
    rule = about.rule
    if rule is None:
        return {}
    known = {"hash": rule.content_hash, "number": about.number, "category": rule.category.value}
    return {"rule": known | {"content": rule.content}}


def _severity(transition: Transition, about: Circumstances, known: str | None) -> str:
    """The highest that the incident has had, if the rule has levels; else the rule's."""
    if transition.severity is not None:
        return (
            transition.severity.value if known is None else max(transition.severity, Severity(known), key=_rank).value
        )
    if about.rule is not None:
        return about.rule.severity.value
    return known or Severity.WARNING.value


def _update(known: Incident, transition: Transition, about: Circumstances, *, is_new: bool) -> Incident:
    fires = transition.after is Phase.FIRING and known.fired_ms is None
    evidence = {k: v for k, v in known.evidence.items() if k != "no_data_since_ms" or transition.value is None}
    evidence |= {"rule_version": about.version, "unit": about.unit} | dict(transition.facts)
    if transition.value is None and not fires:
        evidence["no_data_since_ms"] = transition.at_ms
    elif transition.limit is not None:
        evidence["limit"] = transition.limit
    changed = replace(
        known,
        severity=_severity(transition, about, known.severity),
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
    evidence = {k: v for k, v in incident.evidence.items() if k != "no_data_since_ms"} | dict(transition.facts)
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
    if after.track is Track.BACKLOG:
        return None  # it was told as retroactive, once
    worse = transition.before is Phase.FIRING and transition.note in (WORSE, STILL)
    return EventType.UPDATED if worse or before.severity != after.severity else None


def _summary(incident: Incident, note: str) -> str:
    """One line: what, where, how much against what, and why where that is not plain."""
    symbol = UNITS[incident.evidence["unit"]].symbol if incident.evidence.get("unit") in UNITS else ""
    unit = f" {symbol}" if symbol else ""
    title, metric = str(incident.evidence.get("title", incident.rule)), spoken(incident.metric)
    text = f"{title}: {incident.site} {incident.device or incident.node}".rstrip()
    limit = incident.evidence.get("limit")
    is_said = incident.value == 1 and not unit and limit is None and metric in title.lower()
    if not is_said:  # "Gateway is offline" needs no "offline 1"
        text += f" {metric}"
        if incident.value is not None:
            text += f" {incident.value:.6g}{unit}"
            if limit is not None:
                text += f" (limit {limit:.6g}{unit})"
    return f"{text}, {note}" if note else text


def _rank_of(incident: Incident) -> int:
    return Severity(incident.severity).rank


def _rank(severity: Severity) -> int:
    return severity.rank
