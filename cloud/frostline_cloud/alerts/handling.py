"""What people do with an alert: take note, assign, comment, shelve. None of it changes what the rule says.

Every act is a row of the alert's timeline with who and when; rows are only ever added. Acts raise the revision, so that
news that follows is newer than what was told before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from frostline_cloud.sql.tables import alert, alert_event, handling
from frostline_core.errors import ConfigError
from frostline_core.rules import Phase

LONGEST_SHELF_MS: Final = 24 * 3600 * 1000
"""How long an alert may be shelved at once (ISA-18.2 asks for a limit; ours is a day)."""

MOST_TEXT: Final = 2000
"""Length of a comment or reason."""

_CHUNK: Final = 500


class Act(StrEnum):
    """What somebody did, as the timeline has it."""

    ACKNOWLEDGE = "acknowledge"
    ASSIGN = "assign"
    COMMENT = "comment"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Doing:
    """Who does something, and when.

    Attributes:
        who: The name of a token or a link.
        now_ms: UTC.
    """

    who: str
    now_ms: int


@dataclass(frozen=True, slots=True)
class Handling:
    """A row of the table `handling`; every field but `id` is None until there is something to say."""

    id: str
    assignee: str | None = None
    shelved_until_ms: int | None = None
    shelved_severity: str | None = None
    shelved_by: str | None = None
    shelve_reason: str | None = None
    muted: str | None = None
    muted_by: str | None = None
    muted_ms: int | None = None
    closed_ms: int | None = None
    closed_by: str | None = None
    cause: str | None = None
    disposition: str | None = None


def acknowledge(connection: Connection, alert_id: str, who: str, now_ms: int) -> bool:
    """Notes that somebody has taken note: escalation stops, the alert does not. A second time changes nothing.

    Returns:
        Whether there is such an alert.
    """
    row = _locked(connection, alert_id)
    if row is None:
        return False
    if row.acknowledged_ms is None:
        note(connection, row, (Act.ACKNOWLEDGE, f"acknowledged by {who}"), Doing(who, now_ms))
        values = {"acknowledged_ms": now_ms, "acknowledged_by": who}
        connection.execute(update(alert).where(alert.c.id == alert_id).values(**values))
    return True


def assign(connection: Connection, alert_id: str, to: str, doing: Doing) -> bool:
    """Says who looks after an alert; "" for nobody. Returns whether there is such an alert."""
    row = _locked(connection, alert_id)
    if row is None:
        return False
    said = f"assigned to {to} by {doing.who}" if to else f"assigned to nobody by {doing.who}"
    note(connection, row, (Act.ASSIGN, said), doing)
    keep(connection, alert_id, assignee=to or None)
    return True


def comment(connection: Connection, alert_id: str, text: str, doing: Doing) -> bool:
    """Writes a remark onto the timeline; returns whether there is such an alert.

    Raises:
        ConfigError: It is empty or longer than `MOST_TEXT`.
    """
    said = _text(text, "a comment")
    row = _locked(connection, alert_id)
    if row is None:
        return False
    note(connection, row, (Act.COMMENT, said), doing)
    return True


def shelve(connection: Connection, alert_id: str, until_ms: int, reason: str, doing: Doing) -> bool:
    """Tells nobody of an open alert until then. A higher severity is told, and ends it.

    Returns:
        Whether there is such an alert.

    Raises:
        ConfigError: Without a reason, for longer than `LONGEST_SHELF_MS`, or the alert is not open.
    """
    said = _text(reason, "a reason")
    if not doing.now_ms < until_ms <= doing.now_ms + LONGEST_SHELF_MS:
        raise ConfigError("an alert is shelved until a time to come, at most 24 h away")
    row = _locked(connection, alert_id)
    if row is None:
        return False
    if row.state not in (Phase.FIRING.value, Phase.CLEARING.value):
        raise ConfigError(f"the alert is {row.state}: only one that is firing or clearing can be shelved")
    note(connection, row, (Act.SHELVE, f"shelved by {doing.who}: {said}"), doing)
    keep(
        connection,
        alert_id,
        shelved_until_ms=until_ms,
        shelved_severity=row.severity,
        shelved_by=doing.who,
        shelve_reason=said,
        muted="shelved",
        muted_by=f"{doing.who}: {said}",
        muted_ms=doing.now_ms,
    )
    return True


def unshelve(connection: Connection, alert_id: str, doing: Doing) -> bool:
    """Takes an alert from the shelf; it is told again if it still fires. Returns whether there is such an alert.

    Raises:
        ConfigError: It is not shelved.
    """
    row = _locked(connection, alert_id)
    if row is None:
        return False
    known = handlings(connection, [alert_id])[alert_id]
    if known.shelved_until_ms is None:
        raise ConfigError("the alert is not shelved")
    note(connection, row, (Act.UNSHELVE, f"taken from the shelf by {doing.who}"), doing)
    end_shelf(connection, alert_id)
    return True


def end_shelf(connection: Connection, alert_id: str) -> None:
    """Forgets the shelf; `muted` stays until the alert has been told again."""
    keep(
        connection, alert_id, shelved_until_ms=None, shelved_severity=None, shelved_by=None, shelve_reason=None
    )  # fmt: skip


def handlings(connection: Connection, alert_ids: Iterable[str]) -> dict[str, Handling]:
    """What people made of each of these alerts; an empty one where they did nothing."""
    wanted = list(dict.fromkeys(alert_ids))
    found = {each: Handling(each) for each in wanted}
    names = [field.name for field in fields(Handling)]
    for start in range(0, len(wanted), _CHUNK):
        query = select(handling).where(handling.c.id.in_(wanted[start : start + _CHUNK]))
        for row in connection.execute(query):
            found[row.id] = Handling(*(getattr(row, name) for name in names))
    return found


def keep(connection: Connection, alert_id: str, **values: Any) -> None:
    """Writes columns of an alert's handling; in a transaction that holds the alert's row."""
    changed = connection.execute(update(handling).where(handling.c.id == alert_id).values(**values))
    if changed.rowcount == 0:
        connection.execute(insert(handling).values(id=alert_id, **values))


def note(connection: Connection, row: Row[Any], said: tuple[str, str], doing: Doing) -> int:
    """Writes an act and its words onto the timeline, and raises the revision; returns the new one.

    Args:
        connection: In a transaction that may write.
        row: The alert, locked.
        said: What was done ("" where we did it ourselves), and in words.
        doing: Who, and when.
    """
    act, words = said
    revision: int = row.revision + 1
    entry = {"before": row.state, "after": row.state, "at_ms": doing.now_ms, "noted_ms": doing.now_ms, "value": None}
    entry |= {"alert": row.id, "revision": revision, "note": words, "act": str(act), "who": doing.who}
    connection.execute(insert(alert_event).values(**entry))
    connection.execute(update(alert).where(alert.c.id == row.id).values(revision=revision))
    return revision


def note_all(connection: Connection, said: Mapping[str, str], now_ms: int) -> None:
    """The same for what the cloud itself did with many alerts: words by alert, a few statements for all."""
    rows = locked(connection, list(said)) if said else []
    if not rows:
        return
    entries = [
        {
            "alert": row.id, "revision": row.revision + 1, "before": row.state, "after": row.state, "at_ms": now_ms,
            "noted_ms": now_ms, "value": None, "note": said[row.id], "act": "", "who": "",
        }
        for row in rows
    ]  # fmt: skip
    connection.execute(insert(alert_event), entries)
    connection.execute(
        update(alert).where(alert.c.id == bindparam("b_id")).values(revision=alert.c.revision + 1),
        [{"b_id": row.id} for row in rows],
    )


def keep_all(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes the same columns of many alerts' handling; `id` is one of them."""
    if not rows:
        return
    ids = [row["id"] for row in rows]
    known = set(connection.scalars(select(handling.c.id).where(handling.c.id.in_(ids))))
    new = [dict(row) for row in rows if row["id"] not in known]
    if new:
        connection.execute(insert(handling), new)
    old = [{f"b_{name}": value for name, value in row.items()} for row in rows if row["id"] in known]
    if old:
        values: dict[str, Any] = {name: bindparam(f"b_{name}") for name in rows[0] if name != "id"}
        connection.execute(update(handling).where(handling.c.id == bindparam("b_id")).values(**values), old)


def locked(connection: Connection, alert_ids: Sequence[str]) -> list[Row[Any]]:
    """The rows of alerts, which nobody else changes until the transaction ends."""
    query = select(alert).where(alert.c.id.in_(alert_ids)).order_by(alert.c.id).with_for_update()
    return list(connection.execute(query).all())


def _locked(connection: Connection, alert_id: str) -> Row[Any] | None:
    return next(iter(locked(connection, [alert_id])), None)


def _text(text: str, what: str) -> str:
    said = text.strip()
    if not said or len(said) > MOST_TEXT:
        raise ConfigError(f"{what} has 1 to {MOST_TEXT} characters")
    return said
