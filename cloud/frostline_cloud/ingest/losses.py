"""What a batch says, or means, that is lost: numbers of a run, or readings that never got one."""

from __future__ import annotations

import json

from frostline_cloud.ingest.decode import Batch
from frostline_cloud.ingest.journal import Loss
from frostline_core.commit import BatchMark, run_text


def of_span(batch: Batch, mark: BatchMark, span: tuple[int, int, str]) -> Loss:
    """First and last number of a run that will not come, with a reason; a gap row brings its own."""
    first, last, reason = span
    told = _gap(batch.gap) if mark.gap and batch.gap else {}
    if told and last == mark.n:
        whole = mark.n - mark.first + 1 == last - first + 1
        return Loss(
            batch.site,
            batch.node,
            run_text(mark.run),
            first,
            last,
            str(told.get("reason", reason)),
            _number(told.get("samples")) if whole else None,
            _number(told.get("from_ms")),
            _number(told.get("to_ms")),
        )
    return Loss(batch.site, batch.node, run_text(mark.run), first, last, reason)


def of_unfit(batch: Batch, mark: BatchMark) -> Loss:
    """A batch that nobody can take."""
    return Loss(batch.site, batch.node, run_text(mark.run), mark.n, mark.n, batch.unfit, batch.count or None)


def noticed(batch: Batch) -> list[Loss]:
    """What a gateway says that it lost before it had a number: disk full, unclean stop, damaged spool."""
    told = _gap(batch.gap) if batch.gap else {}
    if not told:
        return []
    reason, samples = str(told.get("reason", "the gateway gives no reason")), _number(told.get("samples"))
    span = (_number(told.get("from_ms")), _number(told.get("to_ms")))
    return [Loss(batch.site, batch.node, None, None, None, reason, samples, *span)]


def _gap(text: str) -> dict[str, object]:
    try:
        told = json.loads(text)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) else None
