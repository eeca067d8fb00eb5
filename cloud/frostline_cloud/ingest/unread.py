"""Messages that nobody can read yet: a birth is missing, or no birth declared what they hold.

Of a plain Sparkplug node they wait here for the birth that was asked for: it sends once. Of a node that speaks the
commit protocol they come again by themselves; the batch that three births did not make readable is given up.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from frostline_cloud.ingest.journal import Loss
from frostline_core.commit import BATCH, BatchMark, unpack_batch
from frostline_core.errors import ProtocolError
from frostline_core.sparkplug import NodeView, Unresolved, parse, topics

MOST_PARKED: Final = 1_000
MOST_PARKED_BYTES: Final = 8 * 1024 * 1024
PATIENCE_MS: Final = 120_000
"""How long a message waits for its birth: four times what a node is asked in vain."""
MOST_BIRTHS: Final = 3
_MOST_PUZZLES: Final = 10_000
_NO_BIRTH = "no birth came that says what it means"
_DROPPED = "too many messages waited for births"
_OTHER_SESSION = "its session ended before a birth said what it means"


@dataclass(frozen=True, slots=True)
class Parked:
    """A message that waits.

    Attributes:
        bd_seq: Of the session that was known when it came; None where none was.
    """

    site: str
    node: str
    device: str
    topic: str
    raw: bytes
    at_ms: int
    bd_seq: int | None


class Parking:
    """Messages of plain nodes, oldest first; past the bound the oldest is listed as lost."""

    def __init__(self, most: int = MOST_PARKED, most_bytes: int = MOST_PARKED_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._parked: list[Parked] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._parked)

    def park(self, event: Unresolved, view: NodeView | None, now_ms: int) -> list[Loss]:
        """Keeps a message; returns what had to go for it."""
        bd_seq = view.bd_seq if view is not None and view.online else None
        device = topics.parse(event.topic).device
        self._parked.append(Parked(event.site, event.node, device, event.topic, event.raw, now_ms, bd_seq))
        self._bytes += len(event.raw)
        gone = 0
        while len(self._parked) - gone > self._most or self._bytes > self._most_bytes:
            self._bytes -= len(self._parked[gone].raw)
            gone += 1
        dropped, self._parked = self._parked[:gone], self._parked[gone:]
        return [_lost(each, _DROPPED) for each in dropped]

    def born(self, view: NodeView, device: str) -> tuple[list[Parked], list[Loss]]:
        """What a birth makes readable, and what it ends; nothing of a node that turns out to send again by itself."""
        mine = [each for each in self._parked if (each.site, each.node, each.device) == (view.site, view.node, device)]
        self._take(mine)
        if view.proved:
            return [], []
        here = [each for each in mine if each.bd_seq in (None, view.bd_seq)]
        return here, [_lost(each, _OTHER_SESSION) for each in mine if each not in here]

    def expired(self, now_ms: int) -> list[Loss]:
        """What has waited for too long."""
        late = [each for each in self._parked if now_ms - each.at_ms > PATIENCE_MS]
        self._take(late)
        return [_lost(each, _NO_BIRTH) for each in late]

    def _take(self, some: list[Parked]) -> None:
        if some:
            gone = set(map(id, some))
            self._parked = [each for each in self._parked if id(each) not in gone]
            self._bytes = sum(len(each.raw) for each in self._parked)


def without_seq(raw: bytes) -> bytes:
    """A message out of its time: its `seq` belongs to the messages before the birth."""
    message = parse(raw)
    message.ClearField("seq")
    stripped: bytes = message.SerializeToString()
    return stripped


@dataclass(slots=True)
class _Puzzle:
    owner: tuple[str, str]
    n: int
    births: int = 0


class Puzzles:
    """The batch at which each run stands still; bounded, the longest untouched is forgotten and counted anew."""

    def __init__(self) -> None:
        self._by_run: OrderedDict[int, _Puzzle] = OrderedDict()

    def born(self, owner: tuple[str, str]) -> None:
        """A node gave birth: one more try."""
        for each in self._by_run.values():
            each.births += each.owner == owner

    def hopeless(self, owner: tuple[str, str], mark: BatchMark, committed: int) -> bool:
        """Whether a batch that cannot be read is to be given up: it is the next of its run, and three births were vain.

        Args:
            owner: Site and node.
            mark: Of the batch.
            committed: How far its run is.
        """
        if mark.first > max(committed + 1, mark.base):
            return False  # one before it comes first
        puzzle = self._by_run.get(mark.run)
        if puzzle is None or puzzle.n != mark.n:
            self._by_run[mark.run] = puzzle = _Puzzle(owner, mark.n)
            if len(self._by_run) > _MOST_PUZZLES:
                self._by_run.popitem(last=False)
        self._by_run.move_to_end(mark.run)
        return puzzle.births >= MOST_BIRTHS


def mark_of(view: NodeView, event: Unresolved) -> BatchMark | None:
    """Which batch a message is, as far as that can be read; its other metrics need not."""
    alias = view.batch_aliases.get(topics.parse(event.topic).device)
    try:
        for metric in parse(event.raw).metrics:
            if metric.name == BATCH or (metric.HasField("alias") and metric.alias == alias):
                return unpack_batch(metric.bytes_value)
    except ProtocolError:
        return None
    return None


def _lost(parked: Parked, reason: str) -> Loss:
    samples = len(parse(parked.raw).metrics)
    return Loss(parked.site, parked.node, None, None, None, reason, samples, parked.at_ms, parked.at_ms)
