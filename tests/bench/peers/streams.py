"""MQTT to InfluxDB 1.x: Node-RED as it comes, with batches written by hand, and our ingest, one after the other.

What is measured has one core, broker, store and load the other. Node-RED reads JSON at QoS 0 and checks one threshold a
value; ours reads Sparkplug with births, order and the commit protocol on, and checks 1,000 rules. Same series, same
values, same number of metrics a message, and as many messages under way at most.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from tests.bench import ingest, process
from tests.bench.peers import tree
from tests.bench.peers.json_load import JsonLoad
from tests.bench.peers.node_red import Form, NodeRed
from tests.bench.recording import Load
from tests.support.services import Influxd, Mosquitto

CORE, OTHER_CORE = ingest.INGEST_CORE, ingest.OTHER_CORE
RULES = 1_000
_PLAY_S = 300.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much is played: 10,000 series of 50 nodes, and enough messages for a few seconds each.

    Attributes:
        nodes: Of all loads.
        devices: Of each node.
        metrics: Of each device.
        per_message: Metrics in one message.
        each: Messages for Node-RED as it comes.
        batched: Messages for Node-RED with batches.
        ours: Messages for our ingest.
        runs: Of each.
    """

    nodes: int
    devices: int
    metrics: int
    per_message: int
    each: int
    batched: int
    ours: int
    runs: int = 3


SIZES = (
    Size(50, 10, 20, 1, each=5_000, batched=60_000, ours=80_000),
    Size(50, 10, 20, 20, each=10_000, batched=30_000, ours=60_000),
    Size(50, 1, 200, 200, each=3_000, batched=4_000, ours=8_000),
)


def measure(sizes: tuple[Size, ...] = SIZES) -> dict[str, Any]:
    """By metrics a message: each of the three, and how many times the CPU of ours a peer takes for a point."""
    found: dict[str, Any] = {}
    for size in sizes:
        each = node_red(size, batched=False, messages=size.each)
        batched = node_red(size, batched=True, messages=size.batched)
        ours = frostline(size)
        found[f"{size.per_message} metrics a message"] = {
            "node_red": each,
            "node_red_batched": batched,
            "frostline": ours,
            "node_red_cpu_of_ours": round(each["cpu_us_per_point"] / ours["cpu_us_per_point"], 1),
            "node_red_batched_cpu_of_ours": round(batched["cpu_us_per_point"] / ours["cpu_us_per_point"], 1),
        }
    return found


def node_red(size: Size, batched: bool, messages: int) -> dict[str, Any]:
    """Median of some runs of Node-RED, after a tenth of a run to warm it."""
    load = JsonLoad(size.nodes, size.devices, size.metrics, size.per_message, max(1, messages // 10))
    form = Form(batched, size.per_message)
    with services() as (folder, broker, store), NodeRed(made(folder / "node-red"), form, broker, store) as peer:
        process.pin(peer.pid, CORE)
        play(load, broker, store, folder / "player.log")
        runs = []
        for _ in range(size.runs):
            load = replace(load, first=load.first + load.messages, messages=messages)
            before, used_s = points(store, "bench"), tree.cpu_s(peer.pid)
            told = play(load, broker, store, folder / "player.log")
            used_s = tree.cpu_s(peer.pid) - used_s
            stored = points(store, "bench") - before
            runs.append(_run(stored, messages * size.per_message, used_s, told["seconds"]))
        return _middle(runs) | {"rss_mib": round(tree.rss_mib(peer.pid), 1)}


def frostline(size: Size) -> dict[str, Any]:
    """Median of some runs of our ingest."""
    load = Load(size.nodes, size.devices, size.metrics, size.per_message, size.ours)
    with ingest.pipeline("influxdb1", RULES, size.per_message) as running:
        assert isinstance(running.store, Influxd)
        runs = []
        for _ in range(size.runs):
            log = running.folder / "player.log"
            with process.player(running.broker.url, asdict(load), OTHER_CORE, log) as player:
                before, used_s = points(running.store, "frostline"), tree.cpu_s(running.pid)
                told = player.play()
                used_s = tree.cpu_s(running.pid) - used_s
                stored = points(running.store, "frostline") - before
            runs.append(_run(stored, told["points"], used_s, told["seconds"]))
        return _middle(runs) | {"rss_mib": round(tree.rss_mib(running.pid), 1)}


def _run(stored: int, sent: int, used_s: float, seconds: float) -> dict[str, float]:
    return {
        "points": sent,
        "missing": sent - stored,
        "points_per_s": round(stored / seconds),
        "cpu_us_per_point": round(used_s / stored * 1e6, 3),
        "load": round(used_s / seconds, 3),
    }


def _middle(runs: list[dict[str, float]]) -> dict[str, Any]:
    each = {name: [run[name] for run in runs] for name in runs[0]}
    return {name: statistics.median(values) for name, values in each.items()} | {"each": each}


@contextmanager
def services() -> Iterator[tuple[Path, Mosquitto, Influxd]]:
    """A folder, a broker and a store with the empty database "bench", both on the other core."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="frostline-bench-")))
        broker = stack.enter_context(Mosquitto(made(folder / "mosquitto")))
        store = stack.enter_context(Influxd(made(folder / "influxd")))
        for each in (broker, store):
            process.pin(each.pid, OTHER_CORE)
        store.create_database("bench")
        yield folder, broker, store


def made(folder: Path) -> Path:
    """The folder, made."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def play(load: JsonLoad, broker: Mosquitto, store: Influxd, log: Path) -> dict[str, Any]:
    """Plays JSON to the end, on the other core; returns what the player says.

    Raises:
        RuntimeError: It has failed; its log says why.
    """
    command = [sys.executable, "-m", "tests.bench.peers.json_load", broker.url, store.url, json.dumps(asdict(load))]
    with log.open("ab") as sink:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sink, text=True)
    process.pin(child.pid, OTHER_CORE)
    with child:
        try:
            out, _ = child.communicate("go\n", timeout=_PLAY_S)
        finally:
            child.kill()
    if child.returncode:
        raise RuntimeError(f"the player has failed: {log.read_text(encoding='utf-8')[-2000:]}")
    told: dict[str, Any] = json.loads(out.splitlines()[-1])
    return told


def points(store: Influxd, database: str) -> int:
    """How many values of the load the store has."""
    asked = {"db": database, "q": "SELECT count(*) FROM /.*/"}
    answer = httpx.get(f"{store.url}/query", params=asked, timeout=60).raise_for_status().json()
    series = answer["results"][0].get("series", [])
    return sum(
        value or 0
        for each in series
        for name, value in zip(each["columns"], each["values"][0], strict=True)
        if name.startswith("count_value_")
    )
