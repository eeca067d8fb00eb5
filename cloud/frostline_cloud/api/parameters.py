"""Query parameters that several endpoints share: names, instants, durations."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator, Field

from frostline_cloud.instant import Instant


def _plain(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not contain NUL")
    return value


Text = Annotated[str, Field(max_length=200), AfterValidator(_plain)]
"""A name, as SQL takes it."""

Reason = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f]+$")]
"""Why somebody wants something, on one line."""

SiteFilter = Annotated[Text | None, Query(description="Only this site.")]
NodeFilter = Annotated[Text | None, Query(description="Only this gateway.")]
DeviceFilter = Annotated[Text | None, Query(description="Only this device.")]
From = Annotated[
    Instant | None, Query(alias="from", description="Not before: UTC milliseconds, or RFC 3339 with an offset.")
]
To = Annotated[Instant | None, Query(alias="to", description="Before: UTC milliseconds, or RFC 3339 with an offset.")]
