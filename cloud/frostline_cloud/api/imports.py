"""History that came from files, with `frostline cloud import`."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from frostline_cloud.api.access import Viewer
from frostline_cloud.api.parameters import SiteFilter
from frostline_cloud.api.services import Wired
from frostline_cloud.sql import imports

router = APIRouter(tags=["fleet"])


class ImportOut(BaseModel):
    """What came from one file for one series. No gateway sent it, and no gateway's account has it."""

    model_config = ConfigDict(from_attributes=True)

    site: str = Field(description="Its site.")
    node: str = Field(description="Its gateway.")
    device: str = Field(description="The device.")
    metric: str = Field(description="The metric.")
    source: str = Field(description="The file's name.")
    from_ms: int = Field(description="The first of its rows that is in the store, UTC milliseconds; 0 where none is.")
    to_ms: int = Field(description="The last of them.")
    written: int = Field(description="Rows that were stored, whenever the file was imported.")
    known: int = Field(description="Rows that were there before, at the last time.")
    refused: int = Field(description="Rows that were not stored, at the last time.")
    imported_ms: int = Field(description="When it was imported last.")


class ImportsOut(BaseModel):
    """What was imported."""

    items: list[ImportOut] = Field(description="The newest first; the first 500.")


@router.get("/imports", summary="List history that came from files")
def list_imports(services: Wired, _caller: Viewer, site: SiteFilter = None) -> ImportsOut:
    """Which part of what is stored was not measured under our eyes, and where it came from."""
    with services.reading() as connection:
        found = imports.histories(connection, site)
    return ImportsOut(items=[ImportOut.model_validate(each) for each in found])
