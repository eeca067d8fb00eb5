"""A power cut for one process: after its SIGKILL its files are as a disk has them that was switched off as well.

SIGKILL leaves what the kernel has in memory; a power cut does not. What a process had written and not yet brought to
the disk (fsync) is there or is not, sector by sector, and so are names of files that it had made.
"""

from __future__ import annotations

import os
import random
import struct
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.services import binary

_SOURCE = Path(__file__).with_name("power_cut.c")
_RECORD = struct.Struct("=qqq")
_SECTOR = 512
_MADE, _MAPPED = ".made", "-shm"


@dataclass(frozen=True, slots=True)
class _Record:
    """Before a write: the old bytes at a place, and the length of the file."""

    where: int
    old: bytes
    length: int


class PowerCut:
    """Watches the files of one folder as a process writes them that is started with `environment`.

    Not modelled: files deleted or renamed without fsync of the folder (they stay so), and disks that lie about fsync.

    Args:
        folder: Whose files are watched, none below them; need not exist yet.
        notes: Of its own, made here, on the same file system.
    """

    def __init__(self, folder: Path, notes: Path) -> None:
        notes.mkdir()
        self._folder, self._notes = folder.resolve(), notes.resolve() / "undo"
        self._notes.mkdir()
        library = notes / "power_cut.so"
        command = [binary("cc"), "-O2", "-shared", "-fPIC", "-pthread", "-o", str(library), str(_SOURCE), "-ldl"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        self.environment: Mapping[str, str] = {
            "LD_PRELOAD": str(library),
            "FROSTLINE_POWER_FOLDER": str(self._folder),
            "FROSTLINE_POWER_NOTES": str(self._notes),
        }

    def cut(self, dice: random.Random | None = None, spared: tuple[str, ...] = ()) -> int:
        """Takes from the files of a process that has been killed what need not have reached the disk.

        Args:
            dice: Decides for each sector and name; without them everything is taken.
            spared: Files that are left as they are.

        Returns:
            How many sectors and names were taken back.
        """
        taken = 0
        for notes in sorted(self._notes.iterdir()):
            path = self._folder / notes.name
            if notes.suffix != _MADE and path.name not in spared and path.exists():
                taken += _torn(path, list(_records(notes.read_bytes())), dice)
        for notes in sorted(self._notes.iterdir()):
            path = self._folder / notes.name.removesuffix(_MADE)
            if (
                notes.suffix == _MADE
                and path.name not in spared
                and path.exists()
                and (dice is None or dice.random() < 0.5)
            ):
                path.unlink()
                taken += 1
            notes.unlink()
        for mapped in self._folder.glob(f"*{_MAPPED}"):  # memory that processes share, not data: it begins anew
            mapped.unlink()
        return taken


def _records(raw: bytes) -> Iterator[_Record]:
    at = 0
    while at + _RECORD.size <= len(raw):
        where, size, length = _RECORD.unpack_from(raw, at)
        at += _RECORD.size
        yield _Record(where, raw[at : at + size], length)
        at += size


def _torn(path: Path, records: list[_Record], dice: random.Random | None) -> int:
    """Sectors that have changed since the last fsync are old, or new, or some of them old."""
    new = path.read_bytes()
    old = bytearray(new)
    for record in reversed(records):
        old = old[: record.length].ljust(record.length, b"\0")
        old[record.where : record.where + len(record.old)] = record.old
    length = len(old) if dice is None else dice.choice((len(old), len(new)))
    share = 1.0 if dice is None else dice.choice((0.0, 0.5, 1.0))
    image, taken = bytearray(new[:length].ljust(length, b"\0")), int(length != len(new))
    for start in range(0, length, _SECTOR):
        part = slice(start, min(start + _SECTOR, length))
        before = bytes(old[part]).ljust(part.stop - start, b"\0")
        if image[part] != before and (dice is None or dice.random() < share):
            image[part] = before
            taken += 1
    with path.open("r+b") as file:
        file.write(image)
        file.truncate(length)
        file.flush()
        os.fsync(file.fileno())
    return taken
