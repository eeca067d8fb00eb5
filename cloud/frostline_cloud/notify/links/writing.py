"""Puts links into what is sent: the page of each alert, and one link to take note of all that a message names.

A message of one alert takes note of that alert. A message of many takes note of those that it lists and that need it:
which they are is kept in `bundle_link`, under an id made of the message and of them, so that neither an alert that
joins the group later nor one that an earlier attempt did not list is among them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import orjson
from sqlalchemy import Connection, insert, select

from frostline_cloud.alerts.event import EventType
from frostline_cloud.notify.grouping.body import PARTS
from frostline_cloud.notify.links.token import token_of
from frostline_cloud.sql.tables import bundle_link

PATH: Final = "/acknowledge"
"""Where the page behind a link is; the token follows."""

ALERTS: Final = "/alerts"
"""Where the console lists alerts."""

_TO_NOTE: Final = frozenset((EventType.FIRING, EventType.UPDATED, EventType.ESCALATED, EventType.REPEATED))


def alert_path(alert_id: str) -> str:
    """The page of one alert in the console, which asks who one is."""
    return f"{ALERTS}/{quote(alert_id, safe='')}"


def listed(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The notifications that a message of many lists."""
    return [entry for name in ("items", *PARTS) for entry in body.get(name, ())]


def to_note(body: Mapping[str, Any]) -> list[str]:
    """Ids of the alerts that a message names and that somebody should take note of."""
    entries = [body] if "incident" in body else listed(body)
    needed = [each["incident"] for each in entries if each["type"] in _TO_NOTE]
    return [each["id"] for each in needed if not each.get("acknowledged_by")]


def linked(body: Mapping[str, Any], base_url: str, token: str) -> dict[str, Any]:
    """A body with its links.

    Args:
        body: Of one notification, of a digest or of a group's message.
        base_url: Of the console, without a slash at its end.
        token: To take note; "" for none.
    """
    made = dict(body)
    if "incident" in made:
        made["alert_url"] = base_url + alert_path(made["incident"]["id"])
    else:
        for name in ("items", *PARTS):
            if name in made:
                made[name] = [linked(entry, base_url, "") for entry in made[name]]
        made["alerts_url"] = base_url + ALERTS
    if token:
        made["acknowledge_url"] = f"{base_url}{PATH}/{token}"
    return made


@dataclass(frozen=True, slots=True)
class Links:
    """Makes links.

    Attributes:
        key: That signs.
        base_url: Of the console, without a slash at its end.
        hours: How long a link to take note works.
    """

    key: bytes
    base_url: str
    hours: float = 24.0

    def into(self, text: str, message_id: str, created_ms: int) -> str:
        """A notification of one alert with its links.

        Args:
            text: Its body, JSON.
            message_id: Its id.
            created_ms: When it was written: its link ends so many hours after that, whenever it is sent.
        """
        body = orjson.loads(text)
        token = self._token(message_id, created_ms) if to_note(body) else ""
        return orjson.dumps(linked(body, self.base_url, token)).decode()

    def into_many(self, connection: Connection, text: str, receiver: str, now_ms: int) -> str:
        """The same for a message that tells of many; in a transaction that may write.

        Args:
            connection: Keeps which alerts the link takes note of.
            text: The message's body, JSON.
            receiver: Who gets it.
            now_ms: UTC.
        """
        body = orjson.loads(text)
        needed = sorted(set(to_note(body)))
        token = ""
        if needed:
            link_id = _link_id(body["id"], needed)
            known = select(bundle_link.c.made_ms).where(bundle_link.c.id == link_id)
            made_ms = connection.scalar(known)
            if made_ms is None:
                made_ms = now_ms
                values = {"receiver": receiver, "alerts": needed, "unlisted": _unlisted(body), "made_ms": made_ms}
                connection.execute(insert(bundle_link).values(id=link_id, **values))
            token = self._token(link_id, made_ms)
        return orjson.dumps(linked(body, self.base_url, token)).decode()

    def _token(self, link_id: str, from_ms: int) -> str:
        return token_of(self.key, link_id, from_ms // 1000 + round(self.hours * 3600))


def _link_id(message_id: str, alerts: Sequence[str]) -> str:
    return f"lnk_{hashlib.sha256(' '.join([message_id, *alerts]).encode()).hexdigest()[:32]}"


def _unlisted(body: Mapping[str, Any]) -> int:
    """How many alerts that are not over a message counts without listing them."""
    if "counts" not in body:
        return max(0, int(body["incidents"]) - len(body["items"]))
    return sum(body["counts"][name] - len(body[name]) for name in PARTS if name != "resolved")
