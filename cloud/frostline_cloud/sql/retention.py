"""What SQL may forget."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete, select

from frostline_cloud.sql.tables import node, run

RUN_KEEP_MS: Final = 400 * 24 * 3600 * 1000
"""How long a finished run is remembered (commit protocol, section 8)."""

_AT_ONCE = 500


def tidy(connection: Connection, now_ms: int) -> int:
    """Deletes runs that ended 400 days ago and that no gateway holds any more; returns how many.

    A run is finished when everything that was announced of it is committed. Runs of a node whose held runs are not
    known stay: forgetting one could hide a loss.
    """
    held = {(row.site, row.node): row.held for row in connection.execute(select(node.c.site, node.c.node, node.c.held))}
    old = connection.execute(
        select(run.c.run, run.c.site, run.c.node).where(
            run.c.committed >= run.c.announced, run.c.at_ms < now_ms - RUN_KEEP_MS
        )
    ).all()
    gone = [row.run for row in old if _released(row.run, held.get((row.site, row.node)))]
    for start in range(0, len(gone), _AT_ONCE):
        connection.execute(delete(run).where(run.c.run.in_(gone[start : start + _AT_ONCE])))
    return len(gone)


def _released(number: str, held: list[str] | None) -> bool:
    return held is not None and number not in held
