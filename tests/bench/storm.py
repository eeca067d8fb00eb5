"""A storm beside live ingest: 10,000 series cross a limit at one instant while everything else goes on.

mosquitto -> ingest (1,010 rules, commit protocol, notify) -> victoria-metrics and SQLite on disk, as in `tests.bench.
ingest`; a webhook receiver answers on the other core. Live messages go on at a steady rate before, during and after.
Counted at the end, from SQL: alerts that fired, notifications to each receiver, none missing and none twice; when the
last was in the outbox; and what the live messages waited for their commit before the storm, until the outbox had all,
and while the receiver with no budget is told one by one.
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from frostline_cloud.notify.receivers.webhook.signature import new_secret
from tests.bench import process
from tests.bench.ingest import INGEST_CORE, NODES, OTHER_CORE, START_S
from tests.bench.recording import ALARM, Load, rules_text
from tests.support.hook import Hook
from tests.support.services import Mosquitto, VictoriaMetrics, eventually, free_port

LOAD = Load(NODES, 10, 20, 20, 14_000, interval_ms=2.0, storm_at=4_000)
"""10,000 points/s over 10,000 series; the storm is 500 messages of 20 values after 8 s."""
_DISPATCHED_S = 180.0
_RECEIVERS = ("grouped", "single")
_RULE = (
    '[[rule]]\nid = "storm"\ntitle = "Storm"\ntype = "threshold"\nseverity = "critical"\n'
    f'above = {ALARM}\n[rule.select]\nmetric = "value_*"\n'
)


def measure(load: Load = LOAD) -> dict[str, Any]:
    """One storm: every series of the load crosses its limit at `storm_at`."""
    transitions = load.nodes * load.devices * load.metrics
    with Hook() as hook, _pipeline(hook.port) as (folder, broker, pid):
        with process.player(broker, asdict(load), OTHER_CORE, folder / "player.log") as player:
            told = player.play()
        began_ms = told["start_ms"] + load.due_ms(load.storm_at)
        database = folder / "frostline.db"
        eventually(lambda: _count(database, "receiver = 'single'") >= transitions, _DISPATCHED_S)
        rss = process.rss_mib(pid)
        counts = _counts(database)
        last_ms, noted_ms = (
            _one(database, f"SELECT max(created_ms) {_of(theirs)}") for theirs in ("receiver != '*'", "receiver = '*'")
        )
        grouped = [each.content for each in hook.requests if each.content["type"] == "alert.group"]
    full_ms = last_ms - began_ms
    return {
        "transitions": transitions,
        "live_points_per_s": round(load.per_message * 1000 / load.interval_ms),
        "player_late_ms": round(told["late_ms"], 1),
        **counts,
        "lost_or_doubled": sum(abs(counts[name] - transitions) for name in counts),
        "noted_s": round((noted_ms - began_ms) / 1000, 3),
        "in_outbox_s": round(full_ms / 1000, 3),
        "messages_of_groups": len(grouped),
        "listed_by_groups": sum(each["counts"]["fired"] for each in grouped),
        "rss_mib": round(rss, 1),
        "live_committed_ms": _live(load, told, full_ms),
    }


def table(result: dict[str, Any]) -> str:
    """What live messages waited, a line for each time."""
    return "\n".join(f"{name:<7} {waits}" for name, waits in result["live_committed_ms"].items())


def _live(load: Load, told: dict[str, Any], full_ms: float) -> dict[str, dict[str, float]]:
    """Waits of live messages; the first quarter is left out, and the storm's own messages are."""
    storm_ms = load.due_ms(load.storm_at)
    pairs = list(zip(told["commit_due_ms"], told["commit_waits_ms"], strict=True))
    spans = {
        "before": (storm_ms / 4, storm_ms),
        "during": (storm_ms + 0.5, storm_ms + max(full_ms, 1_000.0)),
        "after": (storm_ms + max(full_ms, 1_000.0), float("inf")),
    }
    return {name: _quantiles([wait for due, wait in pairs if low <= due < high]) for name, (low, high) in spans.items()}


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    if len(values) < 2:
        return {"n": len(values)}
    cuts = statistics.quantiles(values, n=100)
    return {"n": len(values), "p50": round(cuts[49], 1), "p95": round(cuts[94], 1), "most": round(max(values), 1)}


def _counts(database: Path) -> dict[str, int]:
    """Alerts that fire, news of them, and notifications to each receiver: each must be as many as transitions."""
    fired = _one(database, "SELECT count(*) FROM alert WHERE rule = 'storm' AND fired_ms IS NOT NULL")
    found = {"alerts": fired, "news": _count(database, "receiver = '*'")}
    for name in _RECEIVERS:
        theirs = f"receiver = '{name}'"
        found[f"for {name}"] = _count(database, theirs)
        found[f"alerts for {name}"] = _one(database, f"SELECT count(DISTINCT alert) {_of(theirs)}")
    return found


def _count(database: Path, condition: str) -> int:
    return _one(database, f"SELECT count(*) {_of(condition)}")


def _of(condition: str) -> str:
    storm = "alert IN (SELECT id FROM alert WHERE rule = 'storm')"
    return f"FROM outbox WHERE {condition} AND type = 'alert.firing' AND {storm}"


def _one(database: Path, question: str) -> int:
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60) as connection:
        return int(connection.execute(question).fetchone()[0] or 0)


@contextmanager
def _pipeline(port: int) -> Iterator[tuple[Path, str, int]]:
    """Broker, store and ingest with two receivers: one whose route groups, one that is told one by one."""
    with tempfile.TemporaryDirectory(prefix="frostline-storm-", dir="/var/tmp") as name:
        folder = Path(name)
        for each in ("mosquitto", "store", "rules"):
            (folder / each).mkdir()
        with Mosquitto(folder / "mosquitto") as broker, VictoriaMetrics(folder / "store") as store:
            for service in (broker, store):
                process.pin(service.pid, OTHER_CORE)
            config = _configure(folder, broker.url, store.url, port)
            with process.ended(
                process.frostline(["cloud", "ingest", "-c", str(config)], INGEST_CORE, folder / "ingest.log")
            ) as ingest:
                eventually((folder / "frostline.db").exists, START_S)
                yield folder, broker.url, ingest.pid


def _configure(folder: Path, broker: str, store: str, port: int) -> Path:
    (folder / "rules" / "bench.toml").write_text(rules_text(1_000, 20) + "\n" + _RULE, encoding="utf-8")
    (folder / "secret").write_text(new_secret(), encoding="ascii")
    receivers = "".join(
        f'[[receiver]]\nname = "{each}"\nurl = "http://127.0.0.1:{port}/{each}"\n'
        f'secret = "${{file:{folder}/secret}}"\nallow = ["127.0.0.0/8"]\n'
        for each in _RECEIVERS
    )
    routes = (
        '[[route]]\nname = "grouped"\nto = ["grouped"]\nrules = ["storm"]\ngroup = {}\ncontinue = true\n'
        '[[route]]\nname = "single"\nto = ["single"]\nrules = ["storm"]\n'
    )
    config = folder / "cloud.toml"
    config.write_text(
        f'[broker]\nurl = "{broker}"\n[store]\nkind = "victoriametrics"\nurl = "{store}"\ndatabase = "frostline"\n'
        f'[sql]\nurl = "sqlite:///{folder}/frostline.db"\n[rules]\nfolder = "{folder}/rules"\n'
        f'[http]\nlisten = "127.0.0.1:{free_port()}"\n{receivers}{routes}',
        encoding="utf-8",
    )
    return config
