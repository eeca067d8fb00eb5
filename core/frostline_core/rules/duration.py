"""Durations in rule files: `"90s"`, `"5m"`, `"10h"`, `"1d"`, or a number of seconds; milliseconds inside."""

from __future__ import annotations

import math
import re
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_TEXT = re.compile(r"^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$")
MAX_MS = 400 * 86_400_000
"""The longest duration a rule may name: 400 days."""


def parse(value: object) -> int:
    """A duration as milliseconds.

    Raises:
        ValueError: It is neither a text with a unit nor a number of seconds, or it is not within 0 s to 400 d.
    """
    if isinstance(value, str):
        match = _TEXT.match(value.strip())
        if match is None:
            raise ValueError('a duration is text such as "90s", "5m", "10h", "1d", or a number of seconds')
        amount, unit = float(match[1]), match[2]
    elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        amount, unit = float(value), "s"
    else:
        raise ValueError('a duration is text such as "90s", "5m", "10h", "1d", or a number of seconds')
    ms = round(amount * _UNITS_MS[unit])
    if not 0 <= ms <= MAX_MS:
        raise ValueError("a duration lies between 0 s and 400 d")
    return ms


def text(ms: int) -> str:
    """The shortest text that `parse` reads back as the same duration."""
    for unit in ("d", "h", "m", "s"):
        if ms and ms % _UNITS_MS[unit] == 0:
            return f"{ms // _UNITS_MS[unit]}{unit}"
    return f"{ms}ms" if ms else "0s"


Duration = Annotated[
    int,
    BeforeValidator(parse),
    Field(ge=0, le=MAX_MS),
    PlainSerializer(text, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^\d+(\.\d+)?\s*(ms|s|m|h|d)$"},
                {"type": "number", "minimum": 0, "description": "seconds"},
            ],
        }
    ),
]
"""A pydantic field type: read from text or seconds, held as milliseconds, written as text."""
