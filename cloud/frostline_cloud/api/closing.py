"""Closing alerts, their evidence, and all of it as one file."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from frostline_cloud.alerts import Incident, one_alert
from frostline_cloud.alerts.evidence import Closing, Disposition, check_closing, close, frozen, gather
from frostline_cloud.alerts.evidence_csv import as_csv
from frostline_cloud.alerts.handling import MOST_TEXT
from frostline_cloud.api.access import Operator, Viewer
from frostline_cloud.api.alerts import AlertDetailOut, AlertId, detail
from frostline_cloud.api.handling import act
from frostline_cloud.api.problems import not_found
from frostline_cloud.api.services import Services, Wired
from frostline_core.errors import ConfigError

router = APIRouter(tags=["alerts"])


class CloseIn(BaseModel):
    """What there is to say at the end; both are needed where the rule is about compliance."""

    model_config = ConfigDict(extra="forbid")

    cause: str = Field(default="", max_length=MOST_TEXT, pattern=r"^[^\x00]*$", description="Why it happened.")
    disposition: Disposition | None = Field(
        default=None, description="What becomes of the goods: `release`, `quarantine` or `destroy`."
    )


class EvidenceOut(BaseModel):
    """What was measured around an alert. Lowest, highest, mean, count and coverage are of the alert's own time."""

    frozen_ms: int | None = Field(description="When it was frozen; null while the alert is not closed.")
    from_ms: int = Field(description="Begin of what is shown: 30 minutes before the alert.")
    to_ms: int = Field(description="Its end: 30 minutes after.")
    begin_ms: int = Field(description="When the alert opened, in the time of the samples.")
    end_ms: int | None = Field(description="When it ended; null while it lasts.")
    duration_ms: int = Field(description="How long it lasted, or has lasted.")
    suppressed_ms: int = Field(description="For how much of it the rule was suppressed.")
    coverage: float | None = Field(description="The part of its time that samples speak for; the rest is not known.")
    count: int = Field(description="Samples in its time.")
    low: float | None = Field(description="The lowest.")
    high: float | None = Field(description="The highest.")
    mean: float | None = Field(description="Their mean.")
    unit: str | None = Field(description="UCUM code.")
    limit: float | None = Field(description="The limit that was passed.")
    rule: Any = Field(description="The rule as it was when the alert opened: version, hash, category and content.")
    read_to_ms: int | None = Field(description="Where reading stopped because there were too many samples; else null.")
    samples: list[tuple[int, float]] = Field(description="Instant and value; empty where there are intervals.")
    interval_ms: int | None = Field(description="Length of an interval, where there are more than 2,000 samples.")
    intervals: list[tuple[int, float, float, float, int]] = Field(
        description="Begin, lowest, mean, highest and number of samples of each."
    )


class ExportOut(BaseModel):
    """An alert with everything that is known of it."""

    alert: AlertDetailOut = Field(description="The alert, its timeline and its notifications.")
    evidence: EvidenceOut = Field(description="What was measured around it.")


@router.post("/alerts/{alert_id}/close", summary="Close an alert that is over")
def close_alert(services: Wired, caller: Operator, alert_id: AlertId, wanted: CloseIn) -> AlertDetailOut:
    """Freezes its evidence. An alert about compliance needs a cause and a disposition; nothing is closed twice."""
    closing = Closing(wanted.cause, wanted.disposition)
    incident = _incident(services, alert_id)
    try:
        check_closing(incident, closing)
    except ConfigError as error:
        raise HTTPException(409, str(error)) from error
    content = gather(services.store, incident, services.clock())
    return act(
        services, caller, alert_id, lambda connection, doing: close(connection, alert_id, closing, content, doing)
    )


@router.get("/alerts/{alert_id}/evidence", summary="Show what was measured around an alert")
def show_evidence(services: Wired, _caller: Viewer, alert_id: AlertId) -> EvidenceOut:
    """As it was frozen; of an alert that is not closed, as the store has it now."""
    return _evidence(services, alert_id)


@router.get("/alerts/{alert_id}/export", summary="Everything of one alert, as a file")
def export_alert(services: Wired, _caller: Viewer, alert_id: AlertId, response: Response) -> ExportOut:
    """The alert, its timeline, its notifications and its evidence, as JSON."""
    evidence = _evidence(services, alert_id)
    with services.reading() as connection:
        shown = detail(connection, alert_id)
    response.headers["Content-Disposition"] = f'attachment; filename="alert-{shown.id}.json"'
    return ExportOut(alert=shown, evidence=evidence)


@router.get(
    "/alerts/{alert_id}/export.csv",
    summary="The samples around one alert, as a table",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}, "description": "Times in UTC; one line a sample or interval."}},
)
def export_samples(services: Wired, _caller: Viewer, alert_id: AlertId) -> Response:
    """What `evidence` has of samples or intervals, as CSV."""
    text = as_csv(_evidence(services, alert_id).model_dump())
    named = {"Content-Disposition": f'attachment; filename="alert-{_incident(services, alert_id).id}.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=named)


def _evidence(services: Services, alert_id: str) -> EvidenceOut:
    with services.reading() as connection:
        kept = frozen(connection, alert_id)
    if kept is not None:
        return EvidenceOut(**kept[0], frozen_ms=kept[1])
    return EvidenceOut(**gather(services.store, _incident(services, alert_id), services.clock()), frozen_ms=None)


def _incident(services: Services, alert_id: str) -> Incident:
    with services.reading() as connection:
        found = one_alert(connection, alert_id)
    if found is None:
        raise not_found(f"alert {alert_id}")
    return found
