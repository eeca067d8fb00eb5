"""Messages that nobody can read yet: a birth is missing, or no birth declared what they hold.

Of a plain Sparkplug node they wait here for the birth that was asked for: it sends once. Of a node that speaks the
commit protocol they come again by themselves; the batch that three births did not make readable is given up.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Final

from frostline_cloud.ingest.journal import Loss
from frostline_core.commit import BATCH, BatchMark, unpack_batch
from frostline_core.errors import ProtocolError
from frostline_core.moment import Moment
from frostline_core.sparkplug import NodeView, Unresolved, parse, topics

MOST_PARKED: Final = 10_000
MOST_PARKED_BYTES: Final = 16 * 1024 * 1024
PATIENCE_MS: Final = 120_000
"""How long a message waits for its birth: four times what a node is asked in vain."""
MOST_BIRTHS: Final = 3
_MOST_PUZZLES: Final = 10_000
_NO_BIRTH = "no birth came that says what it means"
_DROPPED = "too many messages waited for births"
_ENDED = "the cloud was stopped before a birth said what it means"
_OTHER_SESSION = "its session ended before a birth said what it means"


@dataclass(frozen=True, slots=True)
class Parked:
    """A message that waits.

    Attributes:
        came: When it came.
        bd_seq: Of the session that was known when it came; None where none was.
    """

    site: str
    node: str
    device: str
    topic: str
    raw: bytes
    came: Moment
    bd_seq: int | None


class Parking:
    """Messages of plain nodes, in order of arrival; past the bound the oldest is given up.

    What is given up is listed as lost, one entry for each gateway and reason between two looks, because a fleet that
    waits for its births gives up thousands.
    """

    def __init__(self, most: int = MOST_PARKED, most_bytes: int = MOST_PARKED_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._parked: OrderedDict[int, Parked] = OrderedDict()
        self._of_device: dict[tuple[str, str, str], deque[int]] = {}
        self._bytes = self._next = 0
        self._lost: dict[tuple[str, str, str], Loss] = {}

    def __len__(self) -> int:
        return len(self._parked)

    def park(self, event: Unresolved, view: NodeView | None, now: Moment) -> None:
        """Keeps a message."""
        bd_seq = view.bd_seq if view is not None and view.online else None
        device = topics.parse(event.topic).device
        parked = Parked(event.site, event.node, device, event.topic, event.raw, now, bd_seq)
        self._parked[self._next] = parked
        self._of_device.setdefault((parked.site, parked.node, device), deque()).append(self._next)
        self._next += 1
        self._bytes += len(parked.raw)
        while len(self._parked) > self._most or self._bytes > self._most_bytes:
            self._lose(self._oldest(), _DROPPED)

    def born(self, view: NodeView, device: str) -> list[Parked]:
        """What a birth makes readable; nothing of a node that turns out to send again by itself."""
        mine = [self._parked.pop(number) for number in self._of_device.pop((view.site, view.node, device), ())]
        self._bytes -= sum(len(each.raw) for each in mine)
        if view.proved:
            return []
        for each in mine:
            if each.bd_seq not in (None, view.bd_seq):
                self._lose(each, _OTHER_SESSION)
        return [each for each in mine if each.bd_seq in (None, view.bd_seq)]

    def lost(self, steady_ms: int) -> list[Loss]:
        """What was given up since the last look, and what has waited for too long."""
        while self._parked and steady_ms - next(iter(self._parked.values())).came.steady_ms > PATIENCE_MS:
            self._lose(self._oldest(), _NO_BIRTH)
        found = list(self._lost.values())
        self._lost.clear()
        return found

    def close(self) -> list[Loss]:
        """Everything that still waits, since nobody will wait any longer."""
        while self._parked:
            self._lose(self._oldest(), _ENDED)
        found = list(self._lost.values())
        self._lost.clear()
        return found

    def _oldest(self) -> Parked:
        _, parked = self._parked.popitem(last=False)
        key = (parked.site, parked.node, parked.device)
        self._of_device[key].popleft()
        if not self._of_device[key]:
            del self._of_device[key]
        self._bytes -= len(parked.raw)
        return parked

    def _lose(self, parked: Parked, reason: str) -> None:
        samples = len(parse(parked.raw).metrics)
        key = (parked.site, parked.node, reason)
        before = self._lost.get(key)
        at_ms = parked.came.utc_ms
        first_ms, last_ms = at_ms, at_ms
        if before is not None and before.from_ms is not None and before.to_ms is not None:
            first_ms, last_ms = min(before.from_ms, at_ms), max(before.to_ms, at_ms)
        samples += 0 if before is None else before.samples or 0
        self._lost[key] = Loss(parked.site, parked.node, None, None, None, reason, samples, first_ms, last_ms)


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


def mark_in(view: NodeView, event: Unresolved) -> BatchMark | None:
    """Which batch a message is, as far as that can be read; its other metrics need not."""
    alias = view.batch_aliases.get(topics.parse(event.topic).device)
    try:
        for metric in parse(event.raw).metrics:
            if metric.name == BATCH or (metric.HasField("alias") and metric.alias == alias):
                return unpack_batch(metric.bytes_value)
    except ProtocolError:
        return None
    return None
