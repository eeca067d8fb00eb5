"""The folder of the spool: one process at a time, room in reserve, damaged files set aside."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from frostline_core.errors import UnavailableError

DISK_FULL = "the disk is full; free some space, or lower the spool's budget"
QUARANTINED_MAX = 3
_STAMP = len("20231114T221320Z")
_PARTS = ("-wal", "-shm", ".redo", "")
RESERVE_BYTES = 4 * 1024 * 1024
"""Twice the write-ahead log. Held beside the spool and given up when the disk is full: deleting needs room as well."""
BUDGET_MOST, BUDGET_LEAST = 2 << 30, 8 << 20
"""The default budget's bounds, in bytes."""


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
        for suffix in _PARTS:
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(target.with_name(target.name + suffix))
        sync_folder(path)
        _forget_old(path)
    except OSError as error:
        raise UnavailableError(f"spool {path}: is damaged and cannot be set aside: {error.strerror}") from error
    return target.name


def copy_aside(part: Path, path: Path, utc_ms: int) -> str:
    """Keeps a copy of a file beside the spool for a person to look at. Returns its name, or why there is none."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(utc_ms / 1000))
    target = path.with_name(f"{path.name}.corrupt-{stamp}{part.name.removeprefix(path.name)}")
    try:
        shutil.copyfile(part, target)
        _forget_old(path)
    except OSError as error:  # a card that does not read it now has not much to show to a person either
        with suppress(OSError):
            target.unlink(missing_ok=True)
        return f"nothing: {error.strerror}"
    return target.name


def _forget_old(path: Path) -> None:
    """Of what was set aside the newest three times are kept."""
    found = list(path.parent.glob(f"{path.name}.corrupt-*"))
    stamps = sorted({part.name.removeprefix(f"{path.name}.corrupt-")[:_STAMP] for part in found})
    for part in found:
        if part.name.removeprefix(f"{path.name}.corrupt-")[:_STAMP] in stamps[:-QUARANTINED_MAX]:
            part.unlink(missing_ok=True)


def has_reserve(path: Path) -> bool:
    """Whether there is room to delete in, making the reserve if the disk has twice its size free.

    Raises:
        UnavailableError: The folder does not let us.
    """
    reserve = reserve_path(path)
    try:
        if reserve.exists() and reserve.stat().st_size >= RESERVE_BYTES:
            return True
        if free_bytes(path) < 2 * RESERVE_BYTES:
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
        reserve_path(path).unlink(missing_ok=True)


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


def free_bytes(path: Path) -> int:
    """What the file system of the spool has free, for this user."""
    disk = os.statvfs(path.parent)
    return disk.f_bavail * disk.f_frsize


def reserve_path(path: Path) -> Path:
    """Where the reserve of a spool is."""
    return path.with_name(f"{path.name}.reserve")


def sync_folder(path: Path) -> None:
    """Makes a new or renamed file's name survive a power cut; SQLite does that for its log only."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
