"""API tokens: random, shown once, kept only as their SHA-256; revocable, and optionally expiring.

A token has 256 random bits, so a fast hash is enough: there is nothing to guess (unlike a password).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update

from frostline_cloud.sql.tables import token
from frostline_core.errors import ConfigError

PREFIX: Final = "frost_"
"""Start of every token, so that scanners for leaked secrets can find one."""

_DAY_MS = 24 * 3600 * 1000
_NAME_LENGTH = 200


class Role(StrEnum):
    """What a caller may do; each role may do what those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def may(self, needed: Role) -> bool:
        """Whether this role is at least `needed`."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """What is known of a token; never the token itself."""

    id: int
    name: str
    role: Role
    created_ms: int
    expires_ms: int | None
    revoked_ms: int | None

    def valid(self, now_ms: int) -> bool:
        """Whether it still opens anything."""
        return self.revoked_ms is None and (self.expires_ms is None or now_ms < self.expires_ms)


def create_token(
    connection: Connection,
    name: str,
    role: Role,
    now_ms: int,
    days: float | None = None,
) -> str:
    """Makes a token and returns it; it cannot be shown again.

    Args:
        connection: Inside a transaction.
        name: Whose it is; stands in acknowledgements. Unique among tokens that are not revoked.
        role: What it may do.
        now_ms: UTC milliseconds.
        days: How long it is valid; None is until it is revoked.

    Raises:
        ConfigError: The name is empty, too long, or taken.
    """
    if not name.strip() or len(name) > _NAME_LENGTH:
        raise ConfigError(f"a token needs a name of 1 to {_NAME_LENGTH} characters")
    if connection.scalar(select(token.c.id).where(token.c.name == name, token.c.revoked_ms.is_(None))) is not None:
        raise ConfigError(f"there is a token named '{name}'; revoke it first, or choose another name")
    made = PREFIX + secrets.token_urlsafe(32)
    expires_ms = None if days is None else now_ms + round(days * _DAY_MS)
    connection.execute(
        insert(token).values(name=name, hash=_digest(made), role=role.value, created_ms=now_ms, expires_ms=expires_ms)
    )
    return made


def revoke_token(connection: Connection, name: str, now_ms: int) -> None:
    """Ends a token, and every console session that was opened with it.

    Raises:
        ConfigError: There is no such token, or it is revoked already.
    """
    ended = connection.execute(
        update(token).where(token.c.name == name, token.c.revoked_ms.is_(None)).values(revoked_ms=now_ms)
    )
    if ended.rowcount == 0:
        raise ConfigError(f"there is no token named '{name}' that could be revoked")


def list_tokens(connection: Connection) -> list[TokenRecord]:
    """Every token, revoked ones too, by creation."""
    return [_record(row) for row in connection.execute(select(token).order_by(token.c.id))]


def find_token(connection: Connection, text: str, now_ms: int) -> TokenRecord | None:
    """The valid token with that text."""
    digest = _digest(text)
    row = connection.execute(select(token).where(token.c.hash == digest)).one_or_none()
    if row is None or not hmac.compare_digest(row.hash, digest):
        return None
    record = _record(row)
    return record if record.valid(now_ms) else None


def token_by_id(connection: Connection, number: int, now_ms: int) -> TokenRecord | None:
    """The valid token with that id."""
    row = connection.execute(select(token).where(token.c.id == number)).one_or_none()
    record = None if row is None else _record(row)
    return record if record is not None and record.valid(now_ms) else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _record(row: Row[Any]) -> TokenRecord:
    return TokenRecord(row.id, row.name, Role(row.role), row.created_ms, row.expires_ms, row.revoked_ms)
