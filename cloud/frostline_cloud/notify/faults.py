"""Alerts about notify itself: a receiver that cannot be told, a canary that did not arrive.

They are alerts like any other, in the console and in the API, but their notifications do not follow the routes: they go
to whoever is still reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from frostline_cloud import alerts
from frostline_cloud.sql.tables import alert
from frostline_core.rules import OPEN, Phase, RuleSet, Series, Transition, parse

RECEIVER_RULE: Final = "frostline-receiver"
MISSED_RULE: Final = "frostline-canary-failed"
SITE, NODE = "frostline", "cloud"


def _rule(rule_id: str, title: str, metric: str) -> dict[str, object]:
    select_ = {"kind": "frostline", "metric": metric}
    return {
        "id": rule_id,
        "title": title,
        "type": "threshold",
        "severity": "critical",
        "above": 0.0,
        "select": select_,
    }


_METRICS: Final = {RECEIVER_RULE: "failures", MISSED_RULE: "missed"}
_RULES = RuleSet.of(
    [
        parse(_rule(RECEIVER_RULE, "A receiver cannot be told", "failures"), "built in"),
        parse(_rule(MISSED_RULE, "The canary did not arrive", "missed"), "built in"),
    ]
)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with notify.

    Attributes:
        rule: `RECEIVER_RULE` or `MISSED_RULE`.
        receiver: The receiver that it is about.
        amount: Failures in a row.
        note: What is wrong, for people.
    """

    rule: str
    receiver: str
    amount: int = 0
    note: str = ""


def is_open(connection: Connection, rule: str, receiver: str) -> bool:
    """Whether there is such an alert already."""
    states = [phase.value for phase in OPEN]
    query = select(alert.c.id).where(
        alert.c.rule == rule, alert.c.device == receiver, alert.c.site == SITE, alert.c.state.in_(states)
    )
    return connection.execute(query.limit(1)).first() is not None


def begin(connection: Connection, fault: Fault, told: Sequence[str], now_ms: int) -> bool:
    """Opens the alert and tells somebody, unless it is open; returns whether it was opened."""
    if is_open(connection, fault.rule, fault.receiver):
        return False
    alerts.record(connection, [_step(fault, Phase.OK, Phase.FIRING, now_ms)], _RULES, told, now_ms)
    return True


def end(connection: Connection, fault: Fault, told: Sequence[str], now_ms: int) -> bool:
    """Resolves the alert, if there is one."""
    if not is_open(connection, fault.rule, fault.receiver):
        return False
    alerts.record(connection, [_step(fault, Phase.FIRING, Phase.RESOLVED, now_ms)], _RULES, told, now_ms)
    return True


def _step(fault: Fault, before: Phase, after: Phase, now_ms: int) -> Transition:
    series = Series(SITE, NODE, fault.receiver, "frostline", "", _METRICS[fault.rule])
    return Transition(fault.rule, series, before, after, now_ms, float(fault.amount), 0.0, fault.note)
