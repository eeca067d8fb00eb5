"""Ingest: mosquitto -> ingest (rules and commit protocol on) -> a store; and the store's own limit beside it.

Broker, store and load share one core, ingest has the other. Load is played from prebuilt bytes as fast as commits
allow, after births and a few messages of each device, so that the rate is the pipeline's. A run is long enough that
what a device's first messages cost (their forms are learned) is a small part, as in the field. Several runs each, and
their median: on a shared machine rates drift, CPU per point and ratios within one run less so. `python_ns` says how
fast the machine was at that moment: one turn of a plain loop.
"""

from __future__ import annotations

import http.client
import math
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.bench import process
from tests.bench.recording import Load, rules_text
from tests.support.services import Influxd, Mosquitto, VictoriaMetrics, eventually, free_port

INGEST_CORE, OTHER_CORE = 0, 1
NODES = 50
RUNS = 3
SHAPES = {
    1: Load(NODES, 10, 20, 1, 400_000),
    20: Load(NODES, 10, 20, 20, 150_000),
    200: Load(NODES, 1, 200, 200, 16_000),
}
"""By metrics per message; 10,000 series each, at least 300 messages of each device. One per message is report by
exception on devices of 20."""
LATENCY_S, ALARMS_PER_S = 20.0, 50
"""A p99 needs hundreds of alarms."""
START_S = 90.0
"""A machine that does other things may take long for a start."""
_LIMIT_POINTS = 600_000
_REQUEST_POINTS = 20_000
Store = VictoriaMetrics | Influxd


@dataclass(frozen=True, slots=True)
class Case:
    """One pipeline: which store, how many rules, which shape."""

    store: str
    rules: int
    metrics: int


CASES = (
    Case("victoriametrics", 1_000, 1),
    Case("victoriametrics", 10, 20),
    Case("victoriametrics", 1_000, 20),
    Case("victoriametrics", 1_000, 200),
    Case("influxdb1", 1_000, 20),
    Case("influxdb1", 1_000, 200),
)


@dataclass(slots=True)
class Pipeline:
    """Running broker, store and ingest."""

    folder: Path
    broker: Mosquitto
    store: Store
    pid: int
    limits: list[int] = field(default_factory=list)


def measure() -> dict[str, Any]:
    """Every case, then latencies at a tenth and at half of what 20 metrics a message reached."""
    found = {f"{c.store}, {c.rules} rules, {c.metrics} metrics a message": case(c) for c in CASES}
    top = found["victoriametrics, 1000 rules, 20 metrics a message"]["points_per_s"]
    return {
        "cores": os.cpu_count(),
        "series": NODES * 200,
        "nodes": NODES,
        "runs_each": RUNS,
        "throughput": found,
        "latency": {f"{share:.0%} of {top} points/s": latency(top * share) for share in (0.1, 0.5)},
    }


def part(options: list[str]) -> dict[str, Any]:
    """`--case METRICS/STORE/RULES`: one case; `--latency POINTS_PER_S`: one rate.

    Raises:
        ValueError: Neither of them.
    """
    what, value = (*options, "", "")[:2]
    if what == "--case" and value.count("/") == 2:
        metrics, store, rules = value.split("/")
        return case(Case(store, int(rules), int(metrics)))
    if what == "--latency":
        return latency(float(value))
    raise ValueError("--case METRICS/STORE/RULES, such as 20/victoriametrics/1000, or --latency POINTS_PER_S")


def case(wanted: Case, load: Load | None = None, runs_each: int = RUNS) -> dict[str, Any]:
    """Median of several runs; of the usual load where none is given."""
    with pipeline(wanted.store, wanted.rules, wanted.metrics) as running:
        load = load or SHAPES[wanted.metrics]
        runs = [_run(running, load) for _ in range(runs_each)]
        rss = process.rss_mib(running.pid)
        counters = {name: [run[name] for run in runs] for name in runs[0]}
    middle = {name: statistics.median(values) for name, values in counters.items()}
    return middle | {"rss_mib": round(rss, 1), "each": counters}


def _run(running: Pipeline, load: Load) -> dict[str, float]:
    limit = store_limit(running.store, load.per_message)
    with process.player(running.broker.url, asdict(load), OTHER_CORE, running.folder / "player.log") as player:
        _rest(running)
        kernel_s, used_s, written = process.kernel_s(running.pid), process.cpu_s(running.pid), _written(running)
        told = player.play()
        used_s, written = process.cpu_s(running.pid) - used_s, _written(running) - written
        kernel_s = process.kernel_s(running.pid) - kernel_s
    rate = written / told["seconds"]
    return {
        "points": written,
        "missing": told["points"] - written,
        "points_per_s": round(rate),
        "cpu_us_per_point": round(used_s / written * 1e6, 3),
        "kernel_us_per_point": round(kernel_s / written * 1e6, 3),
        "python_ns": process.python_ns(INGEST_CORE),
        "ingest_load": round(used_s / told["seconds"], 3),
        "player_load": round(told["player_cpu_s"] / told["seconds"], 3),
        "store_limit_points_per_s": limit,
        "of_store_limit": round(rate / limit, 3),
    }


def latency(points_per_s: float) -> dict[str, Any]:
    """Reading to committed, and reading to alert row in SQL, at a steady rate with 50 alarms/s.

    The first tenth is left out: 10,000 series come back at once there. `sent_late_ms` is what the load itself is late.
    """
    interval_ms = 20_000 / points_per_s
    messages = int(LATENCY_S * 1000 / interval_ms)
    load = Load(NODES, 10, 20, 20, messages, interval_ms, alarm_every=_alarm_every(1000 / interval_ms))
    with pipeline("victoriametrics", 1_000, 20) as running:
        with process.player(running.broker.url, asdict(load), OTHER_CORE, running.folder / "player.log") as player:
            _rest(running)
            used_s = process.cpu_s(running.pid)
            told = player.play()
            used_s = process.cpu_s(running.pid) - used_s
        with sqlite3.connect(running.folder / "frostline.db") as connection:
            wanted = (
                "SELECT noted_ms - at_ms FROM alert_event JOIN alert ON alert.id = alert_event.alert "
                "WHERE rule = 'r0' AND before != 'firing' AND after = 'firing' AND at_ms > ?"
            )
            rows = connection.execute(wanted, (told["start_ms"] + round(told["seconds"] * 100),)).fetchall()
    skipped = len(told["commit_waits_ms"]) // 10
    return {
        "points_per_s": round(told["points"] / told["seconds"]),
        "late_ms": round(told["late_ms"], 1),
        "sent_late_ms": _quantiles(told["sent_late_ms"][skipped:]),
        "ingest_load": round(used_s / told["seconds"], 3),
        "committed_ms": _quantiles(told["commit_waits_ms"][skipped:]),
        "alert_ms": _quantiles([float(row[0]) for row in rows]),
    }


@contextmanager
def pipeline(store: str, rules: int, metrics: int) -> Iterator[Pipeline]:
    """Broker, store and ingest, each on its core."""
    with tempfile.TemporaryDirectory(prefix="frostline-bench-") as name:
        folder = Path(name)
        for each in ("mosquitto", "store", "rules"):
            (folder / each).mkdir()
        kind = VictoriaMetrics if store == "victoriametrics" else Influxd
        with Mosquitto(folder / "mosquitto") as broker, kind(folder / "store") as database:
            for service in (broker, database):
                process.pin(service.pid, OTHER_CORE)
            config = _configure(folder, broker, (store, database.url), rules_text(rules, metrics))
            if isinstance(database, Influxd):
                database.create_database("frostline")
            command = ["cloud", "ingest", "-c", str(config)]
            with process.ended(process.frostline(command, INGEST_CORE, folder / "ingest.log")) as ingest:
                eventually((folder / "frostline.db").exists, START_S)
                yield Pipeline(folder, broker, database, ingest.pid)


def _alarm_every(messages_per_s: float) -> int:
    """Each so many messages; it falls on every device in turn."""
    every = max(1, round(messages_per_s / ALARMS_PER_S))
    while math.gcd(every, NODES * 10) > 1:
        every += 1
    return every


def _configure(folder: Path, broker: Mosquitto, store: tuple[str, str], rules: str) -> Path:
    (folder / "rules" / "bench.toml").write_text(rules, encoding="utf-8")
    config = folder / "cloud.toml"
    config.write_text(
        f'[broker]\nurl = "{broker.url}"\n[store]\nkind = "{store[0]}"\nurl = "{store[1]}"\ndatabase = "frostline"\n'
        f'[sql]\nurl = "sqlite:///{folder}/frostline.db"\n[rules]\nfolder = "{folder}/rules"\n'
        f'[http]\nlisten = "127.0.0.1:{free_port()}"\n',
        encoding="utf-8",
    )
    return config


def _rest(running: Pipeline) -> None:
    """Waits until ingest is at rest."""
    used_s = -1.0
    while (now_s := process.cpu_s(running.pid)) - used_s > 0.03:
        used_s = now_s
        time.sleep(0.3)


def _written(running: Pipeline) -> int:
    return _sql(running, "SELECT coalesce(sum(written), 0) FROM account")


def _sql(running: Pipeline, question: str) -> int:
    with sqlite3.connect(f"file:{running.folder / 'frostline.db'}?mode=ro", uri=True, timeout=60) as connection:
        return int(connection.execute(question).fetchone()[0])


def store_limit(store: Store, metrics: int) -> int:
    """What the store takes of prebuilt lines of the same shape over one connection, 20,000 points a request.

    The sender shares the store's core, as broker and load do in a run.
    """
    fields = max(metrics, 1)
    lines, now_ms = _REQUEST_POINTS // fields, time.time_ns() // 1_000_000 - 3_600_000
    bodies = []
    for number in range(_LIMIT_POINTS // _REQUEST_POINTS):
        text = ",".join(f"value_{n:03d}={20 + (n * 31 + number) % 997 / 100!r}" for n in range(fields))
        rows = (f"limit,device=device-{n % 200:03d},node=load-{n % NODES:04d} {text} " for n in range(lines))
        bodies.append("\n".join(f"{row}{now_ms + number * lines + n}" for n, row in enumerate(rows)).encode())
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {OTHER_CORE} & before or before)
    connection = http.client.HTTPConnection(store.host, store.port, timeout=60)
    try:
        began = time.perf_counter()
        for body in bodies:
            connection.request("POST", "/write?db=frostline&precision=ms", body)
            answer = connection.getresponse()
            if answer.status != 204 or answer.read():
                raise RuntimeError(f"store refuses: {answer.status}")
        return round(_LIMIT_POINTS / (time.perf_counter() - began))
    finally:
        connection.close()
        os.sched_setaffinity(0, before)


def _quantiles(values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100) if len(values) > 1 else [0.0] * 99
    return {"n": len(values), "p50": round(cuts[49], 1), "p99": round(cuts[98], 1), "most": round(max(values), 1)}
