"""What waits for the next flush besides numbered batches: what is sent only once, and what was noted meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from frostline_cloud.ingest.decode import Item
from frostline_cloud.ingest.journal import DeadLetter, Extra, Loss
from frostline_cloud.ingest.load import Load
from frostline_core.commit.account import GatewayAccount
from frostline_core.errors import ProtocolError
from frostline_core.sparkplug import topics

MOST_BURIED: Final = 1_000


class Aside:
    """Kept over a flush that fails; bounded, and what is beyond the bound is listed as lost.

    Args:
        most_plain: Messages of plain nodes that wait, at most.

    Attributes:
        plain: Messages of plain nodes, in order of arrival.
    """

    def __init__(self, most_plain: int) -> None:
        self.plain: list[Item] = []
        self._most_plain = most_plain
        self._extra = Extra()
        self._unkept = 0

    @property
    def noted(self) -> bool:
        """Whether there is anything besides plain messages."""
        return bool(self._extra)

    def keep(self, item: Item) -> None:
        """A message of a plain node, which sends once: it waits while the store is away."""
        if len(self.plain) < self._most_plain:
            self.plain.append(item)
        else:
            reason = "the store was away for longer than the queue of a plain Sparkplug node holds"
            self.lose([Loss(*item.owner, None, None, None, reason, item.count)])

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
        """To be listed."""
        self._extra.losses.extend(losses)

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
        taken = self.plain, self._extra
        self.plain, self._extra = [], Extra()
        return taken

    def put_back(self, load: Load) -> None:
        """A flush has failed: what came with it comes first again."""
        self.plain = [*load.plain, *self.plain]
        self._extra = load.extra.before(self._extra)
