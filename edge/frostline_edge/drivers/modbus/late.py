"""Spans of registers, and the late answers of a line without transaction ids; pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from frostline_edge.profiles.model import Table

BIT_TABLES = (Table.COIL, Table.DISCRETE)
# Late answers that are told apart by their length; older ones have had that many quiet times to arrive in.
_OWED = 4


@dataclass(frozen=True, slots=True)
class Span:
    """Registers or bits of one table: `count` from `address`, counted from 0."""

    table: Table
    address: int
    count: int

    @property
    def length(self) -> int:
        """Of the answer: registers, or bytes of bits."""
        return ceil(self.count / 8) if self.table in BIT_TABLES else self.count


@dataclass(frozen=True, slots=True)
class Late:
    """What a unit was last asked for in vain, and the lengths of the answers that it may still send."""

    span: Span
    lengths: tuple[int, ...]

    def probe(self) -> Span:
        """A short request whose answer has another length than those."""
        length = next(n for n in range(1, _OWED + 2) if n not in self.lengths)
        return Span(self.span.table, self.span.address, length * 8 if self.span.table in BIT_TABLES else length)

    @classmethod
    def after(cls, before: Late | None, span: Span) -> Late:
        """After one more request in vain."""
        return cls(span, (*(before.lengths if before is not None else ()), span.length)[-_OWED:])
