"""Why an open alert is not told, and telling it when that is over.

News of an alert that is shelved, silenced or inhibited (it follows from another that is open) is not addressed to
anybody; the alert says so and goes on being recorded. When the reason ends while the alert still fires, it is told
again. That an alert is over always goes to whoever was told of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select

from frostline_cloud.alerts.event import EventType
from frostline_cloud.alerts.handling import (
    Doing,
    Handling,
    end_shelf,
    handlings,
    keep,
    keep_all,
    locked,
    note,
    note_all,
)
from frostline_cloud.alerts.incident import Incident
from frostline_cloud.alerts.message import news
from frostline_cloud.alerts.silences import Silence, Subject, in_force
from frostline_cloud.alerts.topology import Causes
from frostline_cloud.sql.tables import alert, handling, outbox
from frostline_core.rules import Phase, Severity

_PAGE: Final = 500


class Mute(StrEnum):
    """Why an alert is not told."""

    SHELVED = "shelved"
    SILENCED = "silenced"
    INHIBITED = "inhibited"


@dataclass(frozen=True, slots=True)
class Muted:
    """That an alert is not told.

    Attributes:
        why: The kind of reason.
        by: Which shelf, silence or cause, for people.
    """

    why: Mute
    by: str


@dataclass(frozen=True, slots=True)
class Gate:
    """What decides whether alerts are told now, read at once for many.

    Attributes:
        subjects: By alert.
        handled: By alert.
        silences: In force.
        causes: What alerts may follow from.
        now_ms: UTC.
    """

    subjects: Mapping[str, Subject]
    handled: Mapping[str, Handling]
    silences: Sequence[Silence]
    causes: Causes
    now_ms: int

    @classmethod
    def read(cls, connection: Connection, alert_ids: Iterable[str], now_ms: int) -> Gate:
        """The gate for these alerts."""
        wanted = sorted(set(alert_ids))
        subjects: dict[str, Subject] = {}
        for start in range(0, len(wanted), _PAGE):
            query = select(alert).where(alert.c.id.in_(wanted[start : start + _PAGE]))
            subjects |= {row.id: Subject.of(row) for row in connection.execute(query)}
        causes = Causes.read(connection, subjects.values(), now_ms)
        return cls(subjects, handlings(connection, wanted), in_force(connection, now_ms), causes, now_ms)

    def why(self, alert_id: str) -> Muted | None:
        """Why an alert is not told now; None when it is."""
        subject, handled = self.subjects[alert_id], self.handled[alert_id]
        if _is_shelved(handled, subject.severity, self.now_ms):
            return Muted(Mute.SHELVED, f"{handled.shelved_by}: {handled.shelve_reason}")
        for each in self.silences:
            if each.matches(subject):
                return Muted(Mute.SILENCED, f"silence {each.id} of {each.author}: {each.reason}")
        cause = self.causes.of(subject, followed=handled.muted == Mute.INHIBITED)
        return Muted(Mute.INHIBITED, cause) if cause else None

    def pass_news(self, connection: Connection, alert_ids: Sequence[str]) -> set[str]:
        """Which of these alerts may be told now; the others' handling says why not, and their timeline where it is new.

        A few statements however many they are: in a storm ingest waits for the lock that this transaction holds.
        """
        wanted = list(dict.fromkeys(alert_ids))
        found = {each: self.why(each) for each in wanted}
        for each in wanted:
            if found[each] is None and self.handled[each].muted is not None:
                _told_again(connection, self.handled[each])
        muted = {each: why for each, why in found.items() if why is not None}
        self._mute(connection, {each: why for each, why in muted.items() if self._is_new(each, why)})
        return set(wanted) - set(muted)

    def _is_new(self, alert_id: str, found: Muted) -> bool:
        handled = self.handled[alert_id]
        return (handled.muted, handled.muted_by) != (found.why.value, found.by)

    def _mute(self, connection: Connection, muted: Mapping[str, Muted]) -> None:
        said = {each: f"not told: {why.why.value}, {why.by}" for each, why in muted.items()}
        note_all(connection, said, self.now_ms)
        rows = [
            {
                "id": each,
                "muted": why.why.value,
                "muted_by": why.by,
                "muted_ms": self.now_ms if self.handled[each].muted is None else self.handled[each].muted_ms,
            }
            for each, why in muted.items()
        ]
        keep_all(connection, rows)


def releasable(connection: Connection, now_ms: int) -> list[str]:
    """Alerts that were not told, still fire, and are told now; only reads."""
    found: list[str] = []
    for page in _pages(connection):
        gate = Gate.read(connection, page, now_ms)
        found += [each for each in page if gate.why(each) is None]
    return found


def release(connection: Connection, alert_ids: Sequence[str], receiver: str, now_ms: int) -> int:
    """Writes news of alerts whose reason not to be told is over; returns of how many.

    Args:
        connection: In a transaction that may write.
        alert_ids: From `releasable`; looked at once more.
        receiver: To whom the news is written.
        now_ms: UTC.
    """
    rows = {row.id: row for row in locked(connection, alert_ids[:_PAGE])}
    gate = Gate.read(connection, rows, now_ms)
    done = 0
    for alert_id, row in rows.items():
        handled = gate.handled[alert_id]
        if handled.muted is None or row.state != Phase.FIRING.value or gate.why(alert_id) is not None:
            continue
        revision = note(connection, row, ("", f"told: no longer {handled.muted}"), Doing("", now_ms))
        incident = replace(Incident.from_row(row._mapping), revision=revision)
        kind = EventType.UPDATED if _has_been_told(connection, alert_id, receiver) else EventType.FIRING
        connection.execute(insert(outbox).values(**news(kind, receiver, incident, now_ms, now_ms)))
        _told_again(connection, handled)
        done += 1
    return done


def _pages(connection: Connection) -> Iterator[list[str]]:
    after = ""
    joined = alert.join(handling, handling.c.id == alert.c.id)
    while True:
        query = select(alert.c.id).select_from(joined).where(alert.c.id > after, alert.c.state == Phase.FIRING.value)
        page = list(connection.scalars(query.where(handling.c.muted.is_not(None)).order_by(alert.c.id).limit(_PAGE)))
        if not page:
            return
        yield page
        after = page[-1]


def _told_again(connection: Connection, handled: Handling) -> None:
    keep(connection, handled.id, muted=None, muted_by=None, muted_ms=None)
    if handled.shelved_until_ms is not None:
        end_shelf(connection, handled.id)


def _is_shelved(handled: Handling, severity: str, now_ms: int) -> bool:
    if handled.shelved_until_ms is None or handled.shelved_until_ms <= now_ms or handled.shelved_severity is None:
        return False
    return Severity(severity).rank <= Severity(handled.shelved_severity).rank


def _has_been_told(connection: Connection, alert_id: str, receiver: str) -> bool:
    query = select(outbox.c.id).where(outbox.c.alert == alert_id, outbox.c.receiver != receiver)
    found: Row[Any] | None = connection.execute(query.limit(1)).first()
    return found is not None
