"""The account: samples by day, the list of losses, and the dead letters."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import Row

from frostline_cloud.api.access import Viewer
from frostline_cloud.api.fleet import AccountOut
from frostline_cloud.api.paging import Cursor, Limit, Page, decode, encode
from frostline_cloud.api.parameters import From, NodeFilter, SiteFilter, To
from frostline_cloud.api.problems import not_found
from frostline_cloud.api.services import Wired
from frostline_cloud.sql import ledger, letters, told
from frostline_cloud.sql.ledger import Days, Span

router = APIRouter(tags=["account"])

_DAY_MS = 24 * 3600 * 1000
_BIGGEST_ID = 2**63 - 1
Listing = TypeVar("Listing", bound=BaseModel)


class GatewayDayOut(BaseModel):
    """What a gateway says of its own day: read = kept + filtered + rejected + residue, and the residue must be 0."""

    model_config = ConfigDict(from_attributes=True)

    read: int = Field(description="Readings that drivers emitted.")
    kept: int = Field(description="Samples worth keeping.")
    filtered: int = Field(description="Readings that said nothing new.")
    rejected: int = Field(description="Readings that no metric describes, or of the wrong type.")
    committed: int = Field(description="Samples of which it was told on that day that the database has them.")
    lost: int = Field(description="Samples that it had to drop; see the list of losses.")
    residue: int = Field(description="Readings without a fate: anything but 0 is an error of ours.")
    pending: int | None = Field(description="Samples on its disk; only of the newest day.")
    unexplained: int = Field(description="Samples of all days that are neither committed, pending nor lost: must be 0.")
    told_ms: int = Field(description="When it told this, UTC milliseconds.")


class DayOut(AccountOut):
    """The account of one gateway and one UTC day."""

    site: str = Field(description="The site.")
    node: str = Field(description="The gateway.")
    day: str = Field(description="UTC day, `2026-01-31`.")
    gateway: GatewayDayOut | None = Field(description="What the gateway says itself; null where it did not.")


class LossOut(BaseModel):
    """Something that was measured, or should have been, and will never be in the store."""

    id: int = Field(description="Its number in the list.")
    site: str = Field(description="The site.")
    node: str = Field(description="The gateway.")
    run: str | None = Field(description="The run, 16 hex digits; null where only a span of time is known.")
    first: int | None = Field(description="First batch of the run that is lost.")
    last: int | None = Field(description="Last batch of the run that is lost; null: to its end, which nobody knows.")
    reason: str = Field(description="Why.")
    entries: int = Field(description="More than 1: this one stands for so many.")
    samples: int | None = Field(description="How many samples; null where nobody knows.")
    from_ms: int | None = Field(description="Measured not before, UTC milliseconds.")
    to_ms: int | None = Field(description="Measured not after, UTC milliseconds.")
    at_ms: int = Field(description="When it was listed, UTC milliseconds.")
    recovered_ms: int | None = Field(description="When it was stored after all; null while it is lost.")


class DeadLetterOut(BaseModel):
    """A message or sample that could not be stored, kept as it came."""

    id: int = Field(description="Its number.")
    site: str = Field(description="The site.")
    node: str = Field(description="The gateway.")
    device: str = Field(description="The device; empty for the gateway itself.")
    topic: str = Field(description="The topic that it came on.")
    reason: str = Field(description="Why it could not be stored.")
    size: int = Field(description="Bytes.")
    at_ms: int = Field(description="When it came, UTC milliseconds.")
    samples: int = Field(description="So many samples are counted as dead-lettered because of it; 0: not counted.")
    replayed_ms: int | None = Field(description="When it was taken in after all.")


class DeadLetterDetailOut(DeadLetterOut):
    """A dead letter with its content."""

    raw: str = Field(description="The bytes as they came, in base64.")


class AmountOut(BaseModel):
    """How many letters, and their bytes."""

    model_config = ConfigDict(from_attributes=True)

    letters: int = Field(description="How many.")
    size: int = Field(description="Bytes.")


class LettersKeptOut(BaseModel):
    """How many dead letters are kept. At a bound those taken in go first, then the oldest, which are listed as lost."""

    waiting: AmountOut = Field(description="Not taken in.")
    replayed: AmountOut = Field(description="Taken in.")
    most: AmountOut = Field(description="The bounds, over both.")
    days: int = Field(description="How long one is kept; 0 is for ever.")


def _day(value: str) -> str:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("a day is spelled 2026-01-31")
    return value


Day = Annotated[str, Field(max_length=10), AfterValidator(_day)]
FirstDay = Annotated[Day | None, Query(description="First UTC day; 30 days ago if absent.")]
LastDay = Annotated[Day | None, Query(description="Last UTC day; today if absent.")]
LetterId = Annotated[int, Path(ge=1, le=_BIGGEST_ID, description="Its number.")]


@router.get("/account", summary="Show what became of the samples, by gateway and day")
def list_account(  # noqa: PLR0913 - the query parameters of the endpoint
    services: Wired,
    _caller: Viewer,
    site: SiteFilter = None,
    node: NodeFilter = None,
    first_day: FirstDay = None,
    last_day: LastDay = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[DayOut]:
    """Received = written + dead_lettered + duplicate + residue, and the residue must be 0."""
    now_ms = services.clock()
    key = decode(cursor, (str, str, str)) if cursor else None
    days = Days(
        first_day or _utc_day(now_ms - 30 * _DAY_MS),
        last_day or _utc_day(now_ms),
        site,
        node,
        None if key is None else (str(key[0]), str(key[1]), str(key[2])),
        limit + 1,
    )
    with services.reading() as connection:
        found = ledger.accounts(connection, days)
        own = told.days(connection, [(each.day, each.site, each.node) for each in found[:limit]])
    items = [
        DayOut(
            site=each.site,
            node=each.node,
            day=each.day,
            received=each.received,
            written=each.written,
            dead_lettered=each.dead_lettered,
            duplicate=each.duplicate,
            residue=each.residue,
            gateway=_gateway(own.get((each.day, each.site, each.node))),
        )
        for each in found[:limit]
    ]
    last = items[-1] if len(found) > limit else None
    return Page(items=items, next=encode((last.day, last.site, last.node)) if last else None)


def _span(  # noqa: PLR0913 - the query parameters of two lists
    site: SiteFilter = None,
    node: NodeFilter = None,
    start: From = None,
    end: To = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Span:
    """A page and one row more, which says whether another page follows."""
    before = int(decode(cursor, (int,))[0]) if cursor else None
    return Span(site, node, start, end, before, limit + 1)


Listed = Annotated[Span, Depends(_span)]


@router.get("/losses", summary="List what is lost, with the reason")
def list_losses(services: Wired, _caller: Viewer, span: Listed) -> Page[LossOut]:
    """The list of losses, newest first; from and to are about when an entry was listed."""
    with services.reading() as connection:
        return _page(ledger.losses(connection, span), span, LossOut)


@router.get("/dead-letters", summary="List what could not be stored")
def list_dead_letters(services: Wired, _caller: Viewer, span: Listed) -> Page[DeadLetterOut]:
    """Dead letters without their content, newest first."""
    with services.reading() as connection:
        return _page(ledger.dead_letters(connection, span), span, DeadLetterOut)


@router.get("/dead-letters/kept", summary="Say how many dead letters are kept")
def dead_letters_kept(services: Wired, _caller: Viewer) -> LettersKeptOut:
    """Numbers and bytes, and the bounds from `[retention]`."""
    with services.reading() as connection:
        kept = letters.kept(connection)
    return LettersKeptOut(
        waiting=AmountOut.model_validate(kept.waiting),
        replayed=AmountOut.model_validate(kept.replayed),
        most=AmountOut.model_validate(services.retention.letters),
        days=services.retention.dead_letter_days,
    )


@router.get("/dead-letters/{letter_id}", summary="Show one dead letter with its content")
def show_dead_letter(services: Wired, _caller: Viewer, letter_id: LetterId) -> DeadLetterDetailOut:
    """A dead letter with the bytes that came."""
    with services.reading() as connection:
        row = ledger.one_dead_letter(connection, letter_id)
    if row is None:
        raise not_found(f"dead letter {letter_id}")
    raw = base64.b64encode(row.raw).decode()
    return DeadLetterDetailOut.model_validate({**row._asdict(), "size": len(row.raw), "raw": raw})


def _gateway(row: Row[Any] | None) -> GatewayDayOut | None:
    if row is None:
        return None
    residue = row.read - row.kept - row.filtered - row.rejected
    return GatewayDayOut.model_validate({**row._asdict(), "residue": residue})


def _page(rows: Sequence[Row[Any]], span: Span, model: type[Listing]) -> Page[Listing]:
    items = [model.model_validate(row._asdict()) for row in rows[: span.most - 1]]
    return Page(items=items, next=encode((rows[len(items) - 1].id,)) if len(rows) == span.most else None)


def _utc_day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d")
