"""Which rules of the cloud gateways have in use, and why they refuse others: their newest word, by gateway.

A gateway tells it as an event of its own (metric `local_rules`) whenever it takes or refuses a set.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, tuple_

from frostline_cloud.sql.tables import gateway_rules
from frostline_cloud.sql.upsert import upsert

_MOST_REASON = 500
_MOST_VERSION = 40


@dataclass(frozen=True, slots=True)
class Taken:
    """What a gateway says of its local rules.

    Attributes:
        site: Of the gateway.
        node: The gateway.
        version: Of the set that is in use there; "" for none.
        refused: Of the set that it refused since; "" where it could not even read that.
        reason: Why it refused; "" where it has refused nothing.
        at_ms: When it said so, by its clock.
    """

    site: str
    node: str
    version: str
    refused: str
    reason: str
    at_ms: int


def parse(site: str, node: str, text: str, at_ms: int) -> Taken | None:
    """What an event of a gateway says; None for what nobody understands: the store has it."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    found = [told.get(name) for name in ("version", "refused", "reason")]
    if not all(isinstance(each, str) for each in found):
        return None
    version, refused, reason = (str(each).replace("\0", "") for each in found)
    return Taken(site, node, version[:_MOST_VERSION], refused[:_MOST_VERSION], reason[:_MOST_REASON], at_ms)


def keep(connection: Connection, told: Iterable[Taken], now_ms: int) -> None:
    """Writes the newest word of each gateway, in the transaction that commits the event; a late one changes nothing."""
    newest: dict[tuple[str, str], Taken] = {}
    for each in sorted(told, key=lambda one: one.at_ms):
        newest[each.site, each.node] = each
    known = {(each.site, each.node): each.at_ms for each in taken(connection, list(newest))}
    rows = [
        {name: getattr(each, name) for name in Taken.__dataclass_fields__} | {"noted_ms": now_ms}
        for key, each in newest.items()
        if each.at_ms >= known.get(key, 0)
    ]
    upsert(connection, gateway_rules, rows)


def taken(connection: Connection, keys: Sequence[tuple[str, str]]) -> list[Taken]:
    """What these gateways said, by site and name; those that said nothing are absent."""
    if not keys:
        return []
    query = select(gateway_rules).where(tuple_(gateway_rules.c.site, gateway_rules.c.node).in_(keys))
    return _read(connection, query.order_by(gateway_rules.c.site, gateway_rules.c.node))


def refusals(connection: Connection, limit: int = 100) -> list[Taken]:
    """Gateways whose newest word is a refusal, by site and name."""
    query = select(gateway_rules).where(gateway_rules.c.reason != "")
    return _read(connection, query.order_by(gateway_rules.c.site, gateway_rules.c.node).limit(limit))


def _read(connection: Connection, query: Any) -> list[Taken]:
    rows = connection.execute(query).all()
    return [Taken(*(getattr(row, name) for name in Taken.__dataclass_fields__)) for row in rows]
