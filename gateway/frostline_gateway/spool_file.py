"""The spool's file: its tables, how it is opened, checked and set aside, and what its errors mean."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

from frostline_core.errors import ConfigError, UnavailableError

VERSION = 2
APPLICATION_ID = 0x46535450  # "FSTP": lets `file` and a person tell what it is
QUICK_CHECK_MAX_BYTES = 64 * 1024 * 1024
"""Up to this size every page is read at start, about 2 s from an SD card; above it only the ends of each run."""
QUARANTINED_MAX = 3
RESERVE_BYTES = 4 * 1024 * 1024
"""Twice the write-ahead log. Held beside the spool and given up when the disk is full: deleting needs room as well."""
BUDGET_MOST, BUDGET_LEAST = 2 << 30, 8 << 20
"""The default budget's bounds, in bytes."""
PAGE_BYTES = 512
_OPENING_BYTES = 256 * 1024
"""With less free than that, a file that cannot be opened is taken for one that has no room."""
_BUSY_S = 5.0

_TABLES = """
CREATE TABLE spool (id BLOB NOT NULL, bd_seq INTEGER) STRICT;
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
    id INTEGER PRIMARY KEY, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, device TEXT, place INTEGER NOT NULL
) STRICT;
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

DISK_FULL = "the disk is full; free some space, or lower the spool's budget"
_REMEDIES = {
    sqlite3.SQLITE_FULL: DISK_FULL,
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


def translated(path: Path, error: sqlite3.Error) -> Exception:
    """What an SQLite error means to the caller: `Corrupt`, or UnavailableError with what a person can do."""
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
        if not _reserve(path).exists() or _free_bytes(path) > _OPENING_BYTES:
            raise
    give_up_reserve(path)
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
        UnavailableError: It does not exist or cannot be read.
    """
    try:
        connection = sqlite3.connect(
            f"file:{path}?mode=ro", uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        connection.execute("SELECT id FROM spool").fetchone()
    except sqlite3.Error as error:
        raise UnavailableError(f"spool {path}: cannot be read ({error})") from error
    return connection


def lock(path: Path) -> int:
    """Makes this process the only one that writes the spool; the lock ends with the process. Returns its descriptor.

    Raises:
        UnavailableError: Another process has it, or the folder is not writable.
    """
    try:
        descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UnavailableError(f"spool {path}: its folder is not writable: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise UnavailableError(f"spool {path}: another gateway process uses it; stop that one first") from error
    return descriptor


def quarantine(path: Path, utc_ms: int) -> str:
    """Sets a damaged file aside for a person to look at, and forgets all but the newest 3. Returns its new name.

    Raises:
        UnavailableError: It cannot be renamed.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(utc_ms / 1000))
    target = path.with_name(f"{path.name}.corrupt-{stamp}")
    try:
        for suffix in ("-wal", "-shm", ""):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(target.with_name(target.name + suffix))
        _sync_folder(path)
        kept = sorted(p for p in path.parent.glob(f"{path.name}.corrupt-*") if not p.name.endswith(("-wal", "-shm")))
        for old in kept[:-QUARANTINED_MAX]:
            for suffix in ("-wal", "-shm", ""):
                old.with_name(old.name + suffix).unlink(missing_ok=True)
    except OSError as error:
        raise UnavailableError(f"spool {path}: is damaged and cannot be set aside: {error.strerror}") from error
    return target.name


def has_reserve(path: Path) -> bool:
    """Whether there is room to delete in, making the reserve if the disk has twice its size free.

    Raises:
        UnavailableError: The folder does not let us.
    """
    reserve = _reserve(path)
    try:
        if reserve.exists() and reserve.stat().st_size >= RESERVE_BYTES:
            return True
        if _free_bytes(path) < 2 * RESERVE_BYTES:
            return False
        with reserve.open("wb") as file:
            file.write(os.urandom(RESERVE_BYTES))  # bytes that no file system can store in less
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        reserve.unlink(missing_ok=True)
        raise UnavailableError(f"spool {path}: cannot hold room in reserve: {error.strerror}") from error
    return True


def give_up_reserve(path: Path) -> None:
    """Frees the reserve; what can be freed is all there is to do on a full disk."""
    with suppress(OSError):
        _reserve(path).unlink(missing_ok=True)


def default_budget(path: Path) -> int:
    """What a spool may take where the configuration names nothing: 2 GiB, or a fifth of the disk if that is less.

    The disk is what is free and what the spool has already, so that a restart with a full spool changes nothing.

    Raises:
        UnavailableError: The folder cannot be looked at.
    """
    try:
        disk = os.statvfs(path.parent)
        held = path.stat().st_size if path.exists() else 0
    except OSError as error:
        raise UnavailableError(f"spool {path}: its folder cannot be looked at: {error.strerror}") from error
    return max(BUDGET_LEAST, min(BUDGET_MOST, (disk.f_bavail * disk.f_frsize + held) // 5))


def _free_bytes(path: Path) -> int:
    disk = os.statvfs(path.parent)
    return disk.f_bavail * disk.f_frsize


def _reserve(path: Path) -> Path:
    return path.with_name(f"{path.name}.reserve")


def _prepare(connection: sqlite3.Connection, path: Path, new_id: bytes) -> None:
    # Both count only before the first table. Each append writes four or five pages to the log, whatever is in them:
    # small pages are a fifth of the wear of SQLite's own 4 KiB, on a card that wears out.
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # in WAL mode only FULL keeps what was committed over a power cut
    connection.execute(f"PRAGMA wal_autocheckpoint = {RESERVE_BYTES // 2 // PAGE_BYTES}")  # pages
    connection.execute("PRAGMA journal_size_limit = 2097152")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise ConfigError(f"spool {path}: written by a newer Frostline (format {version}); this one knows {VERSION}")
    if version == 0:
        if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            raise Corrupt("a database, but no spool")
        _create(connection, new_id)
        _sync_folder(path)
        return
    if path.stat().st_size <= QUICK_CHECK_MAX_BYTES:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise Corrupt(found)
    if version == 1:
        _in_one_transaction(connection, _FROM_1)


def _create(connection: sqlite3.Connection, new_id: bytes) -> None:
    new = f"INSERT INTO spool VALUES (X'{new_id.hex()}', NULL);\n"  # noqa: S608  # hexadecimal
    _in_one_transaction(connection, f"{_TABLES}{new}PRAGMA application_id = {APPLICATION_ID};\n")


def _in_one_transaction(connection: sqlite3.Connection, script: str) -> None:
    """Brings the file to this format, or leaves it as it is."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in script.strip().split(";\n"):
        connection.execute(statement.removesuffix(";"))
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def _sync_folder(path: Path) -> None:
    """Makes a new or renamed file's name survive a power cut; SQLite does that for its log only."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
