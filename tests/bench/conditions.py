"""Under what conditions a bench ran: machine, versions, code, date, and how busy the machine was before and after."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench import process

_ASK_S = 10.0
_VERSIONS = {
    "mosquitto": ("mosquitto", "-h"),
    "influxd": ("influxd", "version"),
    "victoria_metrics": ("victoria-metrics", "-version"),
    "node": ("node", "--version"),
}


@contextmanager
def noted(result: dict[str, Any]) -> Iterator[None]:
    """Adds "conditions" to a result that is measured meanwhile."""
    found = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "commit": _commit(), "load_before": _load()}
    before_ns = process.python_ns(0)
    yield
    result["conditions"] = found | {
        "load_after": _load(),
        "python_ns": [before_ns, process.python_ns(0)],
        "machine": _machine(),
        "versions": _versions(),
    }


def _load() -> list[float]:
    return [round(each, 2) for each in os.getloadavg()]


def _commit() -> str:
    """The commit's name; with "+" behind it if tracked files differ; "" outside a repository."""
    name = _said("git", "rev-parse", "--short=12", "HEAD")
    return name + ("+" if name and _said("git", "status", "--porcelain", "--untracked-files=no") else "")


def _machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": model or platform.machine(),
        "cores": os.cpu_count(),
        "cores_usable": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 1024**3, 1),
        "kernel": platform.release(),
    }


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for name, command in _VERSIONS.items():
        if said := _said(*command):
            found[name] = said.splitlines()[0]
    return found


def _said(*command: str) -> str:
    """What a command printed; "" where there is no such command or it does not answer."""
    path = os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin:/sbin"
    program = shutil.which(command[0], path=path)
    if program is None:
        return ""
    try:
        answer = subprocess.run([program, *command[1:]], capture_output=True, text=True, timeout=_ASK_S, check=False)
    except subprocess.TimeoutExpired:
        return ""
    return (answer.stdout or answer.stderr).strip()
