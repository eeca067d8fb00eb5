"""Silences: what is not told for a while, by whom and why."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from frostline_cloud.alerts import Silence, add_silence, end_silence, handlings, silences
from frostline_cloud.alerts.reach import reach
from frostline_cloud.api.access import Operator, Viewer
from frostline_cloud.api.alerts import AlertOut, shown
from frostline_cloud.api.paging import MOST
from frostline_cloud.api.parameters import Reason, Text
from frostline_cloud.api.problems import conflicts, not_found
from frostline_cloud.api.services import Wired
from frostline_cloud.instant import Instant

router = APIRouter(tags=["alerts"])


class SilenceIn(BaseModel):
    """What is not to be told, until when, and why."""

    model_config = ConfigDict(extra="forbid")

    matchers: dict[Text, Text] = Field(
        min_length=1,
        max_length=20,
        description="All must fit: `site`, `node`, `device`, `metric`, `rule`, `severity` or `label.<key>`, to a "
        "pattern with `*` and `?`.",
    )
    from_ms: Instant | None = Field(default=None, description="When it begins; now where absent.")
    to_ms: Instant = Field(description="When it ends: UTC milliseconds, or RFC 3339 with an offset; at most 30 days.")
    reason: Reason = Field(description="For whoever asks why nobody was called.")


class SilenceOut(BaseModel):
    """One silence."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(description="Its number.")
    matchers: dict[str, str] = Field(description="What it covers.")
    reason: str = Field(description="Why.")
    author: str = Field(description="Who.")
    created_ms: int = Field(description="When it was written.")
    from_ms: int = Field(description="When it begins, by the clock.")
    to_ms: int = Field(description="When it ends.")
    ended_by: str | None = Field(description="Who ended it before its time.")


class ReachIn(BaseModel):
    """Matchers to try."""

    model_config = ConfigDict(extra="forbid")

    matchers: dict[Text, Text] = Field(min_length=1, max_length=20, description="As of a silence.")


class ReachOut(BaseModel):
    """What a silence would cover."""

    open: list[AlertOut] = Field(description="Open alerts, newest first; the first 100.")
    open_count: int = Field(description="How many these are in all.")
    week_count: int = Field(description="Alerts that opened in the last 7 days.")
    devices: list[tuple[str, str, str]] = Field(description="Site, gateway and device; the first 100.")
    device_count: int = Field(description="How many these are in all; matchers on anything else do not count.")
    device_total: int = Field(description="Devices known.")
    is_cut: bool = Field(description="There is more than was looked at: the counts are of a part.")


class SilencesOut(BaseModel):
    """Silences in force and to come."""

    items: list[SilenceOut] = Field(description="By their end; the first 500.")


SilenceId = Annotated[int, Path(ge=1, le=2**63 - 1, description="The silence's number.")]
Since = Annotated[Instant | None, Query(description="Those that end after this instant; without it, after now.")]


@router.get("/silences", summary="List silences")
def list_silences(services: Wired, _caller: Viewer, since: Since = None) -> SilencesOut:
    """Those that are in force or to come, or, with `since`, were then."""
    with services.reading() as connection:
        found = silences(connection, services.clock() if since is None else since, MOST)
    return SilencesOut(items=[SilenceOut.model_validate(each) for each in found])


@router.post("/silences/preview", summary="Show what a silence would cover")
def preview_silence(services: Wired, _caller: Viewer, wanted: ReachIn) -> ReachOut:
    """Changes nothing. Nothing covered often means that a pattern is mistyped."""
    with conflicts(), services.reading() as connection:
        found = reach(connection, wanted.matchers, services.clock())
        handled = handlings(connection, [each.id for each in found.open])
    return ReachOut(
        open=[shown(each, handled[each.id]) for each in found.open],
        open_count=found.open_count,
        week_count=found.week_count,
        devices=list(found.devices),
        device_count=found.device_count,
        device_total=found.device_total,
        is_cut=found.is_cut,
    )


@router.post("/silences", summary="Tell nobody of some alerts for a while", status_code=HTTPStatus.CREATED)
def create_silence(services: Wired, caller: Operator, wanted: SilenceIn) -> SilenceOut:
    """Alerts that it covers go on being recorded; those that fire at its end are told then."""
    now_ms = services.clock()
    from_ms = now_ms if wanted.from_ms is None else wanted.from_ms
    made = Silence(0, wanted.matchers, wanted.reason, caller.name, from_ms, wanted.to_ms, now_ms)
    with conflicts(), services.writing() as connection:
        number = add_silence(connection, made)
    return SilenceOut.model_validate(made).model_copy(update={"id": number})


@router.post("/silences/{silence_id}/end", summary="End a silence now")
def finish_silence(services: Wired, caller: Operator, silence_id: SilenceId) -> SilencesOut:
    """What it covered and still fires is told within seconds. Returns what is left."""
    now_ms = services.clock()
    with services.writing() as connection:
        if not end_silence(connection, silence_id, caller.name, now_ms):
            raise not_found(f"silence {silence_id} that is in force or to come")
        found = silences(connection, now_ms, MOST)
    return SilencesOut(items=[SilenceOut.model_validate(each) for each in found])
