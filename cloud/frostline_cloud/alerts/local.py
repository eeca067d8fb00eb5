"""What gateways' local rules did: kept by rule and series, and shown on the timeline of the incident that it was for.

The event of a gateway often comes before the samples that open the incident here (events go first after an outage),
so an action belongs to an incident by rule, series and event time, and is looked up when somebody reads.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from frostline_cloud.alerts.read import TimelineEntry
from frostline_cloud.sql.tables import alert, local_action

SLACK_MS = 5_000
"""Two evaluators let the clock fire timers at slightly different moments."""
_MOST = 200
_MOST_TEXT = 500
_MOST_NAME = 200
_TIME = 1 << 53


@dataclass(frozen=True, slots=True)
class LocalAction:
    """An output was switched, or could not be.

    Attributes:
        site: Of the gateway.
        node: The gateway.
        device: Of the series.
        metric: Of the series.
        rule: The rule's id.
        at_ms: Event time of the rule's transition.
        written_ms: When it was written, by the gateway's clock.
        is_on: Whether it was switched on.
        note: For people: which output, and what came of it.
    """

    site: str
    node: str
    device: str
    metric: str
    rule: str
    at_ms: int
    written_ms: int
    is_on: bool
    note: str


def parse(site: str, node: str, text: str) -> LocalAction | None:
    """The action in an event of a gateway; None for what no rule did or nobody understands: the store has it."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or not isinstance(told.get("on"), bool):
        return None
    names = [told.get(key) for key in ("device", "metric", "rule", "output", "target", "outcome")]
    if not all(isinstance(each, str) and 0 < len(each) <= _MOST_NAME for each in names):
        return None
    times = told.get("at_ms"), told.get("written_ms")
    if not all(type(each) is int and 0 < each < _TIME for each in times):
        return None
    device, metric, rule, output, target, outcome = (str(each) for each in names)
    reason = f": {told['reason']}" if isinstance(told.get("reason"), str) and told["reason"] else ""
    note = f"output {output} ({target}) {'on' if told['on'] else 'off'}, {_WORDS.get(outcome, outcome)}{reason}"
    at_ms, written_ms = (int(each or 0) for each in times)
    return LocalAction(site, node, device, metric, rule, at_ms, written_ms, told["on"], note[:_MOST_TEXT])


def keep(connection: Connection, actions: Iterable[LocalAction], now_ms: int) -> None:
    """Writes actions, in the transaction that commits their event."""
    rows = [
        {name: getattr(each, name) for name in LocalAction.__dataclass_fields__} | {"noted_ms": now_ms}
        for each in actions
    ]
    if rows:
        connection.execute(insert(local_action), rows)


def with_actions(connection: Connection, alert_id: str, changes: Sequence[TimelineEntry]) -> Sequence[TimelineEntry]:
    """The timeline with what the gateway's outputs did for this incident, at most 200 actions, in the order of time."""
    incident = connection.execute(select(alert).where(alert.c.id == alert_id)).one_or_none()
    if incident is None:
        return changes
    table = local_action.c
    series = [table[name] == getattr(incident, name) for name in ("site", "node", "device", "metric", "rule")]
    from_ms = incident.opened_ms - SLACK_MS
    query = select(local_action).where(*series, table.at_ms >= from_ms).order_by(table.at_ms, table.id).limit(_MOST)
    if incident.resolved_ms is not None:
        query = query.where(table.at_ms <= incident.resolved_ms + SLACK_MS)
    actions = [_entry(row, changes) for row in connection.execute(query)]
    return sorted([*changes, *actions], key=lambda each: each.at_ms) if actions else changes


def _entry(row: Any, changes: Sequence[TimelineEntry]) -> TimelineEntry:
    """An action beside the state in which the incident was then."""
    before = [each for each in changes if each.at_ms <= row.at_ms] or list(changes[:1])
    revision, state = (before[-1].revision, before[-1].after) if before else (1, "")
    return TimelineEntry(revision, state, state, row.at_ms, row.noted_ms, None, row.note)


_WORDS = {"done": "by the gateway", "already": "as it was already", "failed": "failed"}
