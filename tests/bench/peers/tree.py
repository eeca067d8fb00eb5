"""What a process costs together with those it has started, as the kernel counts them (proc(5))."""

from __future__ import annotations

import os
from pathlib import Path

from tests.bench import process

_TICKS = os.sysconf("SC_CLK_TCK")


def members(pid: int) -> list[int]:
    """The process and all that descend from it and live."""
    found = [pid]
    for each in found:
        for task in _tasks(each):
            found += [int(child) for child in _text(task / "children").split()]
    return found


def cpu_s(pid: int) -> float:
    """User and system seconds of the whole tree, with children that have ended and were waited for."""
    total = 0
    for each in members(pid):
        fields = _text(Path(f"/proc/{each}/stat")).rpartition(")")[2].split()
        total += sum(int(field) for field in fields[11:15])
    return total / _TICKS


def rss_mib(pid: int) -> float:
    """Resident memory of the tree; pages that members share count for each."""
    return sum(process.rss_mib(each) for each in members(pid) if Path(f"/proc/{each}").exists())


def _tasks(pid: int) -> list[Path]:
    folder = Path(f"/proc/{pid}/task")
    return list(folder.iterdir()) if folder.is_dir() else []


def _text(path: Path) -> str:
    """A file's text; "" if the process has ended meanwhile."""
    try:
        return path.read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return ""
