"""When devices are not in service: maintenance windows and idle equipment."""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from frostline_cloud.api.access import Operator, Viewer
from frostline_cloud.api.paging import MOST
from frostline_cloud.api.parameters import Reason, SiteFilter, Text
from frostline_cloud.api.problems import conflicts, not_found
from frostline_cloud.api.services import Wired
from frostline_cloud.instant import Instant
from frostline_cloud.rules import AssetState, Pause, add_pause, end_pause, pauses

router = APIRouter(tags=["rules"])


class PauseKind(StrEnum):
    """Why devices are not in service."""

    IDLE = "idle"
    MAINTENANCE = "maintenance"


class PauseIn(BaseModel):
    """A span of time in which rules open nothing; hard limits do, and what is open stays open."""

    model_config = ConfigDict(extra="forbid")

    state: PauseKind = Field(description="`maintenance` (30 days at most) or `idle` (400 days at most).")
    site: Text = Field(min_length=1, description="The site.")
    node: Text = Field(default="", description="The gateway; empty is all of the site.")
    device: Text = Field(default="", description="The device; empty is all of the gateway.")
    from_ms: Instant = Field(description="Begins: UTC milliseconds, or RFC 3339 with an offset.")
    to_ms: Instant = Field(description="Ends.")
    reason: Reason = Field(description="For whoever asks why nobody was called.")


class PauseOut(BaseModel):
    """One pause."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(description="Its number.")
    state: str = Field(description="`idle` or `maintenance`.")
    site: str = Field(description="The site.")
    node: str = Field(description="The gateway; empty is all of the site.")
    device: str = Field(description="The device; empty is all of the gateway.")
    from_ms: int = Field(description="When it begins, in the time of the samples.")
    to_ms: int = Field(description="When it ends.")
    reason: str = Field(description="Why.")
    author: str = Field(description="Who.")


class PausesOut(BaseModel):
    """The pauses in force and to come."""

    items: list[PauseOut] = Field(description="By their beginning; the first 500.")


PauseId = Annotated[int, Path(ge=1, le=2**63 - 1, description="The pause's number.")]
Since = Annotated[Instant | None, Query(description="Those that end after this instant; without it, after now.")]


@router.get("/pauses", summary="List what is not in service")
def list_pauses(services: Wired, _caller: Viewer, site: SiteFilter = None, since: Since = None) -> PausesOut:
    """Pauses that are in force or to come, or, with `since`, were then."""
    with services.reading() as connection:
        found = pauses(connection, services.clock() if since is None else since, site, MOST)
    return PausesOut(items=[PauseOut.model_validate(each) for each in found])


@router.post("/pauses", summary="Take devices out of service for a while", status_code=HTTPStatus.CREATED)
def create_pause(services: Wired, caller: Operator, wanted: PauseIn) -> PauseOut:
    """Rules hear of it within a second or two; for samples that came before, nothing changes."""
    pause = Pause(
        0, AssetState(wanted.state.value), wanted.site, wanted.node, wanted.device, wanted.from_ms, wanted.to_ms,
        wanted.reason, caller.name,
    )  # fmt: skip
    with conflicts(), services.writing() as connection:
        number = add_pause(connection, pause, services.clock())
    return PauseOut.model_validate(pause).model_copy(update={"id": number})


@router.post("/pauses/{pause_id}/end", summary="Put devices into service again")
def finish_pause(services: Wired, _caller: Operator, pause_id: PauseId) -> PausesOut:
    """Ends a pause now; one that has not begun never does. Returns what is left."""
    now_ms = services.clock()
    with services.writing() as connection:
        if not end_pause(connection, pause_id, now_ms):
            raise not_found(f"pause {pause_id} that is in force or to come")
        found = pauses(connection, now_ms, None, MOST)
    return PausesOut(items=[PauseOut.model_validate(each) for each in found])
