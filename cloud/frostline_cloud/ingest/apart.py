"""A flush that SQL refuses for what it holds, taken apart: by gateway, then by batch (commit protocol, section 4).

The batch that nobody can take goes to the dead letters with its bytes, is listed as lost, and its run moves on.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from frostline_cloud.ingest.decode import Batch, Item, batch_of, count_of, owner_of, spelled_out
from frostline_cloud.ingest.journal import DeadLetter, Extra
from frostline_cloud.ingest.load import Load, Written
from frostline_core.commit import Queued, Taken


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a flush that can be a transaction of its own."""

    load: Load
    written: Written


@dataclass(frozen=True, slots=True)
class _Share:
    """What one gateway has in a flush."""

    queued: list[Queued[Batch]] = field(default_factory=list)
    plain: list[Item] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)


def by_node(load: Load, written: Written) -> Iterator[Piece]:
    """What was noted between two flushes, then what came from each gateway, in order."""
    if load.extra:
        yield Piece(Load(Taken(), [], load.extra), Written())
    shares: dict[tuple[str, str], _Share] = defaultdict(_Share)
    for each in load.taken.entries:
        queued = each if isinstance(each, Queued) else spelled_out(each)
        shares[owner_of(queued.item)].queued.append(queued)
    for item in load.plain:
        shares[owner_of(item)].plain.append(item)
    for letter in written.buried:
        shares[letter.site, letter.node].letters.append(letter)
    for share in shares.values():
        yield Piece(Load(Taken.of(share.queued), share.plain, Extra()), Written(buried=share.letters))


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
