"""On call: who is, who follows, who covers for whom, and whom an alert's escalation would reach."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from frostline_cloud.alerts import one_alert
from frostline_cloud.api.access import Operator, Viewer
from frostline_cloud.api.alerts import AlertId
from frostline_cloud.api.paging import MOST
from frostline_cloud.api.parameters import Reason, Text
from frostline_cloud.api.problems import conflicts, not_found
from frostline_cloud.api.services import Services, Wired
from frostline_cloud.instant import Instant
from frostline_cloud.notify.oncall import Duty, Override, Rotation
from frostline_cloud.notify.oncall.rows import add_override, end_override, overrides, staffed
from frostline_cloud.notify.plan import Plan
from frostline_cloud.notify.reach import Step, reach_of

router = APIRouter(tags=["notify"])

_DAY_MS = 24 * 3_600_000
_MOST_DUTIES = 500


class DutyOut(BaseModel):
    """A span of time in which the same receiver is on call."""

    who: str = Field(description="The receiver; empty while nobody is on call.")
    from_ms: int = Field(description="When it begins, UTC milliseconds; of the first the moment that was asked for.")
    to_ms: int | None = Field(description="When it is over; null where it does not end within 400 days.")
    is_override: bool = Field(description="Whether an override put it there.")
    reason: str = Field(description="Of the override; empty for a turn, and for an override of cloud.toml.")
    author: str = Field(description="Who made the override; empty for a turn, and for an override of cloud.toml.")


class RotationOut(BaseModel):
    """A rotation: who is on call, and who follows."""

    rotation: str = Field(description="Its name.")
    time_zone: str = Field(description="Its turns change on the clock of this zone.")
    hand_over: str = Field(description="When, on that clock.")
    members: list[str] = Field(description="Receivers in the order of their turns.")
    now: DutyOut = Field(description="Who is on call at the moment that was asked for.")
    told: list[str] = Field(description="Receivers that are told then: who is on call, or who is told in the place.")
    next: DutyOut | None = Field(description="Who follows; null where nobody does within 400 days.")
    duties: list[DutyOut] = Field(description="All of the days that were asked for; at most 500.")


class OverrideIn(BaseModel):
    """Somebody else for a while."""

    model_config = ConfigDict(extra="forbid")

    rotation: Text = Field(min_length=1, description="The rotation.")
    who: Text = Field(min_length=1, description="The receiver that is on call then; it need not be a member.")
    instead_of: Text = Field(
        default="", description="Only while this receiver would be on call; empty is whoever it would be, and nobody."
    )
    from_ms: Instant | None = Field(default=None, description="When it begins; now where absent or past.")
    to_ms: Instant = Field(description="When it ends: UTC milliseconds, or RFC 3339 with an offset; within 90 days.")
    reason: Reason = Field(description="For whoever asks why somebody else was called.")


class OverrideOut(BaseModel):
    """One override."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(description="Its number; 0 for one of cloud.toml, which is ended there.")
    rotation: str = Field(description="The rotation.")
    who: str = Field(description="Who is on call then.")
    instead_of: str = Field(description="Only while this receiver would be on call; empty for whoever it would be.")
    from_ms: int = Field(description="When it begins, by the clock.")
    to_ms: int = Field(description="When it ends.")
    reason: str = Field(description="Why.")
    author: str = Field(description="Who made it; empty for one of cloud.toml.")
    created_ms: int = Field(description="When it was written; 0 for one of cloud.toml.")
    ended_by: str | None = Field(description="Who ended it before its time.")
    fault: str = Field(default="", description="Why it does not count; empty where it does.")


class OverridesOut(BaseModel):
    """Overrides in force and to come."""

    items: list[OverrideOut] = Field(description="By their beginning; the first 500 of those made over the API.")


class ReachedOut(BaseModel):
    """A receiver that a step reaches."""

    receiver: str = Field(description="The receiver.")
    rotation: str = Field(description="The rotation by which it is told; empty where the step names it, or everybody.")


class StepOut(BaseModel):
    """A step of the escalation of an alert."""

    route: str = Field(description="The route that it belongs to.")
    step: int = Field(description="Its number; 1 is the first.")
    due_ms: int = Field(description="When it is taken if nobody takes note, UTC milliseconds.")
    state: str = Field(description="`waiting`, `sent` or `stopped`.")
    to: list[str] = Field(description="Receivers and rotations that it names.")
    now: list[ReachedOut] = Field(description="Whom it would reach now.")
    then: list[ReachedOut] = Field(description="Whom it will reach when it is due, as far as is known.")


class EscalationOut(BaseModel):
    """The escalation of an alert."""

    steps: list[StepOut] = Field(description="By when they are due; empty where no route that took it escalates.")
    held: str = Field(
        description="Why no step is taken now: `noted` (somebody took note, or it is over) or `muted`; empty for none."
    )


Days = Annotated[int, Query(ge=1, le=100, description="So many days are shown.")]
At = Annotated[Instant | None, Query(description="Another moment than now.")]
Since = Annotated[Instant | None, Query(description="Those that end after this instant; without it, after now.")]
RotationName = Annotated[Text, Path(description="The rotation's name.")]
OverrideId = Annotated[int, Path(ge=1, le=2**63 - 1, description="The override's number.")]


@router.get("/notify/rotations", summary="Show who is on call, and who follows")
def list_rotations(services: Wired, _caller: Viewer, days: Days = 14, at: At = None) -> list[RotationOut]:
    """Every rotation, in the order of cloud.toml."""
    from_ms = services.clock() if at is None else at
    plan = _plan(services, from_ms)
    return [_rotation(plan, each, from_ms, days) for each in plan.rotations]


@router.get("/notify/rotations/{rotation}", summary="Show who is on call in one rotation")
def show_rotation(
    services: Wired, _caller: Viewer, rotation: RotationName, days: Days = 14, at: At = None
) -> RotationOut:
    """One rotation."""
    from_ms = services.clock() if at is None else at
    plan = _plan(services, from_ms)
    for each in plan.rotations:
        if each.name == rotation:
            return _rotation(plan, each, from_ms, days)
    raise not_found(f"rotation {rotation}")


@router.get("/notify/overrides", summary="List who covers for whom")
def list_overrides(services: Wired, _caller: Viewer, since: Since = None) -> OverridesOut:
    """Those that are in force or to come, or, with `since`, were then; those of cloud.toml too."""
    since_ms = services.clock() if since is None else since
    with services.reading() as connection:
        return _overrides(services, connection, since_ms)


@router.post("/notify/overrides", summary="Put somebody else on call for a while", status_code=HTTPStatus.CREATED)
def create_override(services: Wired, caller: Operator, wanted: OverrideIn) -> OverrideOut:
    """Counts from the next alert and the next step on; who was told before goes on being told of that alert."""
    now_ms = services.clock()
    from_ms = now_ms if wanted.from_ms is None else wanted.from_ms
    made = Override(
        wanted.rotation, wanted.who, from_ms, wanted.to_ms, wanted.instead_of, wanted.reason, caller.name, now_ms
    )
    with conflicts(), services.writing() as connection:
        return OverrideOut.model_validate(add_override(connection, services.plan, made))


@router.post("/notify/overrides/{override_id}/end", summary="End an override now")
def finish_override(services: Wired, caller: Operator, override_id: OverrideId) -> OverridesOut:
    """Whose turn it is is on call again; one that has not begun never does. Returns what is left."""
    now_ms = services.clock()
    with services.writing() as connection:
        if not end_override(connection, override_id, caller.name, now_ms):
            raise not_found(f"override {override_id} that is in force or to come")
        return _overrides(services, connection, now_ms)


@router.get("/alerts/{alert_id}/escalation", summary="Show whom an alert's escalation would reach")
def show_escalation(services: Wired, _caller: Viewer, alert_id: AlertId) -> EscalationOut:
    """Its steps, with whoever is on call now and when they are due."""
    with services.reading() as connection:
        if one_alert(connection, alert_id) is None:
            raise not_found(f"alert {alert_id}")
        found = reach_of(connection, services.plan, alert_id, services.clock())
    return EscalationOut(steps=[_step(each) for each in found.steps], held=found.held)


def _plan(services: Services, from_ms: int) -> Plan:
    with services.reading() as connection:
        return staffed(connection, services.plan, from_ms)


def _rotation(plan: Plan, rotation: Rotation, from_ms: int, days: int) -> RotationOut:
    first = rotation.duties(from_ms, 2)
    shown = rotation.duties(from_ms, _MOST_DUTIES, from_ms + days * _DAY_MS)
    config = rotation.config
    return RotationOut(
        rotation=rotation.name,
        time_zone=config.time_zone,
        hand_over=config.hand_over,
        members=list(config.members),
        now=_duty(first[0]),
        told=list(plan.on_call([rotation.name], from_ms)),
        next=_duty(first[1]) if len(first) > 1 else None,
        duties=[_duty(each) for each in shown],
    )


def _duty(duty: Duty) -> DutyOut:
    by = duty.override
    return DutyOut(
        who=duty.who,
        from_ms=duty.begin_ms,
        to_ms=duty.end_ms,
        is_override=by is not None,
        reason="" if by is None else by.reason,
        author="" if by is None else by.author,
    )


def _overrides(services: Services, connection: Connection, since_ms: int) -> OverridesOut:
    planned = [each for rotation in services.plan.rotations for each in rotation.planned if each.to_ms > since_ms]
    found = [*overrides(connection, since_ms, MOST), *planned]
    items = [
        OverrideOut.model_validate(each).model_copy(update={"fault": _fault(services.plan, each)}) for each in found
    ]
    return OverridesOut(items=sorted(items, key=lambda each: (each.from_ms, each.id)))


def _fault(plan: Plan, override: Override) -> str:
    """Why an override that was made does not count any more."""
    if override.rotation not in {each.name for each in plan.rotations}:
        return f"there is no rotation '{override.rotation}' any more"
    return "" if override.who in plan.receivers else f"there is no receiver '{override.who}' any more"


def _step(step: Step) -> StepOut:
    return StepOut(
        route=step.route,
        step=step.step,
        due_ms=step.due_ms,
        state=step.state,
        to=list(step.to),
        now=[ReachedOut(receiver=name, rotation=by) for name, by in step.now.items()],
        then=[ReachedOut(receiver=name, rotation=by) for name, by in step.then.items()],
    )
