"""Notify: how receivers and the canary do, what was given up, and a second chance for it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from frostline_cloud.api.access import Operator, Viewer
from frostline_cloud.api.parameters import Text
from frostline_cloud.api.problems import not_found
from frostline_cloud.api.services import Wired
from frostline_cloud.notify.canary.figures import figures
from frostline_cloud.notify.dead_letters import dead_letters, revive
from frostline_cloud.notify.figures import receiver_figures
from frostline_cloud.notify.health import enable

router = APIRouter(prefix="/notify", tags=["notify"])


class ReceiverOut(BaseModel):
    """How delivery to one receiver goes."""

    model_config = ConfigDict(from_attributes=True)

    receiver: str = Field(description="Its name.")
    health: str = Field(description="`ok`, `resting` (failed repeatedly, tried now and then) or `gone` (said 410).")
    reason: str = Field(description="Of its newest failure; empty where it is well.")
    states: dict[str, int] = Field(description="Notifications by state.")
    attempts: int = Field(description="Attempts in the last 24 h, at most 5,000.")
    failed: int = Field(description="How many of them failed.")
    p50_ms: int | None = Field(description="Half of the attempts took no longer.")
    p95_ms: int | None = Field(description="95 % of the attempts took no longer.")


class CanaryOut(BaseModel):
    """How the newest 100 flights of the canary went: from a made-up excursion on MQTT to its receiver."""

    model_config = ConfigDict(from_attributes=True)

    flights: int = Field(description="Flights looked at; 0 where there is no canary.")
    failed: int = Field(description="Those that did not arrive in time.")
    p50_ms: int | None = Field(description="Half of those that arrived took no longer.")
    p95_ms: int | None = Field(description="95 % of them took no longer.")
    last_ms: int | None = Field(description="When the newest began, UTC milliseconds.")
    last_took_ms: int | None = Field(description="How long it took; null if it did not arrive.")
    last_error: str = Field(description="Why it did not; empty if it did.")
    arrived_ms: int | None = Field(description="When the newest that arrived began.")


class DeadNoticeOut(BaseModel):
    """A notification that was given up."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(description="Its id; the same when it is sent again.")
    receiver: str = Field(description="Who should have had it.")
    type: str = Field(description="For example `alert.firing`.")
    alert: str = Field(description="The alert's id.")
    created_ms: int = Field(description="When it was written, UTC milliseconds.")
    done_ms: int | None = Field(description="When it was given up.")
    attempts: int = Field(description="How often it was tried.")
    error: str = Field(description="Of the last attempt.")


class RevivedOut(BaseModel):
    """How many notifications will be tried again."""

    revived: int = Field(description="How many; 0 where it was delivered meanwhile or newer news has been.")


ReceiverFilter = Annotated[Text | None, Query(description="Only of this receiver.")]
Most = Annotated[int, Query(ge=1, le=1000, description="The newest so many.")]
NoticeId = Annotated[Text, Path(description="The notification's id.")]
ReceiverName = Annotated[Text, Path(description="The receiver's name.")]


@router.get("/receivers", summary="Show how delivery goes")
def list_receivers(services: Wired, _caller: Viewer) -> list[ReceiverOut]:
    """Every receiver that was ever told something."""
    with services.reading() as connection:
        return [ReceiverOut.model_validate(each) for each in receiver_figures(connection, services.clock())]


@router.post("/receivers/{receiver}/enable", summary="Try a receiver again")
def enable_receiver(services: Wired, _caller: Operator, receiver: ReceiverName) -> list[ReceiverOut]:
    """Forgets its failures, so that it is tried at once, even after 410."""
    with services.writing() as connection:
        known = receiver_figures(connection, services.clock())
        if receiver not in {each.receiver for each in known}:
            raise not_found(f"receiver {receiver}")
        enable(connection, receiver)
        return [ReceiverOut.model_validate(each) for each in receiver_figures(connection, services.clock())]


@router.get("/canary", summary="Show how the canary does")
def show_canary(services: Wired, _caller: Viewer) -> CanaryOut:
    """Latency from sensor to receiver, and failures."""
    with services.reading() as connection:
        return CanaryOut.model_validate(figures(connection))


@router.get("/dead-letters", summary="List notifications that were given up")
def list_dead_notices(
    services: Wired, _caller: Viewer, receiver: ReceiverFilter = None, limit: Most = 100
) -> list[DeadNoticeOut]:
    """The newest first."""
    with services.reading() as connection:
        return [DeadNoticeOut.model_validate(each) for each in dead_letters(connection, receiver, limit)]


@router.post("/dead-letters/{notice_id}/replay", summary="Send a notification again")
def replay_dead_notice(services: Wired, _caller: Operator, notice_id: NoticeId) -> RevivedOut:
    """Tries it for another 24 h, unless its receiver has been told something newer of the same alert."""
    with services.writing() as connection:
        return RevivedOut(revived=revive(connection, services.clock(), ids=[notice_id]))
