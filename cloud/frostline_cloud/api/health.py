"""Whether we live, whether we can work, and numbers for a monitoring system."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from sqlalchemy import text

from frostline_cloud.api.access import Viewer
from frostline_cloud.api.metrics import CONTENT_TYPE, exposition
from frostline_cloud.api.services import Services, Wired
from frostline_core.errors import UnavailableError

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The process answers; it says nothing about data."""

    status: str = Field(description="Always `alive`.")


class Check(BaseModel):
    """One thing that must work."""

    name: str = Field(description="`sql`, `store` or `ingest`.")
    ready: bool = Field(description="Whether it works now.")
    reason: str = Field(description="Why not; empty when it does.")


class Readiness(BaseModel):
    """Whether data can be taken, kept and shown now."""

    ready: bool = Field(description="Whether every check passes.")
    checks: list[Check] = Field(description="Each check with its reason.")


@router.get("/healthz", summary="Is the process alive?")
def healthz() -> Alive:
    """Answers as long as the process does; for a supervisor that restarts it."""
    return Alive(status="alive")


@router.get("/readyz", summary="Can it work?", responses={503: {"model": Readiness, "description": "It cannot."}})
def readyz(services: Wired, response: Response) -> Readiness:
    """SQL answers, the store takes writes, and ingest is connected; 503 with the reasons when not all do."""
    checks = readiness(services)
    ready = all(check.ready for check in checks)
    if not ready:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return Readiness(ready=ready, checks=checks)


@router.get("/metrics", summary="Numbers for Prometheus", response_class=Response)
def metrics(services: Wired, _caller: Viewer) -> Response:
    """The text format of Prometheus; needs a token with the role viewer."""
    return Response(exposition(services), media_type=CONTENT_TYPE)


def readiness(services: Services) -> list[Check]:
    """Every check, made now."""
    reasons = {"sql": _sql(services), "store": _store(services), "ingest": services.ingest_fault()}
    return [Check(name=name, ready=not reason, reason=reason) for name, reason in reasons.items()]


def _sql(services: Services) -> str:
    try:
        with services.reading() as connection:
            connection.execute(text("SELECT 1"))
    except UnavailableError as error:
        return str(error)
    return ""


def _store(services: Services) -> str:
    try:
        services.store.check()
    except UnavailableError as error:
        return str(error)
    return ""
