"""What a flush carries: what has come, and what became of it in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from frostline_cloud.ingest.decode import Batch, Item
from frostline_cloud.ingest.journal import DeadLetter, Extra
from frostline_cloud.store.port import Sheet
from frostline_core.commit import Taken


@dataclass(slots=True)
class Load:
    """What a flush is to bring home.

    Attributes:
        taken: Batches of the commit protocol.
        plain: Messages of plain Sparkplug nodes, in order of arrival.
        extra: Duplicates, losses and dead letters noted since the last flush.
    """

    taken: Taken[Batch]
    plain: Sequence[Item]
    extra: Extra

    def brought_home(self, part: Load) -> None:
        """Takes out what comes only once and is committed already, in a part of this flush."""
        done = set(map(id, part.plain))
        self.plain = [each for each in self.plain if id(each) not in done]
        if part.extra is self.extra:
            self.extra = Extra()


@dataclass(slots=True)
class Written:
    """What is in the store, or will never be.

    Attributes:
        sheet: As written.
        owners: The message of each row.
        counts: How many samples each row behind those of numbers holds.
        buried: What was refused.
        seconds: What the write took.
    """

    sheet: Sheet = field(default_factory=Sheet)
    owners: list[Item] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    buried: list[DeadLetter] = field(default_factory=list)
    seconds: float = 0.0
