"""Keys that sign what we hand out: made at the first use, kept in SQL, shared by all processes on that database."""

from __future__ import annotations

import secrets

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from frostline_cloud.sql.tables import setting


def signing_key(connection: Connection, name: str) -> bytes:
    """The key of that name, 256 bits; in a transaction that may write."""
    found = _stored(connection, name)
    if found is None:
        try:
            with connection.begin_nested():
                connection.execute(insert(setting).values(key=name, value=secrets.token_hex(32)))
        except IntegrityError:  # another process was first; its key counts
            pass
        found = _stored(connection, name)
    return bytes.fromhex(str(found))


def _stored(connection: Connection, name: str) -> str | None:
    return connection.scalar(select(setting.c.value).where(setting.c.key == name))
