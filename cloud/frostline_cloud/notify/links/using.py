"""What a link leads to, and taking note through it: of the alerts that its message named, once, until it ends.

Opening a link changes nothing (mail scanners open links); the page asks, and its button takes note. That a link was
used is kept in SQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import IntegrityError

from frostline_cloud.alerts import acknowledge
from frostline_cloud.notify.links.token import LinkState, read_token
from frostline_cloud.sql.tables import alert, bundle_link, outbox, used_link
from frostline_core.rules import Phase, Severity


@dataclass(frozen=True, slots=True)
class Seen:
    """An alert as it is when its link is opened.

    Attributes:
        id: Its id.
        summary: For people.
        severity: How bad it is by now.
        is_over: Whether it is resolved.
        acknowledged_by: Who took note; "" where nobody has.
    """

    id: str
    summary: str
    severity: str
    is_over: bool
    acknowledged_by: str


@dataclass(frozen=True, slots=True)
class Look:
    """What a link leads to.

    Attributes:
        state: What it is good for.
        alerts: Those that its message named, the gravest first; none where the link is wrong.
        unlisted: Alerts that the message counted without naming them: the link does not take note of them.
        receiver: Who got the message.
    """

    state: LinkState
    alerts: tuple[Seen, ...] = ()
    unlisted: int = 0
    receiver: str = ""


def look(connection: Connection, key: bytes, token: str, now_ms: int) -> Look:
    """Looks where a link leads; changes nothing."""
    state, link_id = read_token(key, token, now_ms)
    if state is LinkState.WRONG:
        return Look(state)
    many = connection.execute(select(bundle_link).where(bundle_link.c.id == link_id)).first()
    one = select(outbox.c.alert, outbox.c.receiver).where(outbox.c.id == link_id)
    single = connection.execute(one).first() if many is None else None
    if many is not None:
        found, unlisted, receiver = _seen(connection, many.alerts), int(many.unlisted), str(many.receiver)
    elif single is not None:
        found, unlisted, receiver = _seen(connection, [single.alert]), 0, str(single.receiver)
    else:
        return Look(LinkState.WRONG)
    if connection.execute(select(used_link).where(used_link.c.id == link_id)).first() is not None:
        state = LinkState.USED
    elif state is LinkState.VALID and all(each.acknowledged_by for each in found):
        state = LinkState.DONE
    return Look(state, found, unlisted, receiver)


def use(connection: Connection, key: bytes, token: str, now_ms: int) -> Look:
    """Takes note of every alert that nobody took note of, if the link is valid; in a transaction that may write."""
    seen = look(connection, key, token, now_ms)
    if seen.state is not LinkState.VALID:
        return seen
    _, link_id = read_token(key, token, now_ms)
    try:
        with connection.begin_nested():
            connection.execute(insert(used_link).values(id=link_id, used_ms=now_ms))
    except IntegrityError:  # two at once: the other was first
        return Look(LinkState.USED, seen.alerts, seen.unlisted, seen.receiver)
    ids = sorted(each.id for each in seen.alerts)  # always in one order: two links must not wait for each other
    for alert_id in ids:
        acknowledge(connection, alert_id, f"link to {seen.receiver}", now_ms)
    return Look(LinkState.VALID, _seen(connection, ids), seen.unlisted, seen.receiver)


def forget_links(connection: Connection, before_ms: int) -> int:
    """Forgets links that were used or made before a time; they have ended by then. Returns how many were used."""
    connection.execute(delete(bundle_link).where(bundle_link.c.made_ms < before_ms))
    return connection.execute(delete(used_link).where(used_link.c.used_ms < before_ms)).rowcount


def _seen(connection: Connection, ids: Sequence[str]) -> tuple[Seen, ...]:
    columns = (alert.c.id, alert.c.summary, alert.c.severity, alert.c.state, alert.c.acknowledged_by)
    rows = connection.execute(select(*columns).where(alert.c.id.in_(ids)).order_by(alert.c.opened_ms, alert.c.id)).all()
    found = [
        Seen(row.id, row.summary, row.severity, row.state == Phase.RESOLVED.value, row.acknowledged_by or "")
        for row in rows
    ]
    return tuple(sorted(found, key=lambda each: -Severity(each.severity).rank))
