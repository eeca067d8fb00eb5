"""What a process costs: CPU seconds and memory, as the kernel counts them (proc(5))."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """User and system seconds of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def kernel_s(pid: int) -> float:
    """System seconds of all its threads, which `cpu_s` counts too."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return int(fields[12]) / _TICKS


def rss_mib(pid: int) -> float:
    """Resident memory."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def written_bytes(pid: int) -> int:
    """Bytes that it caused to be written to the disk."""
    lines = Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes:"))


def frostline(arguments: Sequence[str], core: int, log: Path) -> subprocess.Popen[bytes]:
    """`frostline ARGUMENTS` on one core, where there is more than one; `ended` ends it."""
    core = core if core in os.sched_getaffinity(0) else min(os.sched_getaffinity(0))
    command = [sys.executable, "-c", "from frostline_core.cli import main; main()", *arguments]
    with log.open("ab") as sink:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=sink)
    os.sched_setaffinity(process.pid, {core})
    return process


@contextmanager
def ended(child: subprocess.Popen[bytes], wait_s: float = 60.0) -> Iterator[subprocess.Popen[bytes]]:
    """Ends a process behind the block, by SIGKILL if SIGTERM does not within `wait_s`, and closes its pipes.

    Raises:
        RuntimeError: It did not end by SIGTERM.
    """
    with child:
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(wait_s)
            except subprocess.TimeoutExpired as error:
                child.kill()
                raise RuntimeError(f"{child.args!r} does not end by SIGTERM") from error


def pin(pid: int, core: int) -> None:
    """Keeps a running process with all its threads on one core."""
    core = core if core in os.sched_getaffinity(0) else min(os.sched_getaffinity(0))
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def python_ns(core: int, turns: int = 1_000_000) -> float:
    """CPU time of one turn of a plain loop on that core now, nanoseconds; the least of three tries."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core} & before or before)
    values, tries = [float(n) for n in range(1000)], []
    try:
        for _ in range(3):
            began, total = time.process_time(), 0.0
            for _ in range(turns // 1000):
                for value in values:
                    if value > total:
                        total = value
            tries.append((time.process_time() - began) / turns * 1e9)
    finally:
        os.sched_setaffinity(0, before)
    return round(min(tries), 1)


class Player:
    """A player that has given birth and waits."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child

    def play(self) -> dict[str, Any]:
        """Lets it play; returns what it says.

        Raises:
            RuntimeError: It has failed; its log says why.
        """
        out, _ = self._child.communicate("go\n", timeout=180)
        if self._child.returncode:
            raise RuntimeError("the player has failed: see its log")
        told: dict[str, Any] = json.loads(out)
        return told


@contextmanager
def player(url: str, load: dict[str, Any], core: int, log: Path) -> Iterator[Player]:
    """`tests.bench.player` on one core, born."""
    command = [sys.executable, "-m", "tests.bench.player", url, json.dumps(load)]
    with log.open("ab") as sink:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sink, text=True)
    os.sched_setaffinity(child.pid, {core} & os.sched_getaffinity(0) or os.sched_getaffinity(0))
    with child:
        try:
            if child.stdout is None or child.stdout.readline() != "born\n":
                raise RuntimeError(f"the player was not born: {log.read_text(encoding='utf-8')[-2000:]}")
            yield Player(child)
        finally:
            child.kill()
