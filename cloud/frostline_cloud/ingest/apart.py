"""A flush that SQL refuses for what it holds, taken apart: by gateway, then by batch (commit protocol, section 4).

The batch that nobody can take goes to the dead letters with its bytes, is listed as lost, and its run moves on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from frostline_cloud.ingest.decode import Batch, Item, batch_of, count_of, owner_of
from frostline_cloud.ingest.journal import DeadLetter, Extra
from frostline_cloud.ingest.load import Load, Written
from frostline_core.commit import Queued, Regular, Taken, mark_of


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a flush that can be a transaction of its own."""

    load: Load
    written: Written


def by_node(load: Load, written: Written) -> Iterator[Piece]:
    """What was noted between two flushes, then what came from each gateway, in order."""
    if load.extra:
        yield Piece(Load(Taken(), [], load.extra), Written())
    batches = [each if isinstance(each, Queued) else _spelled_out(each) for each in load.taken.entries]
    owners = dict.fromkeys([*(owner_of(each.item) for each in batches), *map(owner_of, load.plain)])
    for owner in owners:
        queued = [each for each in batches if owner_of(each.item) == owner]
        plain = [each for each in load.plain if owner_of(each) == owner]
        letters = [each for each in written.buried if (each.site, each.node) == owner]
        yield Piece(Load(Taken.of(queued), plain, Extra()), Written(buried=letters))


def by_batch(piece: Piece) -> Iterator[Piece]:
    """Each batch alone; a piece without batches is one already."""
    queued, plain, buried = queued_of(piece.load), piece.load.plain, piece.written.buried
    if not queued and not plain:
        yield piece
    for each in queued:
        yield Piece(Load(Taken.of([each]), [], Extra()), Written(buried=_of(each.item, buried)))
    for item in plain:
        yield Piece(Load(Taken(), [item], Extra()), Written(buried=_of(batch_of(item), buried)))


def without_content(piece: Piece, reason: str) -> Piece:
    """The one batch of a piece as nobody can take it: a dead letter, and for the rest only its number."""
    queued = [Queued(each.mark, _emptied(each.item, reason), each.size) for each in queued_of(piece.load)]
    plain = [_emptied(each, reason) for each in piece.load.plain]
    letters = [letter_of(each, reason, count_of(each)) for each in (*(each.item for each in queued), *plain)]
    return Piece(Load(Taken.of(queued), list(plain), Extra()), Written(buried=letters))


def queued_of(load: Load) -> list[Queued[Batch]]:
    """The batches that are spelled out; in a piece all are."""
    return [each for each in load.taken.entries if isinstance(each, Queued)]


def letter_of(item: Item, reason: str, samples: int) -> DeadLetter:
    """A dead letter with the whole message; so many of its samples are counted as dead-lettered."""
    batch = batch_of(item)
    return DeadLetter(batch.site, batch.node, batch.device, batch.topic, reason, batch.raw, samples)


def _emptied(item: Item, reason: str) -> Batch:
    batch = batch_of(item)
    gap = None if batch.gap is None else json.dumps({"reason": reason})
    return replace(batch, samples=[], gap=gap, unfit=reason)


def _of(batch: Batch, letters: list[DeadLetter]) -> list[DeadLetter]:
    return [each for each in letters if each.raw is batch.raw]


def _spelled_out(batch: Regular) -> Queued[Batch]:
    return Queued(mark_of(batch), batch_of(batch), len(batch[6]))
