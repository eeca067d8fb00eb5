"""Query parameters that several endpoints share: names, instants, durations."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Final

from fastapi import Query
from pydantic import AfterValidator, BeforeValidator, Field

MAX_MS: Final = 253_402_300_799_999
"""The last millisecond of the year 9999."""


def _instant(value: object) -> object:
    if not isinstance(value, str) or value.lstrip("-").isdecimal():
        return value
    try:
        moment = datetime.fromisoformat(value.replace(" ", "+"))  # an unescaped + of an offset arrives as a space
    except ValueError as error:
        raise ValueError("neither UTC milliseconds nor an RFC 3339 time such as 2026-01-31T12:00:00Z") from error
    if moment.tzinfo is None:
        raise ValueError("a time needs its offset: Z, or +02:00")
    return math.floor(moment.timestamp() * 1000)


def _plain(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not contain NUL")
    return value


Text = Annotated[str, Field(max_length=200), AfterValidator(_plain)]
"""A name, as SQL takes it."""

Instant = Annotated[int, BeforeValidator(_instant), Field(ge=0, le=MAX_MS)]
"""UTC milliseconds since 1970, or an RFC 3339 time."""

SiteFilter = Annotated[Text | None, Query(description="Only this site.")]
NodeFilter = Annotated[Text | None, Query(description="Only this gateway.")]
From = Annotated[
    Instant | None, Query(alias="from", description="Not before: UTC milliseconds, or RFC 3339 with an offset.")
]
To = Annotated[Instant | None, Query(alias="to", description="Before: UTC milliseconds, or RFC 3339 with an offset.")]
