"""Births of two gateways under one name, told by the runs they list.

A gateway that no longer holds a run never holds it again (commit protocol, section 1). So a run that one birth lists,
the next does not, and a later one lists again is held by two spools: a second gateway, or a copy of a disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import orjson
from sqlalchemy import Connection, delete, select, tuple_

from frostline_cloud.sql.changes import NodeKey
from frostline_cloud.sql.tables import node, run, setting
from frostline_cloud.sql.upsert import upsert

_PREFIX: Final = "clone/"
_PIECE: Final = 400


@dataclass(frozen=True, slots=True)
class Seen:
    """Births of two gateways came under one name.

    Attributes:
        site: Of both.
        node: Of both.
        at_ms: When it last showed, UTC.
    """

    site: str
    node: str
    at_ms: int


def note(connection: Connection, listed: Mapping[NodeKey, Sequence[str]], now_ms: int) -> None:
    """Compares births with those before, in the transaction that writes them, before it does.

    Args:
        connection: In that transaction.
        listed: Per node the runs that its new birth lists, hex.
        now_ms: UTC.
    """
    suspects = {
        text: owner
        for owner, held in _held(connection, list(listed))
        if held is not None
        for text in listed[owner]
        if text not in held
    }
    back = {suspects[text] for text in _known(connection, suspects)}
    rows = [{"key": _key(*owner), "value": orjson.dumps([*owner, now_ms]).decode()} for owner in sorted(back)]
    upsert(connection, setting, rows)


def seen(connection: Connection) -> list[Seen]:
    """Every gateway of which that was noted, once each."""
    query = select(setting.c.value).where(setting.c.key.startswith(_PREFIX)).order_by(setting.c.key)
    return [Seen(*orjson.loads(text)) for text in connection.scalars(query)]


def forget(connection: Connection, found: Sequence[Seen]) -> None:
    """It is over."""
    if found:
        connection.execute(delete(setting).where(setting.c.key.in_([_key(each.site, each.node) for each in found])))


def _held(connection: Connection, owners: Sequence[NodeKey]) -> Iterator[tuple[NodeKey, list[str] | None]]:
    for start in range(0, len(owners), _PIECE):
        some = tuple_(node.c.site, node.c.node).in_(owners[start : start + _PIECE])
        for row in connection.execute(select(node.c.site, node.c.node, node.c.held).where(some)):
            yield (row.site, row.node), row.held


def _known(connection: Connection, suspects: Mapping[str, NodeKey]) -> Iterator[str]:
    """Those that this node has listed in a birth before; data alone may overtake the birth that lists its run."""
    texts = list(suspects)
    for start in range(0, len(texts), _PIECE):
        columns: tuple[Any, ...] = (run.c.run, run.c.site, run.c.node)
        listed = (run.c.run.in_(texts[start : start + _PIECE]), run.c.announced > 0)
        for row in connection.execute(select(*columns).where(*listed)):
            if suspects[row.run] == (row.site, row.node):
                yield row.run


def _key(site: str, name: str) -> str:
    return _PREFIX + sha256(f"{site}/{name}".encode()).hexdigest()[:32]
