"""The spool's file: its tables, how it is opened, checked and set aside, and what its errors mean."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from frostline_core.errors import ConfigError, UnavailableError
from frostline_gateway.spool import disk

VERSION = 3
APPLICATION_ID = 0x46535450  # "FSTP": lets `file` and a person tell what it is
QUICK_CHECK_MAX_BYTES = 64 * 1024 * 1024
"""Up to this size every page is read at start, about 2 s from an SD card; above it only the ends of each run."""
PAGE_BYTES = 512
_OPENING_BYTES = 256 * 1024
"""With less free than that, a file that cannot be opened is taken for one that has no room."""
_BUSY_S = 5.0

_TABLES = """
CREATE TABLE spool (
    id BLOB NOT NULL, bd_seq INTEGER, change INTEGER NOT NULL DEFAULT 0, lot_bytes INTEGER NOT NULL DEFAULT 0,
    read_ms INTEGER NOT NULL DEFAULT 0, waiting_bytes INTEGER NOT NULL DEFAULT 0,
    waiting_samples INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE run (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, stream INTEGER NOT NULL, last INTEGER NOT NULL,
    data_rows INTEGER NOT NULL, samples INTEGER NOT NULL, bytes INTEGER NOT NULL, base INTEGER NOT NULL DEFAULT 1,
    minute INTEGER NOT NULL DEFAULT 0, ten INTEGER NOT NULL DEFAULT 0, again_ms INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE row (
    run INTEGER NOT NULL, n INTEGER NOT NULL, first INTEGER NOT NULL, device TEXT NOT NULL, payload BLOB NOT NULL,
    samples INTEGER NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, reason TEXT NOT NULL,
    at_ms INTEGER NOT NULL, raw INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (run, n)
) STRICT;
CREATE INDEX raw_row ON row (run, n) WHERE raw = 1;
CREATE TABLE ring (
    run INTEGER PRIMARY KEY, through INTEGER NOT NULL, data_rows INTEGER NOT NULL, bytes INTEGER NOT NULL
) STRICT;
CREATE TABLE waiting (
    id INTEGER PRIMARY KEY AUTOINCREMENT, boot TEXT NOT NULL, stream INTEGER NOT NULL, device TEXT NOT NULL,
    payload BLOB NOT NULL, samples INTEGER NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,
    raw INTEGER NOT NULL
) STRICT;
CREATE TABLE refetch (
    id INTEGER PRIMARY KEY, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, device TEXT, place INTEGER NOT NULL,
    last INTEGER NOT NULL DEFAULT 9223372036854775807, lot INTEGER NOT NULL DEFAULT 0,
    last_lot INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE lot (
    id INTEGER PRIMARY KEY, at_first_ms INTEGER NOT NULL, at_last_ms INTEGER NOT NULL, first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL, data_rows INTEGER NOT NULL, bytes INTEGER NOT NULL
) STRICT;
CREATE TABLE lot_rows (id INTEGER PRIMARY KEY, rows BLOB NOT NULL) STRICT;
CREATE TABLE device (id TEXT PRIMARY KEY, description TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT;
CREATE TABLE account (
    day TEXT PRIMARY KEY, read INTEGER NOT NULL, kept INTEGER NOT NULL, filtered INTEGER NOT NULL,
    rejected INTEGER NOT NULL, committed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE lost (
    day TEXT NOT NULL, reason TEXT NOT NULL, samples INTEGER NOT NULL, PRIMARY KEY (day, reason)
) STRICT, WITHOUT ROWID;
"""

_FROM_1 = """
ALTER TABLE run ADD COLUMN base INTEGER NOT NULL DEFAULT 1;
ALTER TABLE run ADD COLUMN minute INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN ten INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN again_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE row ADD COLUMN raw INTEGER NOT NULL DEFAULT 0;
CREATE INDEX raw_row ON row (run, n) WHERE raw = 1;
CREATE TABLE ring (
    run INTEGER PRIMARY KEY, through INTEGER NOT NULL, data_rows INTEGER NOT NULL, bytes INTEGER NOT NULL
) STRICT;
CREATE TABLE waiting (
    id INTEGER PRIMARY KEY AUTOINCREMENT, boot TEXT NOT NULL, stream INTEGER NOT NULL, device TEXT NOT NULL,
    payload BLOB NOT NULL, samples INTEGER NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,
    raw INTEGER NOT NULL
) STRICT;
CREATE TABLE refetch (
    id INTEGER PRIMARY KEY, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, device TEXT, place INTEGER NOT NULL
) STRICT;
UPDATE run SET base = coalesce((SELECT first FROM row WHERE row.run = seq ORDER BY n LIMIT 1), last + 1);
UPDATE run SET bytes = (SELECT total(length(payload) + 128) FROM row WHERE row.run = seq);
"""

_FROM_2 = """
ALTER TABLE spool ADD COLUMN change INTEGER NOT NULL DEFAULT 0;
ALTER TABLE spool ADD COLUMN lot_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE spool ADD COLUMN read_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE spool ADD COLUMN waiting_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE spool ADD COLUMN waiting_samples INTEGER NOT NULL DEFAULT 0;
UPDATE spool SET (waiting_bytes, waiting_samples) =
    (SELECT total(length(payload) + 128), total(samples) FROM waiting WHERE id > 0);
ALTER TABLE refetch ADD COLUMN last INTEGER NOT NULL DEFAULT 9223372036854775807;
ALTER TABLE refetch ADD COLUMN lot INTEGER NOT NULL DEFAULT 0;
ALTER TABLE refetch ADD COLUMN last_lot INTEGER NOT NULL DEFAULT 0;
CREATE TABLE lot (
    id INTEGER PRIMARY KEY, at_first_ms INTEGER NOT NULL, at_last_ms INTEGER NOT NULL, first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL, data_rows INTEGER NOT NULL, bytes INTEGER NOT NULL
) STRICT;
CREATE TABLE lot_rows (id INTEGER PRIMARY KEY, rows BLOB NOT NULL) STRICT;
"""

_REMEDIES = {
    sqlite3.SQLITE_FULL: disk.DISK_FULL,
    sqlite3.SQLITE_BUSY: "another process holds it; does a second gateway use this data_dir?",
    sqlite3.SQLITE_LOCKED: "another process holds it; does a second gateway use this data_dir?",
    sqlite3.SQLITE_IOERR: "the disk does not read or write; look at the kernel's log, and at the SD card",
    sqlite3.SQLITE_READONLY: "it is not writable; check its owner and that the file system is mounted read-write",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that its folder exists and belongs to this user",
    sqlite3.SQLITE_PERM: "it is not accessible; check its owner",
    sqlite3.SQLITE_NOMEM: "there is no memory left",
}


class Corrupt(Exception):  # noqa: N818  # a state of the file that `Spool` repairs, never an error that leaves it
    """The file is not, or no longer, a sound spool."""


def translated(path: Path, error: sqlite3.Error | ValueError) -> Exception:
    """What an SQLite error means to the caller: `Corrupt`, or UnavailableError with what a person can do."""
    if isinstance(error, ValueError):
        return Corrupt(str(error))
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return Corrupt(str(error))
    return UnavailableError(f"spool {path}: {_REMEDIES.get(code, 'unexpected')} ({error})")


def is_full(error: sqlite3.Error) -> bool:
    """Whether the disk has no room."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL


def connect(path: Path, new_id: bytes) -> sqlite3.Connection:
    """Opens the file for reading and writing, making it if need be, and looks whether it is sound.

    Even opening needs room, for the log: on a full disk the reserve gives it, so that what is held can be sent.

    Raises:
        Corrupt: It is no spool, or damaged.
        ConfigError: A newer Frostline wrote it.
        UnavailableError: It cannot be opened or written; the message says what to do.
    """
    try:
        return _connect(path, new_id)
    except UnavailableError:
        if not disk.reserve_path(path).exists() or disk.free_bytes(path) > _OPENING_BYTES:
            raise
    disk.give_up_reserve(path)
    return _connect(path, new_id)


def _connect(path: Path, new_id: bytes) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise translated(path, error) from error
    try:
        _prepare(connection, path, new_id)
    except sqlite3.Error as error:
        connection.close()
        raise translated(path, error) from error
    except OSError as error:
        connection.close()
        raise UnavailableError(f"spool {path}: {error.strerror}") from error
    except BaseException:
        connection.close()
        raise
    return connection


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Opens an existing file to look at it, also while a gateway writes it.

    Raises:
        sqlite3.Error: It cannot be read.
        UnavailableError: It has another format.
    """
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=_BUSY_S, isolation_level=None)
    try:
        ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    except sqlite3.Error:
        connection.close()
        raise
    if version == VERSION:
        return connection
    connection.close()
    which = (
        "an older Frostline; the gateway brings it up to date when it starts" if version < VERSION else "a newer one"
    )
    raise UnavailableError(f"spool {path}: has format {version}, not {VERSION}: written by {which}")


def _prepare(connection: sqlite3.Connection, path: Path, new_id: bytes) -> None:
    # Both count only before the first table. A commit writes a few dozen pages that hardly changed, whatever is in
    # them: small ones wear a card less.
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # in WAL mode only FULL keeps what was committed over a power cut
    connection.execute(f"PRAGMA wal_autocheckpoint = {disk.RESERVE_BYTES // 2 // PAGE_BYTES}")  # pages
    connection.execute("PRAGMA journal_size_limit = 2097152")
    connection.execute("PRAGMA cache_spill = OFF")  # what is not committed stays in memory; `tables` bounds it
    connection.execute("PRAGMA temp_store = MEMORY")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise ConfigError(f"spool {path}: written by a newer Frostline (format {version}); this one knows {VERSION}")
    if version == 0:
        if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            raise Corrupt("a database, but no spool")
        _create(connection, new_id)
        disk.sync_folder(path)
        return
    if path.stat().st_size <= QUICK_CHECK_MAX_BYTES:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise Corrupt(found)
    if version < VERSION:
        _in_one_transaction(connection, {1: _FROM_1 + _FROM_2, 2: _FROM_2}[version])


def _create(connection: sqlite3.Connection, new_id: bytes) -> None:
    new = f"INSERT INTO spool (id) VALUES (X'{new_id.hex()}');\n"  # noqa: S608  # hexadecimal
    _in_one_transaction(connection, f"{_TABLES}{new}PRAGMA application_id = {APPLICATION_ID};\n")


def _in_one_transaction(connection: sqlite3.Connection, script: str) -> None:
    """Brings the file to this format, or leaves it as it is."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in script.strip().split(";\n"):
        connection.execute(statement.removesuffix(";"))
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")
