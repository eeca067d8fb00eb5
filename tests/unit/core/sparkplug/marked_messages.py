"""Batch marks on messages that a test makes by hand."""

from __future__ import annotations

from frostline_core.commit import BatchMark, pack_batch
from frostline_core.reading import Stream
from frostline_core.sparkplug import PayloadMessage

NOW_MS = 1_800_000_000_000
MARK = BatchMark(2**63 + 5, Stream.SAMPLES, 300, 300, 290)
BATCH_ALIAS = 77


def marked(made: PayloadMessage, mark: BatchMark = MARK, alias: int = BATCH_ALIAS) -> PayloadMessage:
    """With its batch metric, stamped with a time of its own."""
    made.metrics.add(alias=alias, timestamp=NOW_MS + 9, is_transient=True, bytes_value=pack_batch(mark))
    return made


def numbers(mark: BatchMark | None) -> tuple[int, int, int]:
    """Run, number and base; as they stand for a message without."""
    return (-1, 0, 0) if mark is None else (mark.run, mark.n, mark.base)
