"""Acknowledge links: whoever holds one may take note of one alert, once, until it ends.

A link is `<notification>.<end>.<signature>`: the id of the notification that carries it, its end in seconds since 1970,
and HMAC-SHA256 over both. It is the same for every attempt to deliver that notification. Opening it changes nothing
(mail scanners open links); the page asks, and its button takes note. That it was used is kept in SQL.
"""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import IntegrityError

from frostline_cloud.alerts import acknowledge
from frostline_cloud.alerts.event import EventType
from frostline_cloud.sql.signing import signing_key
from frostline_cloud.sql.tables import alert, outbox, used_link

PATH: Final = "/acknowledge"
_CONTEXT = b"frostline acknowledge link 1\n"
_KEY = "acknowledge_key"
_TYPES = frozenset((EventType.FIRING.value, EventType.UPDATED.value, EventType.ESCALATED.value))


class LinkState(StrEnum):
    """What a link is good for."""

    VALID = "valid"
    DONE = "done"
    USED = "used"
    ENDED = "ended"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Links:
    """Makes links and reads them.

    Attributes:
        key: That signs.
        base_url: Of the console, without a slash at its end.
        hours: How long a link works.
    """

    key: bytes
    base_url: str
    hours: float = 24.0

    def added(self, body: str, message_id: str, created_ms: int) -> str:
        """A notification's body with its link, where it tells of something to take note of."""
        if not any(each in body for each in _TYPES):
            return body
        said = json.loads(body)
        if said.get("type") not in _TYPES or said["incident"].get("acknowledged_by"):
            return body
        ends_s = created_ms // 1000 + round(self.hours * 3600)
        said["acknowledge_url"] = f"{self.base_url}{PATH}/{self.token(message_id, ends_s)}"
        return json.dumps(said, ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    def token(self, message_id: str, ends_s: int) -> str:
        """The last part of a link."""
        return f"{message_id}.{ends_s}.{_signature(self.key, message_id, ends_s)}"


def read_token(key: bytes, token: str, now_ms: int) -> tuple[LinkState, str]:
    """Whether a link is ours and has not ended, and the notification it came with."""
    message_id, _, rest = token.partition(".")
    ends, _, signature = rest.partition(".")
    if not (ends.isascii() and ends.isdigit() and len(ends) <= 12 and message_id):
        return LinkState.WRONG, ""
    if not hmac.compare_digest(_signature(key, message_id, int(ends)).encode(), signature.encode()):
        return LinkState.WRONG, ""
    return (LinkState.VALID if now_ms < int(ends) * 1000 else LinkState.ENDED), message_id


@dataclass(frozen=True, slots=True)
class Look:
    """What a link leads to.

    Attributes:
        state: What it is good for.
        summary: Of the alert; "" where the link is wrong.
        who: Who took note, where somebody has.
        alert: The alert's id; "" where the link is wrong.
    """

    state: LinkState
    summary: str = ""
    who: str = ""
    alert: str = ""


def look(connection: Connection, key: bytes, token: str, now_ms: int) -> Look:
    """Looks where a link leads; changes nothing."""
    state, message_id = read_token(key, token, now_ms)
    found = connection.execute(
        select(alert.c.id, alert.c.summary, alert.c.acknowledged_by)
        .join(outbox, outbox.c.alert == alert.c.id)
        .where(outbox.c.id == message_id)
    ).first()
    if state is LinkState.WRONG or found is None:
        return Look(LinkState.WRONG)
    if connection.execute(select(used_link).where(used_link.c.id == message_id)).first() is not None:
        state = LinkState.USED
    elif state is LinkState.VALID and found.acknowledged_by:
        state = LinkState.DONE
    return Look(state, found.summary, found.acknowledged_by or "", found.id)


def use(connection: Connection, key: bytes, token: str, now_ms: int) -> Look:
    """Takes note of the alert, if the link is valid; in a transaction that may write."""
    seen = look(connection, key, token, now_ms)
    if seen.state is not LinkState.VALID:
        return seen
    _, message_id = read_token(key, token, now_ms)
    row = connection.execute(select(outbox.c.alert, outbox.c.receiver).where(outbox.c.id == message_id)).one()
    try:
        with connection.begin_nested():
            connection.execute(insert(used_link).values(id=message_id, used_ms=now_ms))
    except IntegrityError:  # two at once: the other was first
        return Look(LinkState.USED, seen.summary, alert=row.alert)
    who = f"link to {row.receiver}"
    acknowledge(connection, row.alert, who, now_ms)
    return Look(LinkState.VALID, seen.summary, who, row.alert)


def forget_links(connection: Connection, before_ms: int) -> int:
    """Forgets links that were used before a time; they have ended by then. Returns how many."""
    return connection.execute(delete(used_link).where(used_link.c.used_ms < before_ms)).rowcount


def link_key(connection: Connection) -> bytes:
    """The key that signs links."""
    return signing_key(connection, _KEY)


def _signature(key: bytes, message_id: str, ends_s: int) -> str:
    mac = hmac.digest(key, _CONTEXT + f"{message_id}.{ends_s}".encode(), "sha256")
    return base64.urlsafe_b64encode(mac).decode("ascii").rstrip("=")
