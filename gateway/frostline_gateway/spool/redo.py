"""The redo file: what changed in the tables since they were last written, one record for each durable change.

A card wears by the block, so a change costs as few as it can: its record is compressed, begins on a block of its own,
and goes into a file that was written once in full and keeps its size; `fdatasync` then has one block of data to write,
and no length, no place of blocks. Records follow each other from the start of the file. When the tables are written
themselves, the next record begins at the start again, over the old ones; its number tells it from them.

Format, little endian: magic (4), length of the body (4), id of the spool (8), number (8), CRC-32 of all of it with this
field as 0 (4), body, zeros to the next 4 KiB. Numbers rise by one; what has another number, or a wrong sum, ends the
file. A record that was being written at a power cut has a wrong sum, and nobody was told that it is durable.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from frostline_gateway.spool import disk

BLOCK = 4096
REDO_BYTES = 4 << 20
NUMBER_MOST = (1 << 63) - 1
_MAGIC = b"FSR1"
_HEADER = struct.Struct("<4sIQQI")


@dataclass(frozen=True, slots=True)
class Found:
    """What a redo file holds: the bodies in order, where each begins and the next would; are some unreadable?"""

    bodies: list[bytes]
    ends: list[int]
    damaged: bool


def redo_path(path: Path) -> Path:
    """Where the redo file of a spool is."""
    return path.with_name(f"{path.name}.redo")


def read(path: Path, salt: int, after: int, through: int = NUMBER_MOST) -> Found:
    """The records that follow a number.

    Args:
        path: The spool; a redo file that is not there holds nothing.
        salt: Id of the spool.
        after: Number of the last change that the tables have.
        through: Last number wanted: what was not acknowledged is not done again while its process lives.

    Raises:
        OSError: The file cannot be opened.
    """
    bodies: list[bytes] = []
    ends = [0]
    try:
        descriptor = os.open(redo_path(path), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Found(bodies, ends, False)
    try:
        while after + len(bodies) < through:
            body = _record(descriptor, ends[-1], salt, after + 1 + len(bodies))
            if body is None:
                break
            bodies.append(body)
            ends.append(ends[-1] + _blocks(_HEADER.size + len(body)))
        last = after + len(bodies)
        damaged = any(number > last + 1 for number in _numbers(descriptor, ends[-1], salt))
    except OSError:  # a block that the card does not give back any more
        damaged = True
    finally:
        os.close(descriptor)
    return Found(bodies, ends, damaged)


class Redo:
    """The file as the process writes it that has the spool.

    Args:
        path: The spool.
        salt: Its id, unsigned 64 bits.
        end: Where the next record goes.
    """

    def __init__(self, path: Path, salt: int, end: int = 0) -> None:
        self._path, self._salt, self._end = path, salt, end
        self._descriptor: int | None = None
        self._open()

    def close(self) -> None:
        """Closes the file; closing twice is harmless."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def append(self, number: int, body: bytes) -> bool:
        """Makes a record durable; False when there is no room, or no file: then the tables must be written.

        Raises:
            OSError: The disk does not write; the record counts as not written.
        """
        size = _blocks(_HEADER.size + len(body))
        if self._descriptor is None or self._end + size > REDO_BYTES:
            return False
        record = _sealed(self._salt, number, body)
        view = memoryview(record.ljust(size, b"\0"))
        while view:
            view = view[os.pwrite(self._descriptor, view, self._end + size - len(view)) :]
        os.fdatasync(self._descriptor)
        self._end += size
        return True

    def resume(self, end: int) -> None:
        """The next record goes there."""
        self._end = end

    def restart(self) -> None:
        """The tables have everything: the next record goes to the start."""
        self._end = 0
        if self._descriptor is None:
            self._open()

    def _open(self) -> None:
        """Opens the file, making it where there is room; without it every change is written into the tables."""
        path = redo_path(self._path)
        with suppress(OSError):
            if not path.exists() or path.stat().st_size != REDO_BYTES:
                if self._end or disk.free_bytes(self._path) < REDO_BYTES + 2 * disk.RESERVE_BYTES:
                    return
                _make(path)
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)


def _make(path: Path) -> None:
    """Writes every block once: a block that was only allotted would cost a change of the file system's own tables."""
    new = path.with_name(f"{path.name}.new")
    try:
        with new.open("wb") as file:
            file.write(bytes(REDO_BYTES))
            file.flush()
            os.fsync(file.fileno())
            # Else the kernel keeps it in large pieces, and counts a whole one as written for each block.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        new.rename(path)
        disk.sync_folder(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def _sealed(salt: int, number: int, body: bytes) -> bytes:
    bare = _HEADER.pack(_MAGIC, len(body), salt, number, 0)
    return _HEADER.pack(_MAGIC, len(body), salt, number, zlib.crc32(body, zlib.crc32(bare))) + body


def _record(descriptor: int, place: int, salt: int, number: int) -> bytes | None:
    """The body of the record at a place, if it is sound and has that number."""
    head = os.pread(descriptor, _HEADER.size, place)
    if len(head) < _HEADER.size:
        return None
    magic, length, its_salt, its_number, _ = _HEADER.unpack(head)
    if (magic, its_salt, its_number) != (_MAGIC, salt, number) or length > REDO_BYTES:
        return None
    body = os.pread(descriptor, length, place + _HEADER.size)
    return body if head + body == _sealed(salt, number, body) else None


def _numbers(descriptor: int, place: int, salt: int) -> Iterator[int]:
    """Numbers of sound records of this spool from a place on."""
    for start in range(place, REDO_BYTES, BLOCK):
        head = os.pread(descriptor, _HEADER.size, start)
        if len(head) == _HEADER.size and head.startswith(_MAGIC):
            _, _, its_salt, number, _ = _HEADER.unpack(head)
            if its_salt == salt and _record(descriptor, start, salt, number) is not None:
                yield number


def _blocks(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
