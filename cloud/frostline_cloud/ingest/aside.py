"""What waits for the next flush besides numbered batches: what is sent only once, and what was noted meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from frostline_cloud.ingest.decode import Item, count_of, owner_of
from frostline_cloud.ingest.journal import DeadLetter, Extra, Loss
from frostline_cloud.ingest.load import Load
from frostline_core.commit.account import GatewayAccount
from frostline_core.errors import ProtocolError
from frostline_core.sparkplug import topics

MOST_BURIED: Final = 1_000
MOST_LISTED: Final = 1_000
"""Losses that one flush lists with their own reasons."""
_BEYOND: Final = f"more losses than the {MOST_LISTED} that one flush lists with their reasons"
_Key = tuple[str, str, str]  # site, node and reason


class Aside:
    """Kept over a flush that fails; bounded, and what is beyond the bound is listed as lost.

    Losses of one node for one reason are one entry, however long the store is away; beyond `MOST_LISTED` entries it is
    one more for each node.

    Args:
        most_plain: Messages of plain nodes that wait, at most.

    Attributes:
        plain: Messages of plain nodes, in order of arrival.
    """

    def __init__(self, most_plain: int) -> None:
        self.plain: list[Item] = []
        self._most_plain = most_plain
        self._extra = Extra()
        self._losses: dict[_Key, Loss] = {}
        self._unkept = 0

    @property
    def noted(self) -> bool:
        """Whether there is anything besides plain messages."""
        return bool(self._extra or self._losses)

    def keep(self, item: Item) -> None:
        """A message of a plain node, which sends once: it waits while the store is away."""
        if len(self.plain) < self._most_plain:
            self.plain.append(item)
        else:
            reason = "the store was away for longer than the queue of a plain Sparkplug node holds"
            self.lose([Loss(*owner_of(item), None, None, None, reason, count_of(item))])

    def bury(self, topic: str, raw: bytes, reason: str) -> None:
        """A message that nobody can read."""
        if len(self._extra.buried) >= MOST_BURIED:
            self._unkept += 1
            return
        try:
            place = topics.parse(topic)
            site, node, device = place.group, place.node, place.device
        except ProtocolError:
            site = node = device = ""
        self._extra.buried.append(DeadLetter(site, node, device, topic, reason, raw))

    def lose(self, losses: Iterable[Loss]) -> None:
        """To be listed; of no run."""
        for each in losses:
            key = (each.site, each.node, each.reason)
            if key not in self._losses and len(self._losses) >= MOST_LISTED:
                key = (each.site, each.node, _BEYOND)
            known = self._losses.get(key)
            self._losses[key] = replace(each, reason=key[2]) if known is None else _together(known, each)

    def duplicate(self, owner: tuple[str, str], samples: int) -> None:
        """A batch of a node came again."""
        self._extra.duplicates[owner] = self._extra.duplicates.get(owner, 0) + samples

    def tell(self, owner: tuple[str, str], account: GatewayAccount) -> None:
        """A gateway told its account; what it told before is history."""
        self._extra.told[owner] = account

    def take(self) -> tuple[list[Item], Extra]:
        """Everything, for a flush."""
        if self._unkept:
            reason = f"{self._unkept} messages that nobody can read, beyond the {MOST_BURIED} that one flush keeps"
            self.lose([Loss("", "", None, None, None, reason)])
            self._unkept = 0
        taken = self.plain, replace(self._extra, losses=list(self._losses.values()))
        self.plain, self._extra, self._losses = [], Extra(), {}
        return taken

    def put_back(self, load: Load) -> None:
        """A flush has failed: what came with it comes first again."""
        self.plain = [*load.plain, *self.plain]
        later, self._losses = self._losses, {}
        self.lose(load.extra.losses)
        self.lose(later.values())
        self._extra = replace(load.extra, losses=[]).before(self._extra)


def _together(one: Loss, other: Loss) -> Loss:
    """One entry for two; where one does not know its samples, nobody knows those of both."""
    counted = one.samples is not None and other.samples is not None
    begins = [each for each in (one.from_ms, other.from_ms) if each is not None]
    ends = [each for each in (one.to_ms, other.to_ms) if each is not None]
    return replace(
        one,
        samples=(one.samples or 0) + (other.samples or 0) if counted else None,
        from_ms=min(begins, default=None),
        to_ms=max(ends, default=None),
        entries=one.entries + other.entries,
    )
