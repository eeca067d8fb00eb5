"""Where ingest puts its dead letters: with what their aliases meant, since that ends with the session; and bounded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection

from frostline_cloud.ingest import journal
from frostline_cloud.ingest.journal import DeadLetter
from frostline_cloud.sql import letters as kept
from frostline_cloud.sql.retention import RetentionConfig
from frostline_core.errors import ProtocolError
from frostline_core.sparkplug import HostSession, parse

_LOOK_AFTER: Final = 0.01
"""So much of the bound may be buried before it is looked whether the bound is reached: a look reads an index."""
_AT_LEAST: Final = 2_000
"""So many, or twice what was buried since the last look, one flush drops at most; the rest is for the next."""
_AT_ONCE: Final = 500


def _as_it_is(letter: DeadLetter) -> DeadLetter:
    return letter


class LetterBox:
    """Buries in a flush's transaction. The bound is exceeded by what one flush holds and 1 %, at most.

    Args:
        config: The bounds.
        name: Writes down what the aliases of a letter mean.
    """

    def __init__(
        self, config: RetentionConfig | None = None, name: Callable[[DeadLetter], DeadLetter] = _as_it_is
    ) -> None:
        self._bound = (config or RetentionConfig()).letters
        self._name = name
        self._letters = self._size = 0  # since the last look

    def bury(
        self, connection: Connection, letters: Sequence[DeadLetter], unread: Sequence[DeadLetter], now_ms: int
    ) -> None:
        """Writes letters; at the bound it drops older ones, and lists what they held as lost.

        Args:
            connection: In the flush's transaction.
            letters: Of messages that could be read.
            unread: Of those that could not: nobody knows what their aliases mean.
            now_ms: UTC.
        """
        if not letters and not unread:
            return
        buried = [*map(self._name, letters), *unread]
        journal.bury(connection, buried, now_ms)
        self._letters += len(buried)
        self._size += sum(len(each.raw) for each in buried)
        if self._letters < self._bound.letters * _LOOK_AFTER and self._size < self._bound.size * _LOOK_AFTER:
            return
        most, dropped = max(2 * self._letters, _AT_LEAST), 0
        self._letters = self._size = 0
        while dropped < most and (going := kept.beyond(connection, self._bound, _AT_ONCE)):
            dropped += kept.drop(connection, going, kept.full(self._bound), now_ms)


def named(session: HostSession, letter: DeadLetter) -> DeadLetter:
    """The letter with the name and type of each metric that it sends by alias.

    Args:
        session: With the births by which the message was read.
        letter: What cannot be stored; of a message that could be read.
    """
    view = session.node(letter.site, letter.node)
    if view is None:
        return letter
    try:
        metrics = parse(letter.raw).metrics
    except ProtocolError:
        return letter
    names: dict[str, list[object]] = {}
    for metric in metrics:
        bound = view.aliases.get(metric.alias) if metric.HasField("alias") else None
        if bound is not None and bound.device == letter.device:
            names[str(metric.alias)] = [bound.description.name, int(bound.description.datatype)]
    return replace(letter, names=names)
