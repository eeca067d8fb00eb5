"""Alerts: what is open, what was, how it went, who was told, and who took note."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, select

from frostline_cloud.alerts import (
    Filters,
    Handling,
    Incident,
    acknowledge,
    alerts,
    handlings,
    one_alert,
    timeline,
)
from frostline_cloud.alerts.local import with_actions
from frostline_cloud.alerts.read import NEEDS_SOMEBODY
from frostline_cloud.api.access import Operator, Viewer
from frostline_cloud.api.paging import Cursor, Limit, Page, decode, encode
from frostline_cloud.api.parameters import DeviceFilter, NodeFilter, SiteFilter, Text
from frostline_cloud.api.problems import not_found
from frostline_cloud.api.services import Wired
from frostline_cloud.notify.outbox import UNADDRESSED
from frostline_cloud.sql.tables import delivery, outbox
from frostline_core.rules import Severity
from frostline_core.rules.rule import Category

router = APIRouter(tags=["alerts"])

_MOST = 500


class StateFilter(StrEnum):
    """Which alerts to list."""

    OPEN = "open"
    PENDING = "pending"
    FIRING = "firing"
    CLEARING = "clearing"
    RESOLVED = "resolved"


class HandlingOut(BaseModel):
    """What people made of an alert, and why it is not told."""

    model_config = ConfigDict(from_attributes=True)

    assignee: str | None = Field(description="Who looks after it.")
    shelved_until_ms: int | None = Field(description="Until when it is shelved.")
    shelved_by: str | None = Field(description="Who shelved it.")
    shelve_reason: str | None = Field(description="Why.")
    muted: str | None = Field(description="Why it is not told: `shelved`, `silenced` or `inhibited`; null when it is.")
    muted_by: str | None = Field(description="Which shelf, silence or other alert that is.")
    muted_ms: int | None = Field(description="Since when.")
    closed_ms: int | None = Field(description="When somebody closed it, after it had ended.")
    closed_by: str | None = Field(description="Who.")
    cause: str | None = Field(description="What the cause was.")
    disposition: str | None = Field(description="What became of the goods: `release`, `quarantine` or `destroy`.")


class AlertOut(BaseModel):
    """One incident, from its first sign to its end."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(description="Stable from firing to resolved.")
    rule: str = Field(description="The rule that opened it.")
    site: str = Field(description="The site.")
    node: str = Field(description="The gateway.")
    device: str = Field(description="The device.")
    metric: str = Field(description="The metric.")
    zone: str = Field(description="Where the device stands.")
    severity: str = Field(description="`info`, `warning` or `critical`.")
    state: str = Field(description="`pending`, `firing`, `clearing` or `resolved`; without data it stays as it is.")
    revision: int = Field(description="Rises with every change.")
    retroactive: bool = Field(description="Whether it was found in samples that came late.")
    opened_ms: int = Field(description="When the first sign was measured, UTC milliseconds.")
    fired_ms: int | None = Field(description="When it began to fire, in the time of the samples.")
    resolved_ms: int | None = Field(description="When it ended, in the time of the samples.")
    no_data_since_ms: int | None = Field(
        description="Since when nothing is known of what it watches: its state is then the last that was known."
    )
    category: str | None = Field(description="`compliance` or `operational`; null where the rule is not known.")
    value: float | None = Field(description="The value at the newest change.")
    summary: str = Field(description="What is wrong, in one line.")
    acknowledged_ms: int | None = Field(description="When somebody took note; it stops escalation, nothing else.")
    acknowledged_by: str | None = Field(description="Who.")
    handling: HandlingOut | None = Field(default=None, description="What people made of it, and why it is not told.")


class EventOut(BaseModel):
    """One change of an alert."""

    model_config = ConfigDict(from_attributes=True)

    revision: int = Field(description="The alert's revision after it.")
    before: str = Field(description="State before.")
    after: str = Field(description="State after.")
    at_ms: int = Field(description="When it happened, in the time of the samples.")
    noted_ms: int = Field(description="When the cloud knew.")
    value: float | None = Field(description="The value then.")
    note: str = Field(description="Anything else.")
    act: str = Field(
        description="What somebody did: `acknowledge`, `assign`, `comment`, `shelve`, `unshelve`, `close`."
    )
    who: str = Field(description="Who; empty where it was the rule, or the cloud itself.")


class AttemptOut(BaseModel):
    """One attempt to deliver a notification."""

    at_ms: int = Field(description="When, UTC milliseconds.")
    status: int | None = Field(description="HTTP status; null where none came.")
    error: str = Field(description="What went wrong; empty when nothing did.")


class NotificationOut(BaseModel):
    """A notification of an alert to one receiver."""

    id: str = Field(description="The webhook-id: the same for every attempt.")
    type: str = Field(description="`alert.firing`, `alert.updated`, `alert.escalated` or `alert.resolved`.")
    receiver: str = Field(description="The receiver's name.")
    state: str = Field(description="`waiting`, `delivered`, `dead`, `collapsed` or `skipped`.")
    created_ms: int = Field(description="When it was written.")
    done_ms: int | None = Field(description="When it was delivered or given up.")
    attempts: list[AttemptOut] = Field(description="Each attempt.")


class AlertDetailOut(AlertOut):
    """An alert with its whole history."""

    evidence: Any = Field(description="What the rule saw.")
    timeline: list[EventOut] = Field(description="Every change, in order; the newest 500.")
    notifications: list[NotificationOut] = Field(description="Who was told, and how that went.")


StateQuery = Annotated[
    StateFilter | None, Query(description="Only alerts in this state; `open` is firing or clearing.")
]
SeverityQuery = Annotated[Severity | None, Query(description="Only alerts of this severity.")]
ClosedQuery = Annotated[bool | None, Query(description="Only alerts that somebody has closed, or has not.")]
CategoryQuery = Annotated[Category | None, Query(description="Only alerts of rules of this category.")]
AlertId = Annotated[Text, Path(description="The alert's id.")]


@router.get("/alerts", summary="List alerts")
def list_alerts(  # noqa: PLR0913 - the query parameters of the endpoint
    services: Wired,
    _caller: Viewer,
    state: StateQuery = None,
    site: SiteFilter = None,
    node: NodeFilter = None,
    device: DeviceFilter = None,
    severity: SeverityQuery = None,
    closed: ClosedQuery = None,
    category: CategoryQuery = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[AlertOut]:
    """Alerts by when they opened, newest first."""
    key = decode(cursor, (int, str)) if cursor else None
    states = None if state is None else NEEDS_SOMEBODY if state is StateFilter.OPEN else (state.value,)
    filters = Filters(
        states=states,
        site=site,
        node=node,
        device=device,
        severity=None if severity is None else severity.value,
        is_closed=closed,
        category=None if category is None else category.value,
        limit=limit + 1,
        before=None if key is None else (int(key[0]), str(key[1])),
    )
    with services.reading() as connection:
        found = alerts(connection, filters)
        handled = handlings(connection, [each.id for each in found[:limit]])
    items = [shown(each, handled[each.id]) for each in found[:limit]]
    more = len(found) > limit
    return Page(items=items, next=encode((items[-1].opened_ms, items[-1].id)) if more else None)


@router.get("/alerts/{alert_id}", summary="Show one alert with its timeline")
def show_alert(services: Wired, _caller: Viewer, alert_id: AlertId) -> AlertDetailOut:
    """One alert: every change, and every notification with its attempts."""
    with services.reading() as connection:
        return detail(connection, alert_id)


@router.post("/alerts/{alert_id}/acknowledge", summary="Take note of an alert")
def acknowledge_alert(services: Wired, caller: Operator, alert_id: AlertId) -> AlertDetailOut:
    """Notes who has seen the alert. It stays open until what it watches is well again."""
    with services.writing() as connection:
        acknowledge(connection, alert_id, caller.name, services.clock())
        return detail(connection, alert_id)


def shown(incident: Incident, handled: Handling) -> AlertOut:
    """An alert as lists have it."""
    return AlertOut.model_validate(incident).model_copy(update={"handling": HandlingOut.model_validate(handled)})


def detail(connection: Connection, alert_id: str) -> AlertDetailOut:
    """An alert with its whole history.

    Raises:
        HTTPException: 404 where there is no such alert.
    """
    found = one_alert(connection, alert_id)
    if found is None:
        raise not_found(f"alert {alert_id}")
    return AlertDetailOut.model_validate(
        {
            **found.to_row(),
            "no_data_since_ms": found.no_data_since_ms,
            "category": found.category,
            "handling": HandlingOut.model_validate(handlings(connection, [alert_id])[alert_id]),
            "timeline": [
                EventOut.model_validate(each)
                for each in with_actions(connection, alert_id, timeline(connection, alert_id))
            ],
            "notifications": _notifications(connection, alert_id),
        }
    )


def _notifications(connection: Connection, alert_id: str) -> list[NotificationOut]:
    sent = connection.execute(
        select(outbox)
        .where(outbox.c.alert == alert_id, outbox.c.receiver != UNADDRESSED)
        .order_by(outbox.c.created_ms, outbox.c.id)
        .limit(_MOST)
    ).all()
    tried = connection.execute(
        select(delivery)
        .join(outbox, outbox.c.id == delivery.c.outbox)
        .where(outbox.c.alert == alert_id)
        .order_by(delivery.c.id)
        .limit(_MOST)
    ).all()
    attempts: dict[str, list[AttemptOut]] = {}
    for each in tried:
        attempts.setdefault(each.outbox, []).append(AttemptOut.model_validate(each._asdict()))
    return [NotificationOut.model_validate({**each._asdict(), "attempts": attempts.get(each.id, [])}) for each in sent]
