"""What people do with an alert: assign, comment, shelve."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from frostline_cloud.alerts import Doing, assign, comment, shelve, unshelve
from frostline_cloud.alerts.handling import MOST_TEXT
from frostline_cloud.api.access import Caller, Operator
from frostline_cloud.api.alerts import AlertDetailOut, AlertId, detail
from frostline_cloud.api.parameters import Text
from frostline_cloud.api.problems import conflicts, not_found
from frostline_cloud.api.services import Services, Wired
from frostline_cloud.instant import Instant

router = APIRouter(tags=["alerts"])

Words = Annotated[str, Field(min_length=1, max_length=MOST_TEXT, pattern=r"^[^\x00]*\S[^\x00]*$")]


class AssignIn(BaseModel):
    """Who is to look after an alert."""

    model_config = ConfigDict(extra="forbid")

    to: Text = Field(description="A name; empty is nobody.")


class CommentIn(BaseModel):
    """A remark."""

    model_config = ConfigDict(extra="forbid")

    text: Words = Field(description="What there is to say.")


class ShelveIn(BaseModel):
    """For how long nobody is told of an alert."""

    model_config = ConfigDict(extra="forbid")

    until_ms: Instant = Field(description="UTC milliseconds, or RFC 3339 with an offset; at most 24 h away.")
    reason: Words = Field(description="Why.")


@router.post("/alerts/{alert_id}/assign", summary="Say who looks after an alert")
def assign_alert(services: Wired, caller: Operator, alert_id: AlertId, wanted: AssignIn) -> AlertDetailOut:
    """Only says so: nobody is told."""
    return act(services, caller, alert_id, lambda connection, doing: assign(connection, alert_id, wanted.to, doing))


@router.post("/alerts/{alert_id}/comments", summary="Write a remark onto an alert's timeline")
def comment_alert(services: Wired, caller: Operator, alert_id: AlertId, wanted: CommentIn) -> AlertDetailOut:
    """Remarks stay as they are: they can neither be changed nor taken back."""
    return act(services, caller, alert_id, lambda connection, doing: comment(connection, alert_id, wanted.text, doing))


@router.post("/alerts/{alert_id}/shelve", summary="Tell nobody of an alert for a while")
def shelve_alert(services: Wired, caller: Operator, alert_id: AlertId, wanted: ShelveIn) -> AlertDetailOut:
    """Until then, at most 24 h; a higher severity is told at once. What still fires at the end is told again."""
    return act(
        services,
        caller,
        alert_id,
        lambda connection, doing: shelve(connection, alert_id, wanted.until_ms, wanted.reason, doing),
    )


@router.post("/alerts/{alert_id}/unshelve", summary="Take an alert from the shelf")
def unshelve_alert(services: Wired, caller: Operator, alert_id: AlertId) -> AlertDetailOut:
    """It is told again if it still fires, and escalation goes on."""
    return act(services, caller, alert_id, lambda connection, doing: unshelve(connection, alert_id, doing))


def act(services: Services, caller: Caller, alert_id: str, does: Callable[[Connection, Doing], bool]) -> AlertDetailOut:
    """Does something with an alert, and shows it.

    Raises:
        HTTPException: 404 where there is no such alert, 409 where it is not in a state for that.
    """
    with conflicts(), services.writing() as connection:
        if not does(connection, Doing(caller.name, services.clock())):
            raise not_found(f"alert {alert_id}")
        return detail(connection, alert_id)
