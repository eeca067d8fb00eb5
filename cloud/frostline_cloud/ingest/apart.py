"""A flush that SQL refuses for what it holds, taken apart: by gateway, then by batch (commit protocol, section 4).

The batch that nobody can take goes to the dead letters with its bytes, is listed as lost, and its run moves on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from frostline_cloud.ingest.decode import Batch, Item, batch_of
from frostline_cloud.ingest.journal import DeadLetter, Extra
from frostline_cloud.ingest.load import Load, Written
from frostline_core.commit import Queued


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a flush that can be a transaction of its own."""

    load: Load
    written: Written


def by_node(load: Load, written: Written) -> Iterator[Piece]:
    """What was noted between two flushes, then what came from each gateway, in order."""
    if load.extra:
        yield Piece(Load([], [], load.extra), Written())
    owners = dict.fromkeys(each.owner for each in (*(q.item for q in load.queued), *load.plain))
    for owner in owners:
        queued = [each for each in load.queued if each.item.owner == owner]
        plain = [each for each in load.plain if each.owner == owner]
        letters = [each for each in written.buried if (each.site, each.node) == owner]
        yield Piece(Load(queued, plain, Extra()), Written(buried=letters))


def by_batch(piece: Piece) -> Iterator[Piece]:
    """Each batch alone; a piece without batches is one already."""
    load, buried = piece.load, piece.written.buried
    if not load.queued and not load.plain:
        yield piece
    for queued in load.queued:
        yield Piece(Load([queued], [], Extra()), Written(buried=_of(queued.item, buried)))
    for batch in load.plain:
        yield Piece(Load([], [batch], Extra()), Written(buried=_of(batch, buried)))


def without_content(piece: Piece, reason: str) -> Piece:
    """The one batch of a piece as nobody can take it: a dead letter, and for the rest only its number."""
    marks = [(each.mark, _emptied(each.item, reason), each.size) for each in piece.load.queued]
    plain = [_emptied(each, reason) for each in piece.load.plain]
    letters = [letter_of(each, reason, each.count) for each in (*(batch for _, batch, _ in marks), *plain)]
    return Piece(Load([Queued(*each) for each in marks], plain, Extra()), Written(buried=letters))


def letter_of(item: Item, reason: str, samples: int) -> DeadLetter:
    """A dead letter with the whole message; so many of its samples are counted as dead-lettered."""
    batch = batch_of(item)
    return DeadLetter(batch.site, batch.node, batch.device, batch.topic, reason, batch.raw, samples)


def _emptied(item: Item, reason: str) -> Batch:
    batch = batch_of(item)
    gap = None if batch.gap is None else json.dumps({"reason": reason})
    return replace(batch, samples=[], gap=gap, unfit=reason)


def _of(batch: Item, letters: list[DeadLetter]) -> list[DeadLetter]:
    return [each for each in letters if each.raw is batch.raw]
