"""The demo adds up what was true at one moment, and says so of what was not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from frostline_sim.demo.books import Books, Document, Sums, add_up, of_one_moment


def account(kept: int, committed: int, **more: int) -> Document:
    """Of a gateway that still holds what is not committed."""
    pending = kept - committed - more.get("lost", 0)
    return {"read": kept + 5, "filtered": 5, "rejected": 0, "kept": kept, "committed": committed, "lost": 0} | (
        {"pending": pending} | more
    )


def node(written: int, **more: Any) -> Document:
    told = {"written": written, "dead_lettered": 0, "residue": 0} | more
    return {"account": told, "lost": {"samples": 0, "uncounted": 0}}


class World:
    """A gateway and a cloud that go one step on whenever one of them is asked."""

    def __init__(self, moments: Sequence[tuple[int, int, int]]) -> None:
        self._moments = list(moments)
        self.tries = 0

    def _step(self) -> tuple[int, int, int]:
        return self._moments.pop(0) if len(self._moments) > 1 else self._moments[0]

    async def gateways(self) -> list[Document]:
        kept, committed, _ = self._step()
        return [account(kept, committed)]

    async def nodes(self) -> list[Document]:
        return [node(self._step()[2])]

    async def again(self) -> bool:
        self.tries += 1
        return self.tries < 10


ALL_WELL = Sums(readings=13, filtered=5, rejected=0, kept=8, committed=8, written=8, lost=0, residue=0)


async def sums(*moments: tuple[int, int, int]) -> Sums:
    world = World(moments)
    return add_up(await of_one_moment(world.gateways, world.nodes, world.again))


@pytest.mark.parametrize(
    "moments",
    [
        [(8, 7, 7), (8, 7, 7), (8, 7, 7), (8, 8, 8)],  # a sample that waits when the gateway is asked
        [(7, 7, 7), (8, 8, 8)],  # one that comes, and is written, after the gateway was asked
        [(7, 7, 7), (8, 7, 7), (8, 7, 7), (8, 8, 8)],  # one that is under way when the cloud is asked
        [(7, 7, 7), (8, 7, 8), (8, 7, 8), (8, 7, 8), (8, 8, 8)],  # one that is written, and not yet committed
    ],
)
async def test_a_sample_that_comes_while_the_books_are_taken_is_no_residue(moments: list[tuple[int, int, int]]) -> None:
    assert await sums(*moments) == Sums(
        readings=13, filtered=5, rejected=0, kept=8, committed=8, written=8, lost=0, residue=0
    )


async def test_a_sample_that_is_never_committed_is_residue() -> None:
    assert await sums((8, 7, 7)) == Sums(
        readings=13, filtered=5, rejected=0, kept=8, committed=7, written=7, lost=0, residue=1
    )


async def test_a_sample_that_was_committed_and_is_not_written_is_residue() -> None:
    assert (await sums((8, 8, 7))).residue == 1


def test_what_a_gateway_gave_up_and_what_is_a_dead_letter_is_lost_and_no_residue() -> None:
    found = add_up(Books([account(10, 9, lost=1)], [node(7, dead_lettered=2)]))
    assert (found.lost, found.residue) == (3, 0)


def test_what_a_node_of_the_cloud_cannot_explain_is_residue() -> None:
    assert add_up(Books([account(8, 8)], [node(8, residue=-2)])).residue == 2
