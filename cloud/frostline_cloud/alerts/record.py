"""Writes what rules did: incidents, their timelines, and notifications, in the caller's transaction.

Nothing is remembered outside SQL, so a flush that is rolled back can be repeated as a whole.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, select

from frostline_cloud.alerts import rows
from frostline_cloud.alerts.event import EventType
from frostline_cloud.alerts.incident import Change, Circumstances, Incident, change, join, told
from frostline_cloud.alerts.message import news
from frostline_cloud.alerts.rows import Key
from frostline_cloud.rules.versions import RuleVersion, numbers, versions
from frostline_cloud.sql.tables import alert
from frostline_core.rules import OPEN, Phase, Rule, RuleSet, Track, Transition


def record(
    connection: Connection, transitions: Sequence[Transition], rules: RuleSet, receivers: Sequence[str], now_ms: int
) -> None:
    """Applies transitions to incidents and writes the notifications that follow from them.

    An incident begins with pending. One that never fires ends without a trace, or every value that brushes a limit
    would leave a row; firing, a notable worsening and the end of one that fired are told to every receiver.

    Args:
        connection: In the transaction that also holds the rule states.
        transitions: In the order in which they happened.
        rules: For titles, severities and the version.
        receivers: Names of those who are told.
        now_ms: The clock.
    """
    transitions = [each for each in transitions if each.before in OPEN or each.after in OPEN]
    if not transitions:
        return
    book = _Book(connection, rules, {rule.id: rule for rule in rules.rules}, receivers, now_ms)
    book.read(transitions)
    for transition in transitions:
        book.apply(transition)
    book.write()


@dataclass(slots=True)
class _Book:
    """The incidents that one call touches, and what it will write."""

    connection: Connection
    in_force: RuleSet
    rules: dict[str, Rule]
    receivers: Sequence[str]
    now_ms: int
    open: dict[tuple[Track, Key], Incident] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    versions: dict[str, list[RuleVersion]] = field(default_factory=dict)
    stored: set[str] = field(default_factory=set)
    touched: dict[str, Incident] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    events: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)

    def read(self, transitions: Sequence[Transition]) -> None:
        """Reads what the transitions may need: open incidents, and versions of rules."""
        for incident in rows.open_of(self.connection, {_key(transition) for transition in transitions}):
            self.open[incident.track, incident.key] = incident
            self.stored.add(incident.id)
        rule_ids = {transition.rule_id for transition in transitions}
        for some in rows.chunks(rule_ids):
            self.numbers |= numbers(self.connection, some, self.now_ms)
        for rule_id in rule_ids & self.in_force.histories.keys():
            self.versions[rule_id] = versions(self.connection, rule_id)

    def apply(self, transition: Transition) -> None:
        """Applies one transition in memory."""
        if transition.track is Track.JOIN:
            self._join(transition)
            return
        place = (transition.track, _key(transition))
        before = self.open.get(place)
        if before is None and transition.track is Track.BACKLOG and transition.after is Phase.RESOLVED:
            self._amend(transition)
            return
        made = change(before, transition, self._about(transition))
        if made is None:
            return
        if made.incident is None:
            self._drop(place)
        elif transition.track is Track.BACKLOG:
            self._keep(self._withheld(before, made, made.incident, transition), transition)
        else:
            self._keep(made, transition)

    def _withheld(self, before: Incident | None, made: Change, incident: Incident, transition: Transition) -> Change:
        """What a backlog finds before a live alert that fires is most likely its beginning, of which people know.

        It is not told until it turns out to be another: then its beginning is told with its end.
        """
        live = self.open.get((Track.LIVE, _key(transition)))
        if before is not None and before.is_withheld:
            if incident.state in OPEN:
                return replace(made, tell=None)
            begun, at_ms = replace(before, evidence=told(before)), before.fired_ms or before.opened_ms
            self.messages += [news(EventType.FIRING, name, begun, at_ms, self.now_ms) for name in self.receivers]
            return replace(made, incident=replace(incident, evidence=told(incident)))
        if made.tell is not EventType.FIRING or live is None or live.fired_ms is None:
            return made
        return replace(made, tell=None, incident=replace(incident, evidence={**incident.evidence, "withheld": True}))

    def write(self) -> None:
        """Writes everything, table by table."""
        rows.remove(self.connection, self.gone & self.stored)
        kept = [incident for id_, incident in self.touched.items() if id_ not in self.gone]
        rows.add(self.connection, [incident for incident in kept if incident.id not in self.stored])
        rows.change(self.connection, [incident for incident in kept if incident.id in self.stored])
        rows.note(self.connection, [event for event in self.events if event["alert"] not in self.gone])
        rows.post(self.connection, self.messages)

    def _about(self, transition: Transition) -> Circumstances:
        rule, number = self._as_of(transition)
        return Circumstances(
            rule, self.in_force.version, transition.series.unit, self.now_ms, str(uuid.uuid4()), number
        )

    def _as_of(self, transition: Transition) -> tuple[Rule | None, int | None]:
        """The rule as it was when that happened, and the number of that version."""
        rule_id, at_ms = transition.rule_id, transition.at_ms
        history = self.in_force.histories.get(rule_id)
        then = None if history is None else history.at(at_ms)
        if then is None:
            return self.rules.get(rule_id), self.numbers.get(rule_id)
        return then, next((each.number for each in self.versions[rule_id] if each.is_in_force(at_ms)), None)

    def _join(self, transition: Transition) -> None:
        key = _key(transition)
        late = self.open.pop((Track.BACKLOG, key), None)
        if late is None:
            return
        live = self.open.pop((Track.LIVE, key), None)
        joined = join(late, live, transition)
        if joined.dropped is not None:
            self.gone.add(joined.dropped)
        if joined.late is not None:
            self._keep(joined.late, transition)
        self._keep(joined.live, transition)

    def _amend(self, transition: Transition) -> None:
        """A backlog says that a live incident was over for a while, or earlier than the live samples could know."""
        known = self.open.get((Track.LIVE, _key(transition))) or self._newest(transition)
        if known is None or known.fired_ms is None or known.fired_ms > transition.at_ms:
            return
        evidence = dict(known.evidence) | {"back_in_range_ms": transition.at_ms}
        self._keep(Change(replace(known, revision=known.revision + 1, evidence=evidence)), transition)

    def _newest(self, transition: Transition) -> Incident | None:
        """The incident that was closed last, of that rule and series, as far as this call has not changed it."""
        names = zip(("rule", "site", "node", "device", "metric"), _key(transition), strict=True)
        closed = [alert.c[name] == wanted for name, wanted in names] + [alert.c.resolved_ms >= transition.at_ms]
        query = select(alert).where(*closed).order_by(alert.c.resolved_ms).limit(1)
        found = self.connection.execute(query).mappings().one_or_none()
        if found is None:
            return None
        self.stored.add(found["id"])
        return self.touched.get(found["id"]) or Incident.from_row(found)

    def _drop(self, place: tuple[Track, Key]) -> None:
        incident = self.open.pop(place)
        self.gone.add(incident.id)

    def _keep(self, made: Change, transition: Transition) -> None:
        incident = made.incident
        if incident is None:
            return
        self.touched[incident.id] = incident
        place = (incident.track, _key(transition))
        if incident.state in OPEN:
            self.open[place] = incident
        elif place in self.open and self.open[place].id == incident.id:
            self.open.pop(place)
        self.events.append(
            {
                "alert": incident.id,
                "revision": incident.revision,
                "before": transition.before.value,
                "after": incident.state,
                "at_ms": transition.at_ms,
                "noted_ms": self.now_ms,
                "value": transition.value,
                "note": _note(transition, made),
            }
        )
        if made.tell is not None:
            self.messages += [news(made.tell, name, incident, transition.at_ms, self.now_ms) for name in self.receivers]


def _note(transition: Transition, made: Change) -> str:
    return "; ".join(filter(None, (transition.note, made.note)))


def _key(transition: Transition) -> Key:
    return (transition.rule_id, *transition.series.key)
