"""What SQL may forget."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete, select

from frostline_cloud.sql.tables import delivery, node, outbox, run

RUN_KEEP_MS: Final = 400 * 24 * 3600 * 1000
"""How long a finished run is remembered (commit protocol, section 8)."""

NOTICE_KEEP_MS: Final = 400 * 24 * 3600 * 1000
"""How long a notification that is done, and each attempt to deliver it, is kept; alerts themselves stay."""

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


def tidy_notices(connection: Connection, now_ms: int) -> int:
    """Deletes notifications that were delivered or given up 400 days ago, with their attempts; returns how many."""
    old = select(outbox.c.id).where(outbox.c.state != "waiting", outbox.c.done_ms < now_ms - NOTICE_KEEP_MS)
    gone = list(connection.scalars(old))
    for start in range(0, len(gone), _AT_ONCE):
        some = gone[start : start + _AT_ONCE]
        connection.execute(delete(delivery).where(delivery.c.outbox.in_(some)))
        connection.execute(delete(outbox).where(outbox.c.id.in_(some)))
    return len(gone)


def _released(number: str, held: list[str] | None) -> bool:
    return held is not None and number not in held
