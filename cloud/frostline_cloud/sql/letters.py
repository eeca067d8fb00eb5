"""How many dead letters are kept: a bound on their number, one on their bytes, and one on their age.

At a bound letters that were taken in go first, oldest first: nothing is lost with them. Then go the oldest that wait,
and what they held is listed as lost, "dead letter dropped": one entry for each gateway and call, with the numbers of
the letters, their samples where those were counted, and the first letter's own reason. A letter whose batch is listed
as lost already has the drop noted in that entry. In the account its samples stay dead-lettered.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from frostline_cloud.sql.tables import dead_letter, loss

log = logging.getLogger("frostline.letters")

DROPPED: Final = "dead letter dropped"
"""How the reason of such a loss begins."""

_MOST_REASON: Final = 200
_HEAD = [
    dead_letter.c[name] for name in ("id", "site", "node", "reason", "at_ms", "samples", "replayed_ms", "run", "n")
]


@dataclass(frozen=True, slots=True)
class Amount:
    """Letters, and their bytes."""

    letters: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept: letters that wait to be taken in, and those that were."""

    waiting: Amount = Amount()
    replayed: Amount = Amount()


def kept(connection: Connection) -> Kept:
    """How many dead letters there are; read from an index alone."""
    sums = (func.count(), func.coalesce(func.sum(dead_letter.c.size), 0))
    waits = dead_letter.c.replayed_ms.is_(None)
    found = [connection.execute(select(*sums).where(condition)).one() for condition in (waits, ~waits)]
    waiting, replayed = (Amount(int(letters), int(size)) for letters, size in found)
    return Kept(waiting, replayed)


def full(bound: Amount) -> str:
    """Why letters are dropped at the bound."""
    return f"more than {bound.letters} letters or {bound.size / 2**20:g} MiB"


def beyond(connection: Connection, bound: Amount, most: int) -> list[int]:
    """Numbers of the letters that must go for the bound, at most so many."""
    now = kept(connection)
    letters = now.waiting.letters + now.replayed.letters - bound.letters
    size = now.waiting.size + now.replayed.size - bound.size
    going: list[int] = []
    for replayed in (True, False):
        if letters <= 0 and size <= 0:
            break
        for each in _oldest(connection, most - len(going), replayed=replayed):
            if letters <= 0 and size <= 0:
                break
            going.append(each.id)
            letters, size = letters - 1, size - each.size
    return going


def older(connection: Connection, cutoff_ms: int, most: int) -> list[int]:
    """Numbers of the letters that came before an instant, at most so many."""
    oldest = [*_oldest(connection, most, replayed=True), *_oldest(connection, most, replayed=False)]
    return [each.id for each in oldest if each.at_ms < cutoff_ms][:most]


def drop(connection: Connection, numbers: Sequence[int], why: str, now_ms: int) -> int:
    """Deletes letters, and lists what is lost with them.

    Args:
        connection: In a transaction that writes.
        numbers: Of the letters; one that was taken in meanwhile is no loss.
        why: For the reason of the loss.
        now_ms: UTC.

    Returns:
        How many are gone.
    """
    rows = connection.execute(select(*_HEAD).where(dead_letter.c.id.in_(numbers)).order_by(dead_letter.c.id)).all()
    waiting = [each for each in rows if each.replayed_ms is None]
    groups: dict[tuple[str, str, bool], list[Row[Any]]] = {}
    for each in waiting:
        if each.run is None:
            groups.setdefault((each.site, each.node, bool(each.samples)), []).append(each)
        else:
            _note(connection, each, f"; {DROPPED}: {why}")
    if groups:
        connection.execute(insert(loss), [_listing(group, why, now_ms) for group in groups.values()])
    connection.execute(delete(dead_letter).where(dead_letter.c.id.in_([each.id for each in rows])))
    if waiting:
        log.error("%d dead letters dropped: %s; what they held is listed as lost", len(waiting), why)
    return len(rows)


def _oldest(connection: Connection, most: int, *, replayed: bool) -> Sequence[Row[int, int, int]]:
    """The first that came, of those that were taken in or of those that wait."""
    taken = dead_letter.c.replayed_ms.is_not(None)
    query = select(dead_letter.c.id, dead_letter.c.size, dead_letter.c.at_ms).where(taken if replayed else ~taken)
    order = (dead_letter.c.replayed_ms, dead_letter.c.id) if replayed else (dead_letter.c.id,)
    return connection.execute(query.order_by(*order).limit(max(most, 0))).all()


def _note(connection: Connection, letter: Row[Any], words: str) -> None:
    """The batch is listed as lost already; where that entry is no longer there, it is in the sum of old ones."""
    listed = (loss.c.run == letter.run, loss.c.first == letter.n, loss.c.last == letter.n)
    of_node = (loss.c.site == letter.site, loss.c.node == letter.node, loss.c.recovered_ms.is_(None))
    connection.execute(update(loss).where(*of_node, *listed).values(reason=loss.c.reason + words))


def _listing(group: Sequence[Row[Any]], why: str, now_ms: int) -> dict[str, object]:
    first, last = group[0], group[-1]
    numbers = f"number {first.id}" if first.id == last.id else f"{len(group)} of the numbers {first.id} to {last.id}"
    came = " to ".join(dict.fromkeys(_day(each) for each in (first.at_ms, last.at_ms)))
    reason = f"{DROPPED}: {why}; {numbers}, came {came}; the first: {first.reason:.{_MOST_REASON}}"
    samples = sum(each.samples for each in group)
    return {"site": first.site, "node": first.node, "reason": reason, "samples": samples or None, "at_ms": now_ms}


def _day(at_ms: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at_ms / 1000))
