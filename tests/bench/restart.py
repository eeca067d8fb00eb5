"""2,000 nodes and a host that is killed: how long until everything is committed again, and what births cost.

The nodes share one MQTT connection and one process (`tests/support/fleet.py`), which is on the broker's core; the host
has the other, the embedded store and SQLite. `start_s` is until STATE says online, `back_s` from then until the host
has committed everything that was measured before and meanwhile.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from subprocess import Popen
from typing import Any

from tests.bench import process
from tests.support.fleet import Fleet, Manner
from tests.support.services import Mosquitto

NODES = 2_000
HOST_CORE, OTHER_CORE = 0, 1
CASES = {
    "nodes that go on": Manner(NODES),
    "gateways, all born within 3 s": Manner(NODES, heeds_state=True, spread_s=3.0),
    "gateways, all born at once": Manner(NODES, heeds_state=True),
    "SQL is empty": Manner(NODES),
    "plain Sparkplug nodes": Manner(NODES, proved=False),
}
_LONG_S = 180.0
_EVERY_S = 5.0


class Host:
    """The process under test, in a folder."""

    def __init__(self, folder: Path, broker: Mosquitto) -> None:
        (folder / "rules").mkdir()
        self.folder, self._config = folder, folder / "cloud.toml"
        self._config.write_text(
            f'[broker]\nurl = "{broker.url}"\n[store]\npath = "{folder}/history.duckdb"\n[rules]\nfolder = "rules"\n'
            f'[sql]\nurl = "sqlite:///{folder}/frostline.db"\n[http]\nlisten = "127.0.0.1:0"\ndemo_open = true\n',
            encoding="utf-8",
        )
        self._running: Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it."""
        self._running = process.frostline(
            ["cloud", "ingest", "-c", str(self._config)], HOST_CORE, self.folder / "host.log"
        )

    def kill(self) -> None:
        """Kill -9."""
        if self._running is not None:
            with self._running as host:  # waits for it, and closes its pipe
                host.kill()

    @property
    def cpu_s(self) -> float:
        """What it has used."""
        return 0.0 if self._running is None else process.cpu_s(self._running.pid)

    @property
    def rss_mib(self) -> float:
        """What it holds."""
        return 0.0 if self._running is None else process.rss_mib(self._running.pid)


def measure(nodes: int = NODES, cases: Mapping[str, Manner] = CASES) -> dict[str, Any]:
    """Every case."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {OTHER_CORE} & before or before)
    try:
        found = {name: _case(name, replace(manner, nodes=nodes)) for name, manner in cases.items()}
    finally:
        os.sched_setaffinity(0, before)
    return {"nodes": nodes, "cases": found}


def table(result: dict[str, Any]) -> str:
    """Seconds and requests for births, a line each case."""
    names = ("start_s", "start_cpu_s", "back_s", "back_cpu_s", "births", "rebirths_asked", "offline_again")
    lines = [
        ("case", *names),
        *((case, *(str(told[name]) for name in names)) for case, told in result["cases"].items()),
    ]
    return "\n".join(f"{line[0]:32}" + "".join(f"{cell:>16}" for cell in line[1:]) for line in lines)


def _case(name: str, manner: Manner) -> dict[str, Any]:
    with _running() as (host, broker):
        fleet = Fleet(broker.url, manner, random.Random(1).random)  # noqa: S311 - spreads births, no secret
        try:
            first = _first(host, fleet)
            host.kill()
            if name == "SQL is empty":
                for kept in host.folder.glob("frostline.db*"):
                    kept.unlink()
            fleet.until(lambda: not fleet.heard.online, _LONG_S)
            fleet.measure()
            return {"manner": asdict(manner)} | first | _again(host, fleet)
        finally:
            fleet.close()


def _first(host: Host, fleet: Fleet) -> dict[str, Any]:
    """All are born for the first time: every row is new."""
    fleet.until(lambda: fleet.heard.online, _LONG_S)
    nodes, used_s = fleet.manner.nodes, host.cpu_s
    if not fleet.manner.heeds_state:
        fleet.bear()
    seconds = fleet.until(lambda: fleet.heard.births == nodes, _LONG_S)
    seconds += _settled(host, fleet)
    each_ms = round((host.cpu_s - used_s) / nodes * 1000, 2)
    return {"empty_start_cpu_s": round(used_s, 2), "first_births_s": round(seconds, 1), "first_node_cpu_ms": each_ms}


def _again(host: Host, fleet: Fleet) -> dict[str, Any]:
    births, asked, states = fleet.heard.births, len(fleet.heard.rebirths), len(fleet.heard.states)
    host.start()
    start_s = fleet.until(lambda: fleet.heard.online, _LONG_S, every_s=_EVERY_S)
    start_cpu_s = host.cpu_s
    back_s = _settled(host, fleet)
    rebirths = fleet.heard.rebirths[asked:]
    return {
        "start_s": round(start_s, 2),
        "start_cpu_s": round(start_cpu_s, 2),
        "back_s": round(back_s, 1),
        "back_cpu_s": round(host.cpu_s - start_cpu_s, 2),
        "births": fleet.heard.births - births,
        "rebirths_asked": len(rebirths),
        "rebirths_most_in_a_second": max(
            (sum(at <= other < at + 1 for other in rebirths) for at in rebirths), default=0
        ),
        "offline_again": sum(not online for _, online in fleet.heard.states[states:]),
        "messages": fleet.measured,
        "rss_mib": round(host.rss_mib),
    }


def _settled(host: Host, fleet: Fleet) -> float:
    """Seconds until everything is committed; of plain nodes, until each was born again and ingest is at rest."""
    if fleet.manner.proved:
        fleet.measure()
        return fleet.until(lambda: fleet.behind == 0, _LONG_S, every_s=_EVERY_S if fleet.committed else 0.0)
    wanted = fleet.manner.nodes * (2 if fleet.heard.rebirths or fleet.measured else 1)
    fleet.measure()
    seconds = fleet.until(lambda: fleet.heard.births >= wanted, _LONG_S, every_s=_EVERY_S)
    used_s = -1.0
    while host.cpu_s - used_s > 0.1:
        used_s = host.cpu_s
        seconds += fleet.until(_after(1.0), _LONG_S)
    return seconds


def _after(seconds: float) -> Any:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


@contextmanager
def _running() -> Iterator[tuple[Host, Mosquitto]]:
    folder = Path(tempfile.mkdtemp(prefix="frostline-restart-"))
    (folder / "mosquitto").mkdir()
    broker = Mosquitto(folder / "mosquitto")
    broker.start()
    host = Host(folder, broker)
    try:
        host.start()
        yield host, broker
    finally:
        host.kill()
        broker.stop()
        shutil.rmtree(folder, ignore_errors=True)
