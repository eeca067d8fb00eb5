"""Instants at the borders: as people and programs write them, and as people read them."""

from __future__ import annotations

import math
import time
from datetime import datetime
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from frostline_core.moment import Moment

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


Instant = Annotated[int, BeforeValidator(_instant), Field(ge=0, le=MAX_MS)]
"""UTC milliseconds since 1970, or an RFC 3339 time."""


def now_ms() -> int:
    """The clock, UTC milliseconds."""
    return time.time_ns() // 1_000_000


def now() -> Moment:
    """By both clocks."""
    return Moment(now_ms(), time.monotonic_ns() // 1_000_000)


def utc(at_ms: int) -> str:
    """An instant for people: `2026-01-31 12:00:00Z`."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(at_ms / 1000))
