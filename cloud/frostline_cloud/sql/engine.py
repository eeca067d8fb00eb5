"""Opening the SQL database, and bringing its tables to the newest version."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pydantic import Field, field_validator
from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool

from frostline_cloud.sql.turns import Turns
from frostline_core.config import ConfigModel, secret
from frostline_core.endpoint import is_loopback
from frostline_core.errors import ConfigError, UnavailableError

BUSY_MS: Final = 4_000
"""How long a connection waits for another's write before it says "locked"."""

_READ: Final = "frostline_read"
_IN_FRONT: Final = "frostline_in_front"
_TURN: Final = "frostline_turn"
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_MIGRATION_LOCK: Final = 0x46524F53  # "FROS": key of PostgreSQL's advisory lock
_POOL = {"pool_size": 8, "max_overflow": 32, "pool_timeout": 10}  # 40: one for each thread of the web server's pool


_PORT = re.compile(r"^([^:]*|\[.*\]):\d*$")
_SSL_MODES = ("verify-full", "verify-ca", "require", "disable")


class SqlConfig(ConfigModel):
    """The `[sql]` table of cloud.toml."""

    url: str = Field(
        default="sqlite:///var/frostline.db",
        description="SQLAlchemy URL: `sqlite:///path`, `postgresql://host/database`, or a whole URL with a password "
        "as a reference: `${env:NAME}` or `${file:/path}`. On another machine with `?sslmode=`, best `verify-full`.",
    )

    @field_validator("url")
    @classmethod
    def _no_password(cls, value: str) -> str:
        if not value.startswith("${") and _parsed(value).password is not None:
            raise ValueError("a URL with a password must be a reference: ${env:NAME} or ${file:/path}")
        return value


def open_engine(url: str) -> Engine:
    """An engine whose transactions are durable when they commit.

    SQLite runs in WAL with `synchronous=FULL`; its folder is made; a transaction takes the write lock when it begins
    (BEGIN IMMEDIATE), so that it never fails half-way because another wrote in between. Use `read_only` for an engine
    that takes no lock, and `in_front` for one whose transactions go before others of this process. At most 40
    connections; the next one waits 10 s, then fails.

    Args:
        url: As in `SqlConfig.url`.

    Raises:
        ConfigError: The URL is not understood, leads over a network without a word about TLS, its driver is not
            installed, or SQLite's file cannot be made.
    """
    parsed = _parsed(secret(url, "sql.url") if url.startswith("${") else url)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _open_sqlite(parsed)
    if backend == "postgresql":
        return _open_postgresql(parsed)
    raise ConfigError(f"sql.url: {backend} is not supported; use sqlite:///path or postgresql://host/database")


def read_only(engine: Engine) -> Engine:
    """The same database and pool, for transactions that only read: they neither take nor wait for the write lock."""
    return engine.execution_options(**{_READ: True}, postgresql_readonly=True)


def in_front(engine: Engine) -> Engine:
    """The same database and pool, for transactions that go before all others of this process that wait to write."""
    return engine.execution_options(**{_IN_FRONT: True})


@contextmanager
def translated(what: str = "SQL") -> Iterator[None]:
    """Turns the database's own errors into UnavailableError where that is what they mean.

    Raises:
        UnavailableError: The database is locked, full, damaged, gone or out of connections.
    """
    try:
        yield
    except (OperationalError, PoolTimeoutError) as error:
        raise UnavailableError(f"{what}: {_first_line(error)}") from error
    except DBAPIError as error:
        if _is_damage(error):  # says nothing of the data that met it
            raise UnavailableError(
                f"{what}: the database is damaged: {_first_line(error)}; restore a backup"
            ) from error
        if not error.connection_invalidated:
            raise
        raise UnavailableError(f"{what}: {_first_line(error)}") from error


def _is_damage(error: DBAPIError) -> bool:
    """Whether the database cannot be read: SQLite's primary result code, or PostgreSQL's class XX (internal error)."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    return (getattr(error.orig, "sqlstate", None) or "").startswith("XX")


def migrate(engine: Engine) -> None:
    """Brings the tables to the newest version, in one transaction; a second process waits for the first.

    Raises:
        ConfigError: The database was made by a newer Frostline.
        UnavailableError: The database does not answer, or stays locked.
    """
    with translated("sql migration"), engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        if _version(connection) != newest_version():
            _upgrade(connection)


def newest_version() -> str:
    """The version of the tables that this Frostline works with: the number in its last migration's file name."""
    return max(path.name for path in _MIGRATIONS.glob("versions/m[0-9]*.py"))[1:5]


def _version(connection: Connection) -> str | None:
    """Of the tables there; None where there are none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection) -> None:
    from alembic import command  # a fifth of a second, for what nearly every start finds done
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise ConfigError(
            f"the SQL database cannot be brought to this version: {error}; "
            "a newer Frostline has used it: install that version, or restore the backup from before"
        ) from error


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError as error:
        raise ConfigError("sql.url: not a database URL; use sqlite:///path or postgresql://host/database") from error


def _open_sqlite(url: URL) -> Engine:
    if url.database in (None, "", ":memory:"):
        engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    else:
        _make_file(Path(str(url.database)))
        engine = create_engine(url, **_POOL)
    event.listen(engine, "connect", _prepare_sqlite)
    _take_turns(engine)
    return engine


def _make_file(path: Path) -> None:
    """Readable by nobody else: it holds the key that signs sessions. SQLite gives its other files the same mode."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"sql.url: {path} cannot be made: {error.strerror}") from error


def _open_postgresql(url: URL) -> Engine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    _check_tls(url)
    try:
        return create_engine(url, **_POOL, pool_pre_ping=True, connect_args={"connect_timeout": 10})
    except ImportError as error:
        raise ConfigError(
            f"sql.url: the driver '{error.name}' is not installed; install it with: pip install 'frostline[postgres]'"
        ) from error


def _check_tls(url: URL) -> None:
    """The default of libpq, `prefer`, goes on in plain text where somebody on the way takes TLS out of the offer."""
    hosts = url.normalized_query.get("host") or (url.host or os.environ.get("PGHOST", ""),)  # as libpq chooses
    named = [_PORT.sub(r"\1", host) for host in hosts if host and not host.startswith(("/", "@"))]
    away = [host for host in named if not is_loopback(host)]
    if away and url.query.get("sslmode", os.environ.get("PGSSLMODE")) not in _SSL_MODES:
        raise ConfigError(
            f"sql.url: PostgreSQL on {away[0]}, another machine: say how it is reached, best by ?sslmode=verify-full "
            f"(with sslrootcert=FILE for a CA of your own); known: {', '.join(_SSL_MODES)} (plain text)"
        )


def _prepare_sqlite(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    _switch_to_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA journal_size_limit = 67108864")


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """The switch needs the file alone and does not wait by itself, so two processes that start at once try again."""
    until = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)


def _take_turns(engine: Engine) -> None:
    """A transaction that writes waits for its turn, and has it until its connection goes back to the pool."""
    turns = Turns()

    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get(_READ, False):
            connection.exec_driver_sql("BEGIN")
            return
        if connection.info.get(_TURN) is None:
            connection.info[_TURN] = turn = object()
            turns.take(turn, in_front=options.get(_IN_FRONT, False))
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def back(_connection: object, entry: ConnectionPoolEntry) -> None:
        turn = entry.info.pop(_TURN, None)
        if turn is not None:
            turns.give(turn)

    event.listen(engine, "begin", begin)
    event.listen(engine.pool, "checkin", back)


def _first_line(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return str(cause).partition("\n")[0]
