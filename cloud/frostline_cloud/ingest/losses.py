"""What a batch says, or means, that is lost: numbers of a run, or readings that never got one."""

from __future__ import annotations

import json
from dataclasses import replace

from frostline_cloud.ingest.decode import Batch
from frostline_cloud.ingest.journal import Loss
from frostline_core.commit import BatchMark, run_text

_MOST_PARTS = 16
"""A gap row tells of so many reasons at most: a gateway of ours has three."""
_MOST_REASON = 500
_MOST_NUMBER = 1 << 62
"""What is told is anybody's text: a reason is cut, and a number that SQL could not keep is not known."""


def of_span(batch: Batch, mark: BatchMark, span: tuple[int, int, str]) -> list[Loss]:
    """First and last number of a run that will not come, with a reason; a gap row brings its own.

    Rows that were dropped for several reasons are one gap: an entry for each reason then, with the same numbers, since
    nobody knows which of them went for which.
    """
    first, last, reason = span
    entry = Loss(batch.site, batch.node, run_text(mark.run), first, last, reason)
    told = _gap(batch.gap) if mark.gap and batch.gap else {}
    if not told or last != mark.n:
        return [entry]
    whole = mark.first == first
    return [
        replace(
            entry,
            reason=_reason(part, reason),
            samples=_number(part.get("samples")) if whole else None,
            from_ms=_number(part.get("from_ms")),
            to_ms=_number(part.get("to_ms")),
        )
        for part in _parts(told)
    ]


def of_unfit(batch: Batch, mark: BatchMark) -> Loss:
    """A batch that nobody can take."""
    return Loss(batch.site, batch.node, run_text(mark.run), mark.n, mark.n, batch.unfit, batch.count or None)


def noticed(batch: Batch) -> list[Loss]:
    """What a gateway says that it lost before it had a number: disk full, unclean stop, damaged spool."""
    told = _gap(batch.gap) if batch.gap else {}
    if not told:
        return []
    reason, samples = _reason(told, "the gateway gives no reason"), _number(told.get("samples"))
    span = (_number(told.get("from_ms")), _number(told.get("to_ms")))
    return [Loss(batch.site, batch.node, None, None, None, reason, samples, *span)]


def _parts(told: dict[str, object]) -> list[dict[str, object]]:
    """What a gap tells, by reason."""
    parts = told.get("parts")
    if not isinstance(parts, list) or not 1 < len(parts) <= _MOST_PARTS:
        return [told]
    found = [part for part in parts if isinstance(part, dict)]
    return found if len(found) == len(parts) else [told]


def _gap(text: str) -> dict[str, object]:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _number(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if abs(value) < _MOST_NUMBER else None  # False for not-a-number


def _reason(told: dict[str, object], otherwise: str) -> str:
    return str(told.get("reason", otherwise))[:_MOST_REASON]
