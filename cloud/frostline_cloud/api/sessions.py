"""Console sessions: a signed cookie that names a token and an end; revoking the token ends the session."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from sqlalchemy import Connection

from frostline_cloud.sql.signing import signing_key

COOKIE: Final = "frostline_session"
_KEY = "session_key"
_DIGITS = 18  # of a number in a cookie: what fits SQL's integers


def cookie_key(connection: Connection) -> bytes:
    """The key that signs cookies."""
    return signing_key(connection, _KEY)


def sign(key: bytes, token_id: int, ends_ms: int) -> str:
    """A cookie's value."""
    body = f"{token_id}.{ends_ms}"
    return f"{body}.{_signature(key, body)}"


def read(key: bytes, cookie: str, now_ms: int) -> int | None:
    """The token id of a cookie that we signed and that has not ended."""
    body, _, signature = cookie.rpartition(".")
    if not hmac.compare_digest(_signature(key, body).encode(), signature.encode()):
        return None
    number, _, ends = body.partition(".")
    if not (number.isdecimal() and ends.isdecimal() and len(number) <= _DIGITS and len(ends) <= _DIGITS):
        return None
    return int(number) if now_ms < int(ends) else None


def _signature(key: bytes, body: str) -> str:
    return hmac.new(key, body.encode(), hashlib.sha256).hexdigest()
