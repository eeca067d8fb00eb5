"""Which rules call too often."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from frostline_cloud.alerts.noise import DAY_MS, noisiest
from frostline_cloud.api.access import Viewer
from frostline_cloud.api.services import Wired
from frostline_cloud.instant import Instant

router = APIRouter(tags=["alerts"])


class NoiseOut(BaseModel):
    """How much a rule called."""

    model_config = ConfigDict(from_attributes=True)

    rule: str = Field(description="Its id.")
    alerts: int = Field(description="Alerts that fired.")
    flaps: int = Field(description="Of these, within 30 minutes of the end of the one before of the same series.")
    flap_score: float = Field(description="0 to 1: the part of its alerts that flap.")
    notifications: int = Field(description="Notifications that were delivered for it.")
    seen: int = Field(description="Alerts of which somebody took note.")
    noisiest_series: str = Field(description="Site, gateway, device and metric with the most alerts.")
    noisiest_count: int = Field(description="How many those are.")


class NoisesOut(BaseModel):
    """The noisiest rules."""

    items: list[NoiseOut] = Field(description="At most 20, the noisiest first.")


Since = Annotated[Instant | None, Query(description="Alerts that opened since; without it, in the last 7 days.")]


@router.get("/noise", summary="List the rules that call most often")
def list_noise(services: Wired, _caller: Viewer, since: Since = None) -> NoisesOut:
    """A high flap score asks for hysteresis, `for` or `clear_for`."""
    with services.reading() as connection:
        found = noisiest(connection, services.clock() - 7 * DAY_MS if since is None else since)
    return NoisesOut(items=[NoiseOut.model_validate(each) for each in found])
