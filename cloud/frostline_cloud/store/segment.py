"""Lines on our own disk until a server has them on its disk: files of one folder, each of one process at a time.

    FOLDER/NAME.held    header, then records in the order in which they were sent
    header              b"FLH1", size u16, text: which process of the server took the lines
    record              size u32, lines

Numbers are little endian. A file is locked by the process that writes it; one that nobody has locked is of a process
that has ended, and belongs to whoever locks it. A record counts once `sync` has returned. What a power cut leaves of
later ones is incomplete or has a NUL, which line protocol never has: it is passed over, and nobody was told that it is
committed.
"""

from __future__ import annotations

import fcntl
import os
import struct
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Final

from frostline_core.errors import UnavailableError

_MAGIC: Final = b"FLH1"
_SHORT: Final = struct.Struct("<H")
_SIZE: Final = struct.Struct("<I")
_SUFFIX, _UNFINISHED = ".held", ".new"


class Segment:
    """One file, open and locked; `begin` or `left_behind` make it.

    Attributes:
        start: Which process of the server took its lines; "" where that is not known.
        size: Bytes.
    """

    def __init__(self, descriptor: int, path: Path | None, start: str, size: int) -> None:
        self._descriptor, self._path = descriptor, path
        self._first = len(_MAGIC) + _SHORT.size + len(start.encode())
        self.start, self.size = start, size

    @classmethod
    def begin(cls, folder: Path | None, start: str) -> Segment:
        """A new file; without a folder one that has no name, and is gone with this process.

        Raises:
            UnavailableError: It cannot be made.
        """
        told = start.encode()
        header = _MAGIC + _SHORT.pack(len(told)) + told
        path = None if folder is None else folder / f"{token_hex(12)}{_SUFFIX}"
        try:
            return cls(_nameless(header) if path is None else _made(path, header), path, start, len(header))
        except OSError as error:
            raise _unavailable(folder, error) from error

    @classmethod
    def left_behind(cls, folder: Path | None) -> list[Segment]:
        """The files of processes that have ended; they are ours from now on.

        Raises:
            UnavailableError: They cannot be read.
        """
        if folder is None:
            return []
        found: list[Segment] = []
        try:
            for path in folder.glob(f"*{_SUFFIX}"):
                with suppress(FileNotFoundError):  # its owner has just dropped it
                    found += _taken_over(path)
        except OSError as error:
            raise _unavailable(folder, error) from error
        return found

    def append(self, lines: bytes) -> None:
        """Writes a record; `sync` makes it safe, `take_back` undoes it.

        Raises:
            UnavailableError: It cannot be written.
        """
        size = _SIZE.size + len(lines)
        try:
            written = os.pwritev(self._descriptor, (_SIZE.pack(len(lines)), lines), self.size)
        except OSError as error:
            raise _unavailable(self._path, error) from error
        if written != size:
            raise _unavailable(self._path, OSError(f"only {written} of {size} bytes could be written"))
        self.size += size

    def take_back(self, lines: bytes) -> None:
        """Undoes the last `append`."""
        self.size -= _SIZE.size + len(lines)
        with suppress(OSError):  # the next record overwrites it
            os.ftruncate(self._descriptor, self.size)

    def sync(self) -> None:
        """Makes what was appended outlive a power cut.

        Raises:
            UnavailableError: The disk does not take it.
        """
        if self._path is None:
            return
        try:
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise _unavailable(self._path, error) from error

    def bodies(self) -> Iterator[bytes]:
        """What was appended, in order.

        Raises:
            UnavailableError: It cannot be read.
        """
        at = self._first
        try:
            while at + _SIZE.size <= self.size:
                (size,) = _SIZE.unpack(os.pread(self._descriptor, _SIZE.size, at))
                at += _SIZE.size + size
                if not size or at > self.size:
                    return
                lines = os.pread(self._descriptor, size, at - size)
                if b"\0" not in lines:
                    yield lines
        except OSError as error:
            raise _unavailable(self._path, error) from error

    def drop(self) -> None:
        """Deletes it: the server has everything."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink()
        self.close()

    def close(self) -> None:
        """Leaves it to whoever comes next."""
        os.close(self._descriptor)


def _nameless(header: bytes) -> int:
    descriptor, name = tempfile.mkstemp()
    Path(name).unlink()
    os.write(descriptor, header)
    return descriptor


def _made(path: Path, header: bytes) -> int:
    """A file that is locked before anybody else sees it under its name, and that outlives a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(_UNFINISHED)
    descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(descriptor, header)
        os.fsync(descriptor)
        unfinished.rename(path)
        _sync_folder(path.parent)
    except OSError:
        os.close(descriptor)
        with suppress(OSError):
            unfinished.unlink()
        raise
    return descriptor


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _taken_over(path: Path) -> list[Segment]:
    """None while its owner lives; what is not one of ours is left alone."""
    descriptor = os.open(path, os.O_RDWR)
    kept = False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        head = os.pread(descriptor, len(_MAGIC) + _SHORT.size, 0)
        kept = len(head) == len(_MAGIC) + _SHORT.size and head.startswith(_MAGIC)
        if not kept:
            return []
        (size,) = _SHORT.unpack_from(head, len(_MAGIC))
        start = os.pread(descriptor, size, len(head)).decode(errors="replace")
        return [Segment(descriptor, path, start, os.fstat(descriptor).st_size)]
    except BlockingIOError:
        return []
    finally:
        if not kept:
            os.close(descriptor)


def _unavailable(where: Path | None, error: OSError) -> UnavailableError:
    return UnavailableError(f"what the store may not have on its disk yet cannot be kept in {where}: {error}")
