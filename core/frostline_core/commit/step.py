"""What a batch means for its run, what a birth is answered, and which runs' tails may be lost: without any state.

Source: commit protocol version 1, sections 4 and 5.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from frostline_core.commit.wire import COMMITS_MAX, BatchMark, Commit, Runs, of_spool

RESTORED = "host state restored"
"""Reason of a loss that only a host whose SQL went back can see: the gateway was told that it may delete these."""


class Loss(NamedTuple):
    """Numbers first..last of a run, gone for a reason; the reason is "" where a gap row brings its own."""

    first: int
    last: int
    reason: str


@dataclass(frozen=True, slots=True)
class Advance:
    """What one batch means for a run that is committed so far.

    Attributes:
        losses: To be listed, in the same transaction.
        deliver: Whether its samples are to be evaluated and stored; False for gap rows and for what is applied.
        committed: The run's number afterwards.
    """

    losses: tuple[Loss, ...]
    deliver: bool
    committed: int


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What SQL knows of one run: committed, and the highest number that a birth told of."""

    run: int
    committed: int
    announced: int


def advance(committed: int, mark: BatchMark) -> Advance:
    """What one batch means for its run; the caller lists, evaluates and writes `committed` in one transaction.

    Args:
        committed: The run's number so far, as the transaction reads it.
        mark: The batch; its gap reason, if it is a gap row, is the caller's to add to the losses whose reason is "".

    Raises:
        ValueError: A batch before it is missing; applying it would make that one vanish.
    """
    if mark.n <= committed:
        return Advance((), False, committed)
    following = committed + 1
    losses: tuple[Loss, ...] = ()
    if mark.base > following:  # only a commit of ours lets base rise, so our SQL went back
        losses = (Loss(following, mark.base - 1, RESTORED),)
        following = mark.base
    if mark.first > following:
        raise ValueError(f"batch {mark.first}..{mark.n} of a run that is committed to {committed}")
    if mark.gap:
        losses += (Loss(following, mark.n, ""),)
    return Advance(losses, not mark.gap, mark.n)


def asked(runs: Runs) -> list[int]:
    """The runs that an NBIRTH is answered for: the newest 8 that it lists."""
    return list(runs.held)[-COMMITS_MAX:]


def answered(runs: Runs, committed: Mapping[int, int]) -> list[Commit]:
    """What to answer to an NBIRTH: what is committed of the runs that it asks for, 0 where nothing is."""
    return [Commit(run, committed.get(run, 0)) for run in asked(runs)]


def in_doubt(runs: Iterable[RunRecord], spool: int, held: Collection[int] | None) -> dict[int, int]:
    """Runs of one node whose tail may be lost, each with the first number in doubt.

    A run that the newest birth does not list is in doubt if another spool opened it, or if a birth told of more than is
    committed. What arrives later is applied as always, and the listing shrinks by itself.

    Args:
        runs: Every run of the node.
        spool: Spool id of its newest birth.
        held: Runs of that birth, and runs of that spool seen since; None when not all are known: then none is in doubt.
    """
    if held is None:
        return {}
    return {
        each.run: each.committed + 1
        for each in runs
        if each.run not in held and (not of_spool(each.run, spool) or each.committed < each.announced)
    }
