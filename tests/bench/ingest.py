"""Ingest: mosquitto -> ingest (rules and commit protocol on) -> VictoriaMetrics; and the store's own limit beside it.

Broker, store and load share one core, ingest has the other. The load is sent faster than ingest can take it, so the
rate is the pipeline's; CPU per point is what counts, since rates on a shared machine drift.
"""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from tests.bench import process
from tests.support.services import Mosquitto, VictoriaMetrics, eventually

INGEST_CORE, OTHER_CORE = 0, 1
NODES, SERIES, RULES = 50, 10_000, 1_000
SHAPES = {1: 4_000, 20: 3_000, 200: 800}  # metrics per message: messages per second asked of the load
DURATION_S = 8.0


def measure() -> dict[str, Any]:
    """Points per second, CPU per point and memory, for each shape, with 10 and 1,000 rules at 20."""
    with tempfile.TemporaryDirectory(prefix="frostline-bench-") as folder:
        found = {
            f"{metrics} metrics, {rules} rules": _one(Path(folder) / f"{metrics}-{rules}", metrics, rules)
            for metrics, rules in ((1, RULES), (20, 10), (20, RULES), (200, RULES))
        }
    return {"cores": os.cpu_count(), "series": SERIES, "nodes": NODES, "runs": found}


def _one(folder: Path, metrics: int, rules: int) -> dict[str, Any]:
    folder.mkdir(parents=True)
    (folder / "mosquitto").mkdir()
    (folder / "store").mkdir()
    with Mosquitto(folder / "mosquitto") as broker, VictoriaMetrics(folder / "store") as store:
        for service in (broker, store):
            process.pin(service.pid, OTHER_CORE)
        limit = _store_limit(store.url, metrics)
        config = _configure(folder, broker, store, rules)
        ingest = process.frostline(["cloud", "ingest", "-c", str(config)], INGEST_CORE, folder / "ingest.log")
        try:
            return _loaded(folder, broker, ingest.pid, metrics) | {"store_limit_points_per_s": limit}
        finally:
            ingest.terminate()
            ingest.wait(30)


def _loaded(folder: Path, broker: Mosquitto, pid: int, metrics: int) -> dict[str, Any]:
    devices = max(1, SERIES // NODES // metrics)
    arguments = ["sim", "load", "--url", broker.url, "--nodes", str(NODES), "--devices", str(devices)]
    arguments += ["--metrics", str(metrics), "--rate", str(SHAPES[metrics]), "--duration", str(DURATION_S), "--proved"]
    eventually(lambda: (folder / "frostline.db").exists(), 30)
    idle_s = process.cpu_s(pid)
    began = time.monotonic()
    load = process.frostline([*arguments, "--host-id", "frostline"], OTHER_CORE, folder / "load.log")
    out, _ = load.communicate(timeout=180)
    took_s, used_s = time.monotonic() - began, process.cpu_s(pid) - idle_s
    written = _written(folder / "frostline.db")
    return {
        "sent": json.loads(out),
        "points_written": written,
        "points_per_s": round(written / took_s),
        "cpu_us_per_point": round(used_s / written * 1e6, 3) if written else None,
        "ingest_rss_mib": round(process.rss_mib(pid), 1),
    }


def _written(database: Path) -> int:
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        return int(connection.execute("SELECT coalesce(sum(written), 0) FROM account").fetchone()[0])


def _configure(folder: Path, broker: Mosquitto, store: VictoriaMetrics, rules: int) -> Path:
    (folder / "rules").mkdir()
    text = "\n".join(
        f'[[rule]]\nid = "r{n}"\ntitle = "Rule {n}"\ntype = "threshold"\nseverity = "info"\nabove = {1e9 + n}\n'
        f'[rule.select]\nmetric = "*{n % 100}"\n'
        for n in range(rules)
    )
    (folder / "rules" / "bench.toml").write_text(text, encoding="utf-8")
    config = folder / "cloud.toml"
    config.write_text(
        f'[broker]\nurl = "{broker.url}"\n[store]\nkind = "victoriametrics"\nurl = "{store.url}"\n'
        f'[sql]\nurl = "sqlite:///frostline.db"\n[rules]\nfolder = "rules"\n',
        encoding="utf-8",
    )
    return config


def _store_limit(url: str, metrics: int) -> int:
    """What the store takes of prebuilt lines of the same shape, over one connection, 5,000 points a request."""
    lines, now_ms = max(1, 5_000 // metrics), time.time_ns() // 1_000_000
    bodies = []
    for number in range(40):
        fields = ",".join(f"m{n}={n + number / 7!r}" for n in range(metrics))
        text = "\n".join(f"limit,device=d{n} {fields} {now_ms + number}" for n in range(lines))
        bodies.append(text.encode())
    with httpx.Client(timeout=30) as client:
        began = time.monotonic()
        for body in bodies:
            client.post(f"{url}/api/v2/write?precision=ms", content=body).raise_for_status()
        return round(len(bodies) * lines * metrics / (time.monotonic() - began))
