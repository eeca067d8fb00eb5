"""What a flush carries: what has come, and what became of it in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from frostline_cloud.ingest.decode import Item
from frostline_cloud.ingest.journal import DeadLetter, Extra
from frostline_cloud.store.port import AnyRow
from frostline_core.commit import Queued


@dataclass(slots=True)
class Load:
    """What a flush is to bring home.

    Attributes:
        queued: Batches of the commit protocol, in order of arrival.
        plain: Messages of plain Sparkplug nodes, in order of arrival.
        extra: Duplicates, losses and dead letters noted since the last flush.
    """

    queued: Sequence[Queued[Item]]
    plain: Sequence[Item]
    extra: Extra

    def brought_home(self, part: Load) -> None:
        """Takes out what comes only once and is committed already, in a part of this flush."""
        self.plain = [each for each in self.plain if not any(each is done for done in part.plain)]
        if part.extra is self.extra:
            self.extra = Extra()


@dataclass(slots=True)
class Written:
    """What is in the store, or will never be.

    Attributes:
        rows: As written.
        owners: The message of each row.
        counts: How many samples each row holds that is no `Regular` one, by its place.
        buried: What was refused.
        seconds: What the write took.
    """

    seconds: float = 0.0
    rows: list[AnyRow] = field(default_factory=list)
    owners: list[Item] = field(default_factory=list)
    counts: dict[int, int] = field(default_factory=dict)
    buried: list[DeadLetter] = field(default_factory=list)
