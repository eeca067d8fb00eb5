"""Tokens of acknowledge links; pure, but for the key that SQL keeps.

A token is `<id>.<end>.<signature>`: the id of the notification that carries it, or of the row of `bundle_link` where a
message tells of many; its end in seconds since 1970; and HMAC-SHA256 over both. It is the same for every attempt to
deliver that notification.
"""

from __future__ import annotations

import base64
import hmac
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection

from frostline_cloud.sql.signing import signing_key

_CONTEXT: Final = b"frostline acknowledge link 1\n"
_KEY: Final = "acknowledge_key"


class LinkState(StrEnum):
    """What a link is good for.

    VALID: taking note. DONE: nothing, since somebody has taken note of everything. USED, ENDED: nothing any more.
    WRONG: it is none of ours.
    """

    VALID = "valid"
    DONE = "done"
    USED = "used"
    ENDED = "ended"
    WRONG = "wrong"


def token_of(key: bytes, link_id: str, ends_s: int) -> str:
    """The last part of a link."""
    return f"{link_id}.{ends_s}.{_signature(key, link_id, ends_s)}"


def read_token(key: bytes, token: str, now_ms: int) -> tuple[LinkState, str]:
    """Whether a token is ours and has not ended, and the id in it; "" where it is not ours."""
    link_id, _, rest = token.partition(".")
    ends, _, signature = rest.partition(".")
    if not (ends.isascii() and ends.isdigit() and len(ends) <= 12 and link_id):
        return LinkState.WRONG, ""
    if not hmac.compare_digest(_signature(key, link_id, int(ends)).encode(), signature.encode()):
        return LinkState.WRONG, ""
    return (LinkState.VALID if now_ms < int(ends) * 1000 else LinkState.ENDED), link_id


def link_key(connection: Connection) -> bytes:
    """The key that signs links."""
    return signing_key(connection, _KEY)


def _signature(key: bytes, link_id: str, ends_s: int) -> str:
    mac = hmac.digest(key, _CONTEXT + f"{link_id}.{ends_s}".encode(), "sha256")
    return base64.urlsafe_b64encode(mac).decode("ascii").rstrip("=")
