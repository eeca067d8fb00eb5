"""The demo's books: what the gateways and the cloud say of every reading, taken at one moment, and added up.

A gateway in the demo reads on while the books are taken: its own figures, and what it keeps at least so often. What it
says and what the cloud says can only be compared when nothing was under way between the two questions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]
Ask = Callable[[], Awaitable[list[Document]]]

_FLOW = ("kept", "committed", "pending", "lost")


@dataclass(frozen=True, slots=True)
class Books:
    """Accounts as their owners tell them.

    Attributes:
        gateways: The `account` of each gateway's status.
        nodes: What the cloud's API lists of each node.
    """

    gateways: Sequence[Document]
    nodes: Sequence[Document]

    @property
    def pending(self) -> int:
        """Samples that some gateway still holds."""
        return sum(each["pending"] for each in self.gateways)


@dataclass(frozen=True, slots=True)
class Sums:
    """The books, added up; residue is what any hop cannot explain, and what is still pending."""

    readings: int
    filtered: int
    rejected: int
    kept: int
    committed: int
    written: int
    lost: int
    residue: int


async def of_one_moment(gateways: Ask, nodes: Ask, again: Callable[[], Awaitable[bool]]) -> Books:
    """Asks until no gateway holds a sample, and none has moved one while the cloud was asked.

    Args:
        gateways: Asks each gateway for its account.
        nodes: Asks the cloud.
        again: Waits a little before the next try; false when there is no time for one.

    Returns:
        The books; the last that were seen, settled or not, where time was out.
    """
    before = await gateways()
    while True:
        books = Books(before, await nodes())
        after = await gateways()
        if (not books.pending and _moved(before) == _moved(after)) or not await again():
            return books
        before = await gateways()


def _moved(accounts: Sequence[Document]) -> list[list[int]]:
    return [[each[key] for key in _FLOW] for each in accounts]


def add_up(books: Books) -> Sums:
    """What became of every reading."""
    total = {key: sum(each[key] for each in books.gateways) for key in ("read", "filtered", "rejected", *_FLOW)}
    written, dead = (sum(each["account"][key] for each in books.nodes) for key in ("written", "dead_lettered"))
    residue = (
        abs(total["read"] - total["kept"] - total["filtered"] - total["rejected"])
        + abs(total["kept"] - total["committed"] - total["pending"] - total["lost"])
        + abs(total["committed"] - written - dead)
        + sum(abs(each["account"]["residue"]) for each in books.nodes)
        + total["pending"]
    )
    listed = sum(each["lost"]["samples"] + each["lost"]["uncounted"] for each in books.nodes)
    lost = max(total["lost"], listed) + dead
    read = {"readings": total["read"], "filtered": total["filtered"], "rejected": total["rejected"]}
    return Sums(**read, kept=total["kept"], committed=total["committed"], written=written, lost=lost, residue=residue)
