"""What the gateway's side of the protocol needs of the spool: rows by (run, n), and the runs that hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from frostline_core.reading import Stream


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the spool, one batch, one DATA message. Immutable once it has a number, except into a gap row.

    Attributes:
        run: Id of its run.
        n: Its number, from 1; of a gap row the highest that it covers.
        first: Lowest number that it covers; n unless it is a gap row.
        device: The device that it is of; "" for the node.
        payload: The Sparkplug payload with metric names, without aliases and seq; of a gap row what
            the spool keeps about its reasons, if there are several.
        samples: How many samples it holds, or held.
        first_ms: Event time of its oldest sample, UTC milliseconds.
        last_ms: Event time of its newest sample, UTC milliseconds.
        reason: Why what it stood for was dropped; "" exactly for data.
    """

    run: int
    n: int
    first: int
    device: str
    payload: bytes
    samples: int
    first_ms: int
    last_ms: int
    reason: str = ""

    @property
    def gap(self) -> bool:
        """Whether it stands for rows that were dropped."""
        return bool(self.reason)


@dataclass(frozen=True, slots=True)
class HeldRun:
    """One run in the spool.

    Attributes:
        run: Its id.
        stream: What it belongs to.
        base: Lowest number still held; last + 1 when it is empty.
        last: Highest number ever given.
        oldest_ms: When the row at base was appended, UTC milliseconds; 0 when empty.
        newest_ms: When the row at last was appended, UTC milliseconds; 0 when empty.
    """

    run: int
    stream: Stream
    base: int
    last: int
    oldest_ms: int = 0
    newest_ms: int = 0

    @property
    def empty(self) -> bool:
        """Whether everything that it ever held is committed."""
        return self.base > self.last


class Rows(Protocol):
    """The spool as the protocol sees it. Every change is durable when the call returns."""

    @property
    def spool_id(self) -> int:
        """Made with the file, unsigned 64 bits; its lower 16 are the upper 16 of every run it opens."""

    def runs(self) -> Sequence[HeldRun]:
        """Every run held, oldest first; an empty one only while it is current."""

    def current(self, stream: Stream) -> int | None:
        """The run that the next row of this stream goes to; None if that row will open one."""

    def next_row(self, run: int, n: int) -> Row | None:
        """The lowest row of the run whose number is n or more."""

    def delete_through(self, run: int, n: int) -> None:
        """Deletes the rows whose number is n or less, and the run if it is then empty and not current."""

    def cut(self) -> None:
        """Makes the next samples row open a new run; rows keep their identity."""
