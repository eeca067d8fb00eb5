"""What dispatch does with groups: news joins one, and says when it is looked at next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, exists, insert, select, update

from frostline_cloud.notify.grouping.config import GroupConfig
from frostline_cloud.notify.grouping.group import Group, Standing, next_look
from frostline_cloud.notify.outbox import RowState, parts
from frostline_cloud.sql.tables import alert, notice_group, outbox
from frostline_core.rules import OPEN


@dataclass(slots=True)
class Joining:
    """The groups that news of one transaction joins.

    Attributes:
        groups: By id, as they would be if they were new.
        configs: Of their routes, by id; None where the route groups no longer.
        critical: Ids of those that something critical joins.
    """

    groups: dict[str, Group] = field(default_factory=dict)
    configs: dict[str, GroupConfig | None] = field(default_factory=dict)
    critical: set[str] = field(default_factory=set)

    def add(self, group: Group, config: GroupConfig | None, *, critical: bool) -> None:
        """One piece of news joins a group."""
        self.groups[group.id] = group
        self.configs[group.id] = config
        if critical:
            self.critical.add(group.id)

    def write(self, connection: Connection, now_ms: int) -> None:
        """Opens those that are new, and brings the others forward; after their rows are in the outbox."""
        if not self.groups:
            return
        known = read(connection, self.groups)
        new, sooner = [], []
        for group_id, fresh in self.groups.items():
            group = known.get(group_id, fresh)
            is_open = bool(group.firing) and is_any_open(connection, group)
            standing = Standing(True, group_id in self.critical, is_open)
            at_ms = next_look(self.configs[group_id], group, standing, now_ms)
            if at_ms is None:
                continue
            if group_id not in known:
                row = {name: getattr(group, name) for name in Group.__dataclass_fields__}
                new.append(row | {"labels": dict(group.labels), "next_ms": at_ms})
            elif at_ms < group.next_ms:
                sooner.append({"b_id": group_id, "b_ms": at_ms})
        if new:
            connection.execute(insert(notice_group), new)
        if sooner:
            mine = (notice_group.c.id == bindparam("b_id"), notice_group.c.next_ms > bindparam("b_ms"))
            connection.execute(update(notice_group).where(*mine).values(next_ms=bindparam("b_ms")), sooner)


def read(connection: Connection, ids: Iterable[str]) -> dict[str, Group]:
    """The groups that there are, by id; nobody else changes them until the transaction ends."""
    found: dict[str, Group] = {}
    for some in parts(sorted(ids)):
        query = select(notice_group).where(notice_group.c.id.in_(some)).order_by(notice_group.c.id).with_for_update()
        found |= {row.id: Group.from_row(row) for row in connection.execute(query)}
    return found


def is_any_open(connection: Connection, group: Group) -> bool:
    """Whether one of its alerts is not over."""
    query = select(alert.c.id).where(*open_of(group, RowState.WAITING, RowState.DELIVERED)).limit(1)
    return connection.execute(query).first() is not None


def open_of(group: Group, *states: RowState) -> tuple[Any, ...]:
    """The condition of alerts of a group that are not over; asked from their side, of which there are few.

    Args:
        group: The group.
        states: Of what it says of them.
    """
    told = exists().where(
        outbox.c.alert == alert.c.id,
        outbox.c.receiver == group.receiver,
        outbox.c.grouping == group.id,
        outbox.c.state.in_([state.value for state in states]),
    )
    return (alert.c.state.in_([phase.value for phase in OPEN]), told)
