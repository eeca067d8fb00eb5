"""What an operator may do about delivery: take a dead letter in after all, and have a gateway send a span again."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from frostline_cloud.api.access import Operator
from frostline_cloud.api.account import LetterId
from frostline_cloud.api.fleet import known_device
from frostline_cloud.api.parameters import Text
from frostline_cloud.api.problems import conflicts, not_found, unfit
from frostline_cloud.api.services import Services, Wired
from frostline_cloud.ingest.errands import NotPossibleError, Refetch, Retirement
from frostline_cloud.instant import Instant
from frostline_cloud.replay import replay
from frostline_cloud.sql import registry
from frostline_cloud.sql.registry import Scope
from frostline_cloud.writeoff import MOST_REASON, NothingToWriteOffError, WriteOff, write_off
from frostline_core.errors import UnavailableError

router = APIRouter(tags=["delivery"])

LONGEST_MS = 31 * 24 * 3600 * 1000
"""Longest span of one request: what a gateway keeps of the past."""


class ReplayOut(BaseModel):
    """What became of a dead letter."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(description="Its number.")
    samples: int = Field(description="Samples that were stored now; 0 when it stays.")
    reason: str = Field(description="Why it stays; empty when it was taken in.")


class RefetchIn(BaseModel):
    """A span of time; the gateway sends what it still has of it."""

    model_config = ConfigDict(extra="forbid")

    from_ms: Instant = Field(description="Measured not before: UTC milliseconds, or RFC 3339 with an offset.")
    to_ms: Instant = Field(description="Measured before.")
    device: Text = Field(default="", description="Only this device; empty is all of them.")


class RefetchOut(BaseModel):
    """The gateway was asked; what it sends arrives as any other data."""

    site: str = Field(description="The site.")
    node: str = Field(description="The gateway.")
    from_ms: int = Field(description="UTC milliseconds.")
    to_ms: int = Field(description="UTC milliseconds.")
    device: str = Field(description="The device; empty is all of them.")


class WriteOffIn(BaseModel):
    """Why the rest of a run will not come."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=MOST_REASON, pattern=r"^[^\x00-\x1f]+$")] = Field(
        description="For whoever reads the list of losses, one line: the card is destroyed, the gateway was stolen."
    )


class WriteOffOut(BaseModel):
    """The rest of the run is listed as lost; what comes after all is applied, and shortens the entry."""

    run: str = Field(description="The run, 16 hex digits.")
    first: int = Field(description="First batch that is given up; there is no last, since nobody knows it.")
    announced: int = Field(description="Highest batch that the gateway told of.")


class RetiredOut(BaseModel):
    """What is retired: its alerts resolve, no rule waits for it any more, and its history stays."""

    site: str = Field(description="The site.")
    node: str = Field(description="The gateway.")
    device: str | None = Field(description="The device; null is the gateway with all its devices.")


SiteName = Annotated[Text, Path(description="The site.")]
NodeName = Annotated[Text, Path(description="The gateway.")]
DeviceName = Annotated[Text, Path(description="The device.")]
RunId = Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="The run, 16 hex digits, as `in_doubt` lists it.")]


@router.post("/dead-letters/{letter_id}/replay", summary="Take a dead letter in after all")
def replay_dead_letter(services: Wired, _caller: Operator, letter_id: LetterId) -> ReplayOut:
    """Decodes it with the births of today and stores what it holds. Rules do not see it; a letter is taken in once."""
    done = replay(services.engine, services.store, letter_id, services.clock())
    if done is None:
        raise not_found(f"dead letter {letter_id}")
    return ReplayOut.model_validate(done)


@router.post(
    "/nodes/{site}/{node}/refetch",
    summary="Have a gateway send a span of time again",
    status_code=HTTPStatus.ACCEPTED,
)
def refetch(services: Wired, _caller: Operator, site: SiteName, node: NodeName, wanted: RefetchIn) -> RefetchOut:
    """Asks the gateway; what it still has comes in the background, and overwrites itself in the store."""
    if not wanted.from_ms < wanted.to_ms <= wanted.from_ms + LONGEST_MS:
        raise unfit("body.to_ms", "must be after from_ms, by 31 days at most")
    if services.refetch is None:
        raise UnavailableError("ingest runs in another process: ask there")
    asked = Refetch(site, node, wanted.from_ms, wanted.to_ms, wanted.device)
    with conflicts(NotPossibleError):
        services.refetch(asked)
    return RefetchOut(site=site, node=node, from_ms=asked.from_ms, to_ms=asked.to_ms, device=asked.device)


@router.post("/nodes/{site}/{node}/runs/{run}/write-off", summary="Give up the rest of a run")
def write_off_run(  # noqa: PLR0913 - the parameters of the endpoint
    services: Wired, caller: Operator, site: SiteName, node: NodeName, run: RunId, why: WriteOffIn
) -> WriteOffOut:
    """Lists what a run in doubt still held as lost, with the reason; its alert resolves within a minute."""
    with conflicts(NothingToWriteOffError):
        doubt = write_off(services.engine, WriteOff(site, node, run, why.reason, caller.name), services.clock())
    return WriteOffOut(run=doubt.run, first=doubt.first, announced=doubt.announced)


@router.post("/devices/{site}/{node}/{device}/retire", summary="Say that a device is gone for good")
def retire_device(services: Wired, caller: Operator, site: SiteName, node: NodeName, device: DeviceName) -> RetiredOut:
    """For a device that was renamed, sold or replaced. A birth of that name brings it back."""
    known_device(services, Scope(site=site, node=node, device=device))
    return _retire(services, Retirement(site, node, device, caller.name))


@router.post("/nodes/{site}/{node}/retire", summary="Say that a gateway is gone for good, with its devices")
def retire_node(services: Wired, caller: Operator, site: SiteName, node: NodeName) -> RetiredOut:
    """The same for a gateway and everything behind it. What its disk still held is another matter: see write-off."""
    with services.reading() as connection:
        if not registry.nodes(connection, Scope(site=site, node=node), most=1):
            raise not_found(f"gateway {site}/{node}")
    return _retire(services, Retirement(site, node, None, caller.name))


def _retire(services: Services, wanted: Retirement) -> RetiredOut:
    if services.retire is None:
        raise UnavailableError("ingest runs in another process: ask there")
    with conflicts(NotPossibleError):
        services.retire(wanted)
    return RetiredOut(site=wanted.site, node=wanted.node, device=wanted.device)
