"""Lists by cursor: a page says where the next one starts, so that rows added meanwhile neither repeat nor hide any."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated, Final, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from frostline_cloud.api.problems import unfit

MOST: Final = 500
_BIGGEST = 2**63 - 1
_WRONG = "is not a cursor that this list gave out"

Item = TypeVar("Item")
Key = tuple[str | int, ...]

Limit = Annotated[int, Query(ge=1, le=MOST, description="Items in a page, at most.")]
Cursor = Annotated[
    str | None, Query(max_length=2000, description="`next` of the page before; absent for the first page.")
]


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item] = Field(description="The items, in the order of the list.")
    next: str | None = Field(description="Cursor of the page that follows; null on the last page.")


def encode(key: Key) -> str:
    """The cursor behind a row with that key."""
    return base64.urlsafe_b64encode(json.dumps(key, ensure_ascii=False).encode()).decode().rstrip("=")


def decode(cursor: str, shape: tuple[type[str] | type[int], ...]) -> Key:
    """The key in a cursor.

    Args:
        cursor: As `encode` made it, or anything that somebody sent.
        shape: The type of each part.

    Raises:
        RequestValidationError: It is not a cursor of this shape.
    """
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise unfit("query.cursor", _WRONG) from error
    if not isinstance(key, list) or len(key) != len(shape):
        raise unfit("query.cursor", _WRONG)
    for part, wanted in zip(key, shape, strict=True):
        if type(part) is not wanted or not _fits(part):
            raise unfit("query.cursor", _WRONG)
    return tuple(key)


def _fits(part: str | int) -> bool:
    """Whether SQL takes it: 64-bit numbers, text without NUL or lone surrogates."""
    if isinstance(part, int):
        return -_BIGGEST <= part <= _BIGGEST
    return "\0" not in part and not any(0xD800 <= ord(letter) <= 0xDFFF for letter in part)
