"""What gateways tell of their own account, by UTC day: read = kept + filtered + rejected.

A telling has whole days and replaces what was told of them before. Its newest day also says what was pending then, and
what the gateway itself cannot explain of kept = committed + pending + lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select, tuple_, update

from frostline_cloud.sql.tables import account, gateway_account
from frostline_cloud.sql.upsert import insert_new, upsert
from frostline_core.commit.account import GatewayAccount

NodeKey = tuple[str, str]
COUNTS: Final = ("read", "kept", "filtered", "rejected", "committed", "lost")

_T = gateway_account.c
_NO_SAMPLES: Final = {"received": 0, "written": 0, "dead_lettered": 0, "duplicate": 0}


def save(connection: Connection, told: Mapping[NodeKey, GatewayAccount], now_ms: int) -> None:
    """Writes what gateways told; days of which nothing has come get a row in the account too."""
    for (site, node), each in told.items():
        newest = max((day.day for day in each.days), default="")
        rows = [
            {"site": site, "node": node, "told_ms": now_ms}
            | asdict(day)
            | {
                "pending": each.pending if day.day == newest else None,
                "unexplained": each.unexplained if day.day == newest else 0,
            }
            for day in each.days
        ]
        upsert(connection, gateway_account, rows)
        keys = [{"site": site, "node": node, "day": day.day} for day in each.days]
        insert_new(connection, account, [key | _NO_SAMPLES for key in keys])
        earlier = (_T.site == site, _T.node == node, _T.day < newest, _T.unexplained != 0)
        connection.execute(update(gateway_account).where(*earlier).values(unexplained=0, pending=None))


def days(connection: Connection, keys: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], Row[Any]]:
    """What was told of these (day, site, node)."""
    if not keys:
        return {}
    query = select(gateway_account).where(tuple_(_T.day, _T.site, _T.node).in_(keys))
    return {(row.day, row.site, row.node): row for row in connection.execute(query)}


def totals(connection: Connection) -> dict[NodeKey, dict[str, int]]:
    """What each gateway told, over all days."""
    sums = [func.coalesce(func.sum(_T[name]), 0).label(name) for name in COUNTS]
    query = select(_T.site, _T.node, *sums).group_by(_T.site, _T.node)
    return {
        (row.site, row.node): {name: int(getattr(row, name)) for name in COUNTS} for row in connection.execute(query)
    }


def unexplained(connection: Connection) -> dict[NodeKey, int]:
    """Readings and samples of each gateway without a fate; gateways of which all is explained are absent."""
    residue = func.abs(_T.read - _T.kept - _T.filtered - _T.rejected) + func.abs(_T.unexplained)
    amount = func.sum(residue).label("amount")
    query = select(_T.site, _T.node, amount).where(residue != 0).group_by(_T.site, _T.node)
    return {(row.site, row.node): int(row.amount) for row in connection.execute(query)}
