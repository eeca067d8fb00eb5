"""kill -9 in mid-stream: how many messages that the broker, or our node, had taken never reach the store.

Node-RED subscribes at QoS 1 with a session that the broker keeps, which is the most that its nodes offer; messages are
published at QoS 1 and counted when the broker acknowledges them. Ours has nodes that speak the commit protocol. Both
are started again at once, and everything is counted in the store after the last row has come.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx

from tests.bench import ingest, process
from tests.bench.peers.json_load import JsonLoad
from tests.bench.peers.node_red import Form, NodeRed
from tests.bench.peers.streams import CORE, OTHER_CORE, RULES, made, play, services
from tests.support.services import Influxd, eventually

_QUIET_S, _MOST_S = 3.0, 90.0
_READY = b"connected to the broker"
"""In the log of our ingest when it takes data."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is played meanwhile, and when the process is killed.

    Attributes:
        kills: How often, at most: not after the load has ended.
        every_s: Before each kill, from when the first row came or the process was ready again.
        start_s: What a start is thought to take, for the length of the load.
        per_s: Messages a second.
        nodes: Of the load.
        devices: Of each node. After a stall few devices at a high rate would have two messages in one millisecond,
            which every store keeps as one.
        metrics: Of each device, all in each message.
    """

    kills: int = 5
    every_s: float = 3.0
    start_s: float = 3.0
    per_s: float = 1_000.0
    nodes: int = 10
    devices: int = 10
    metrics: int = 20

    @property
    def seconds(self) -> float:
        """How long is played."""
        return (self.kills + 1) * self.every_s + self.kills * self.start_s


def measure(plan: Plan | None = None) -> dict[str, Any]:
    """Messages sent, stored and missing, of Node-RED in both forms and of ours."""
    plan = plan or Plan()
    return {
        "messages_per_s": plan.per_s,
        "metrics_a_message": plan.metrics,
        "node_red": node_red(plan, batched=False),
        "node_red_batched": node_red(plan, batched=True),
        "frostline": frostline(plan),
    }


def node_red(plan: Plan, batched: bool) -> dict[str, int]:
    """Kills Node-RED."""
    messages = int(plan.seconds * plan.per_s)
    load = JsonLoad(plan.nodes, plan.devices, plan.metrics, plan.metrics, messages, qos=1, per_s=plan.per_s)
    form = Form(batched, plan.metrics, qos=1)
    with services() as (folder, broker, store), NodeRed(made(folder / "node-red"), form, broker, store) as peer:

        def again() -> None:
            peer.kill()
            peer.start()
            process.pin(peer.pid, CORE)

        process.pin(peer.pid, CORE)
        with ThreadPoolExecutor(1) as beside:
            told = beside.submit(play, load, broker, store, folder / "player.log")
            eventually(lambda: told.done() or _rows(store) > 0, _MOST_S)
            killed = _kill(plan, again, told.done)
            sent = told.result()["acknowledged"]
        return {"kills": killed} | _counted(sent, lambda: _rows(store))


def frostline(plan: Plan) -> dict[str, int]:
    """Kills our ingest. "held" is what the nodes still have at the end, as a gateway on its disk: not missing."""
    with ingest.pipeline("influxdb1", RULES, plan.metrics) as running:
        assert isinstance(running.store, Influxd)
        store, children, log = running.store, [running.pid], running.folder / "ingest.log"
        eventually(lambda: _READY in log.read_bytes(), _MOST_S)

        def again() -> None:
            os.kill(children[-1], signal.SIGKILL)
            config = str(running.folder / "cloud.toml")
            before = log.read_bytes().count(_READY)
            ingests.append(process.frostline(["cloud", "ingest", "-c", config], CORE, log))
            children.append(ingests[-1].pid)
            eventually(lambda: log.read_bytes().count(_READY) > before, _MOST_S)

        ingests: list[Any] = []
        shape = {"nodes": plan.nodes, "devices": plan.devices, "metrics": plan.metrics, "rate": plan.per_s}
        options = [f"--{name}={value}" for name, value in shape.items()]
        command = ["sim", "load", f"--url={running.broker.url}", "--proved", "--host-id=frostline", *options]
        command = [*command, f"--duration={plan.seconds}"]
        load = process.frostline(command, OTHER_CORE, running.folder / "load.log")
        try:
            eventually(lambda: load.poll() is not None or _numbers(store) > 0, _MOST_S)
            killed = _kill(plan, again, lambda: load.poll() is not None)
            out, _ = load.communicate(timeout=plan.seconds + _MOST_S)
            if load.returncode:
                raise RuntimeError(f"the load has failed: {(running.folder / 'load.log').read_text(encoding='utf-8')}")
            told = json.loads(out)
            made, held = told["messages"]["measured"], told["not_committed"]
            found = _counted(made - held, lambda: _numbers(store))
            missing = max(0, found["missing"])  # what is held may be stored as well, its commit still under way
            return {"kills": killed} | found | {"sent": made, "missing": missing, "held": held}
        finally:
            for each in (load, *ingests):
                with each:
                    each.kill()


def _kill(plan: Plan, again: Callable[[], None], over: Callable[[], bool]) -> int:
    """Kills while the load goes on; returns how often."""
    for number in range(plan.kills):
        time.sleep(plan.every_s)
        if over():
            return number
        again()
    return plan.kills


def _counted(sent: int, stored: Callable[[], int]) -> dict[str, int]:
    """Waits until nothing more comes, if something is missing."""
    until = time.monotonic() + _MOST_S
    found, quiet = stored(), time.monotonic()
    while found < sent and time.monotonic() < min(until, quiet + _QUIET_S):
        time.sleep(0.2)
        now = stored()
        quiet = time.monotonic() if now > found else quiet
        found = now
    return {"sent": sent, "stored": found, "missing": sent - found}


def _rows(store: Influxd) -> int:
    series = _asked(store, "bench", 'SELECT count("value_000") FROM "bench"')
    return int(series[0]["values"][0][1]) if series else 0


def _numbers(store: Influxd) -> int:
    """Different messages of all devices: the first metric has the device's number of the message, from 1.

    Rows of births are no messages: the first has a value that no number has come to yet, later ones repeat a number.
    """
    series = _asked(store, "frostline", 'SELECT "value_000" FROM "load" GROUP BY "node", "device"')
    return sum(distinct([row[1] for row in each["values"]]) for each in series)


def distinct(values: list[float]) -> int:
    """How many different messages, by the numbers in a device's rows as they came."""
    first = values.index(1.0) if 1.0 in values else 0
    return len(set(values[first:]))


def _asked(store: Influxd, database: str, question: str) -> list[dict[str, Any]]:
    asked = {"db": database, "q": question}
    answer = httpx.get(f"{store.url}/query", params=asked, timeout=60).raise_for_status().json()
    found: list[dict[str, Any]] = answer["results"][0].get("series", [])
    return found
