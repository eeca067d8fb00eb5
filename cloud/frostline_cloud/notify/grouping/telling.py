"""What a desk does with groups: takes one whose time has come as one message, and says when it is looked at next.

A group is taken by compare-and-swap on its lease, and what becomes of its rows is written together with when it is
looked at next, so that a process that dies at any moment neither loses nor doubles a message: the lease ends, and the
same rows make the same message again. What waits belongs to the group alone until it is held for a digest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Integer, Row, cast, delete, exists, func, insert, or_, select, update

from frostline_cloud.alerts import Gate, Incident
from frostline_cloud.alerts.event import EventType
from frostline_cloud.alerts.message import content, render
from frostline_cloud.notify import budget
from frostline_cloud.notify.bundle import Bundle, bundle_id, take
from frostline_cloud.notify.grouping.body import body
from frostline_cloud.notify.grouping.config import GroupConfig
from frostline_cloud.notify.grouping.group import Group, Standing, next_look
from frostline_cloud.notify.grouping.joining import is_any_open, open_of
from frostline_cloud.notify.outbox import Fate, RowState, new_id, settle, waiting
from frostline_cloud.sql.tables import alert, handling, notice_group, outbox
from frostline_core.rules import Severity

MOST_ROWS: Final = 2_000
"""Notifications that one message stands for; what is beyond comes with the next."""

_BLOCKED_MS: Final = 5_000  # what waits behind a digest of the same alert is looked at again after this


@dataclass(frozen=True, slots=True)
class Telling:
    """One receiver's side of the groups.

    Attributes:
        receiver: Its name.
        configs: Of the routes that group, by name.
        wants: Whether the receiver wants a type and a severity.
        until_ms: When the lease ends.
        now_ms: UTC.
    """

    receiver: str
    configs: Mapping[str, GroupConfig]
    wants: Callable[[str, str], bool]
    until_ms: int
    now_ms: int

    def claim(self, connection: Connection, most: int, left: int | None) -> Iterator[Bundle]:
        """Takes groups whose time has come, each as one message; in a transaction that may write.

        Args:
            connection: Writes.
            most: So many groups.
            left: What the receiver's budget leaves; what is not critical beyond it is held for the digest.
        """
        for row in connection.execute(_ready(self.receiver, self.now_ms).limit(most)).all():
            group = Group.from_row(row)
            if not self._take(connection, group):
                continue
            rows = self._rows(connection, group)
            urgent = any(each.critical for each in rows)
            if rows and left is not None and left <= 0 and not urgent:
                self._hold(connection, group, rows)
                continue
            if not rows:
                look(connection, group, self.configs.get(group.route), self.now_ms)
                continue
            left = None if left is None else left - (not urgent)
            yield self._bundle(connection, group, rows)

    def _take(self, connection: Connection, group: Group) -> bool:
        mine = (notice_group.c.id == group.id, notice_group.c.lease_ms == group.lease_ms)
        taken = update(notice_group).where(*mine).values(lease_ms=self.until_ms)
        return connection.execute(taken).rowcount == 1

    def _hold(self, connection: Connection, group: Group, rows: Sequence[Row[Any]]) -> None:
        """The receiver's next digest tells them; for the group that counts as told."""
        budget.hold(connection, self.receiver, self.now_ms, [each.id for each in rows])
        told = replace(group, told_ms=self.now_ms, firing=max(group.firing, len(rows)))
        look(connection, told, self.configs.get(group.route), self.now_ms)

    def _rows(self, connection: Connection, group: Group) -> list[Row[Any]]:
        """What is told now: news that is wanted and not muted, or that something still fires."""
        found = connection.execute(_waiting(group).limit(MOST_ROWS)).all()
        unwanted = [row.id for row in found if not self.wants(row.type, _severity(row))]
        settle(connection, unwanted, RowState.SKIPPED, self.now_ms)
        rows = [row for row in found if row.id not in set(unwanted)]
        asked = [row.alert for row in rows if row.type != EventType.RESOLVED]
        gate = Gate.read(connection, asked, self.now_ms)
        passed = gate.pass_news(connection, asked) if asked else set()
        muted = [row.id for row in rows if row.type != EventType.RESOLVED and row.alert not in passed]
        settle(connection, muted, RowState.MUTED, self.now_ms)
        rows = [row for row in rows if row.id not in set(muted)]
        return rows or self._again(connection, group)

    def _again(self, connection: Connection, group: Group) -> list[Row[Any]]:
        """One row that says that something still fires, where it is time to say so."""
        config = self.configs.get(group.route)
        if config is None or not config.repeat_s or group.told_ms is None:
            return []
        if self.now_ms < group.told_ms + round(config.repeat_s * 1000) or _is_any_waiting(connection, group):
            return []
        firing = _unnoted(connection, group, self.now_ms)
        wanted = [each for each in firing if self.wants(EventType.REPEATED.value, each.severity)]
        if not wanted:
            return []
        gravest = max(wanted, key=lambda each: Severity(each.severity).rank)
        message_id = new_id(f"{gravest.id}/{group.id}/{group.told_ms}", group.receiver)
        said = render(EventType.REPEATED, message_id, gravest, gravest.fired_ms or gravest.opened_ms, self.now_ms)
        row = {"id": message_id, "alert": gravest.id, "revision": gravest.revision, "type": EventType.REPEATED.value}
        row |= {"receiver": group.receiver, "route": group.route, "grouping": group.id, "body": said, "attempts": 0}
        row |= {"state": RowState.WAITING.value, "created_ms": self.now_ms, "due_ms": self.now_ms}
        connection.execute(insert(outbox).values(**row, critical=gravest.severity == Severity.CRITICAL))
        return list(connection.execute(select(outbox).where(outbox.c.id == message_id)).all())

    def _bundle(self, connection: Connection, group: Group, rows: Sequence[Row[Any]]) -> Bundle:
        firing = _unnoted(connection, group, self.now_ms)
        waited = {row.alert for row in rows if row.type != EventType.REPEATED}
        going_on = {each.id: _entry(each) for each in firing if each.id not in waited}
        made = body(bundle_id("grp", rows), group, rows, going_on, self.now_ms)
        text = orjson.dumps(made).decode()
        counts = made["counts"]
        count = sum(counts.values()) - counts["resolved"]
        attempts = take(connection, rows, self.until_ms)
        kept = tuple((row.id, row.created_ms) for row in rows)
        return Bundle(made["id"], EventType.GROUP, text, kept, attempts, self.until_ms, group.id, count)


def is_due(connection: Connection, receiver: str, now_ms: int) -> bool:
    """Whether a group is to be looked at."""
    return connection.execute(_ready(receiver, now_ms).limit(1)).first() is not None


def finish(connection: Connection, bundle: Bundle, configs: Mapping[str, GroupConfig], fate: Fate, now_ms: int) -> None:
    """Says when a group is looked at next, after what became of its message was written.

    Args:
        connection: In a transaction that may write.
        bundle: The message.
        configs: Of the routes that group, by name.
        fate: Of its rows.
        now_ms: UTC.
    """
    mine = (notice_group.c.id == bundle.group, notice_group.c.lease_ms == bundle.lease_ms)
    row = connection.execute(select(notice_group).where(*mine).with_for_update()).first()
    if row is None:  # the lease had ended, and another has it
        return
    group = Group.from_row(row)
    if fate.state is RowState.WAITING:
        connection.execute(update(notice_group).where(*mine).values(lease_ms=0, next_ms=fate.due_ms))
        return
    if fate.state is RowState.DELIVERED:
        group = replace(group, told_ms=now_ms, firing=bundle.firing)
    look(connection, group, configs.get(group.route), now_ms)


def look(connection: Connection, group: Group, config: GroupConfig | None, now_ms: int) -> None:
    """Ends the lease, and writes when the group is looked at next; forgets it where it is over."""
    mine = notice_group.c.id == group.id
    waits, critical = _news(connection, group)
    is_open = is_any_open(connection, group)
    at_ms = next_look(config, group, Standing(waits, critical, is_open), now_ms)
    if at_ms is None:
        connection.execute(delete(notice_group).where(mine))
        return
    if waits and at_ms <= now_ms and not _is_ready(connection, group):
        at_ms = now_ms + _BLOCKED_MS
    values = {"lease_ms": 0, "next_ms": at_ms, "told_ms": group.told_ms, "firing": group.firing}
    connection.execute(update(notice_group).where(mine).values(**values))


def forget(connection: Connection, receivers: Sequence[str]) -> int:
    """Forgets groups of receivers that there are no longer, once nothing waits in them; returns how many."""
    waits = exists().where(*_of(notice_group.c.receiver, notice_group.c.id))
    gone = delete(notice_group).where(notice_group.c.receiver.not_in(receivers), ~waits)
    return connection.execute(gone).rowcount


def _ready(receiver: str, now_ms: int) -> Any:
    due = (notice_group.c.receiver == receiver, notice_group.c.next_ms <= now_ms, notice_group.c.lease_ms <= now_ms)
    return select(notice_group).where(*due).order_by(notice_group.c.next_ms, notice_group.c.id)


def _of(receiver: Any, group_id: Any) -> tuple[Any, ...]:
    """The condition of what waits in a group and is not held for a digest."""
    return (*waiting(receiver), outbox.c.grouping == group_id, outbox.c.held_ms.is_(None))


def _waiting(group: Group) -> Any:
    """What waits in a group, critical alerts first; not what waits behind a row that is not in the group."""
    earlier = outbox.alias("earlier")
    blocked = exists().where(
        earlier.c.alert == outbox.c.alert,
        earlier.c.receiver == outbox.c.receiver,
        earlier.c.state == RowState.WAITING.value,
        earlier.c.revision < outbox.c.revision,
        or_(earlier.c.held_ms.is_not(None), earlier.c.grouping.is_(None), earlier.c.grouping != group.id),
    )
    critical = func.max(cast(outbox.c.critical, Integer)).over(partition_by=outbox.c.alert)
    query = select(outbox).where(*_of(group.receiver, group.id), ~blocked)
    return query.order_by(critical.desc(), outbox.c.created_ms, outbox.c.revision, outbox.c.id)


def _is_ready(connection: Connection, group: Group) -> bool:
    return connection.execute(_waiting(group).limit(1)).first() is not None


def _is_any_waiting(connection: Connection, group: Group) -> bool:
    query = select(outbox.c.id).where(*_of(group.receiver, group.id))
    return connection.execute(query.limit(1)).first() is not None


def _news(connection: Connection, group: Group) -> tuple[bool, bool]:
    """Whether news waits, and whether some of it is critical and not the end of something."""
    query = select(outbox.c.id).where(*_of(group.receiver, group.id))
    if connection.execute(query.limit(1)).first() is None:
        return False, False
    urgent = query.where(outbox.c.critical, outbox.c.type != EventType.RESOLVED.value)
    return True, connection.execute(urgent.limit(1)).first() is not None


def _unnoted(connection: Connection, group: Group, now_ms: int) -> list[Incident]:
    """Alerts of the group that fire, were told, are told now, and of which nobody took note; at most `MOST_ROWS`."""
    joined = alert.outerjoin(handling, handling.c.id == alert.c.id)
    query = select(alert).select_from(joined).where(*open_of(group, RowState.DELIVERED))
    query = query.where(alert.c.acknowledged_ms.is_(None), alert.c.fired_ms.is_not(None), handling.c.muted.is_(None))
    rows = connection.execute(query.order_by(alert.c.fired_ms, alert.c.id).limit(MOST_ROWS)).all()
    gate = Gate.read(connection, [row.id for row in rows], now_ms)
    return [Incident.from_row(row._mapping) for row in rows if gate.why(row.id) is None]


def _entry(incident: Incident) -> dict[str, Any]:
    at_ms = incident.fired_ms or incident.opened_ms
    return content(EventType.FIRING, "", incident, at_ms, at_ms)


def _severity(row: Row[Any]) -> str:
    return str(orjson.loads(row.body)["incident"]["severity"])
