"""How cost grows: ingest with series, rules and nodes, and the gateway's spool with what waits in it.

Each number comes from a pipeline of its own (`tests.bench.ingest`: broker, victoria-metrics and load on one core and
ingest on the other), 20 metrics a message; only what a table is about changes. What should not matter is seen as a
column that stays the same from top to bottom.
"""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from frostline_core.commit import Commit, GatewayCommit, GatewayLimits
from frostline_core.reading import Stream
from frostline_gateway.spool import AccountDelta, NewRow, Spool
from tests.bench import ingest, process
from tests.bench.recording import WINDOW, Load
from tests.support.services import eventually

METRICS = 20
NODES, DEVICES = 50, 10
RULES = 1_000
REST_S, PATIENCE_S = 0.5, 60.0
EACH_DEVICE = 40
"""Messages of each device, at least."""
ROW_BYTES, ROWS_AT_ONCE = 200, 1_000
LOOKS, SENDS_MOST = 200, 64
BUDGET_BYTES = 8 << 30
OLD_MS = 3_600_000
"""What waits in the spool is older than this, so that it is backlog and what comes is live."""
MOST_UNDER_WAY = 8_000
"""Messages of all nodes together: a broker drops QoS 0 messages when very many wait, and this load sends none again."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What is tried.

    Attributes:
        series: Over 50 nodes.
        rules: Threshold rules by exact metric name, spread over 20 metrics, on 10,000 series.
        nodes: With 10,000 series in all.
        backlog: Rows that wait in the spool.
        messages: Of one run.
        runs: Of each case of rules, whose ratio is held to a target; the median counts.
    """

    series: Sequence[int] = (1_000, 10_000, 50_000, 100_000)
    rules: Sequence[int] = (0, 10, 1_000, 5_000)
    nodes: Sequence[int] = (10, 100, 500)
    backlog: Sequence[int] = (0, 100_000, 1_000_000)
    messages: int = 40_000
    runs: int = 3


def measure(sizes: Sizes | None = None) -> dict[str, Any]:
    """Each table as rows by the number that grows."""
    sizes = sizes or Sizes()
    base = Load(NODES, DEVICES, METRICS, METRICS, sizes.messages, patience_s=PATIENCE_S)
    rules: dict[str, Any] = {str(each): _median(base, each, sizes.runs) for each in sizes.rules}
    if {"10", "1000"} <= rules.keys():
        ratio = rules["1000"]["cpu_us_per_point"] / rules["10"]["cpu_us_per_point"]
        rules["1000 against 10"] = round(ratio, 3)
    return {
        "metrics_a_message": METRICS,
        "series": {str(each): cost(_series(base, each), RULES) for each in sizes.series},
        "rules": rules,
        "nodes": {str(each): cost(_over(base, each), RULES) for each in sizes.nodes},
        "backlog": {str(each): _apart(each) for each in sizes.backlog},
    }


def _over(load: Load, nodes: int) -> Load:
    """The same devices, over so many nodes."""
    window = min(WINDOW, max(1, MOST_UNDER_WAY // nodes))
    return replace(load, nodes=nodes, devices=max(1, load.nodes * load.devices // nodes), window=window)


def _series(load: Load, series: int) -> Load:
    """So many series over the same nodes; their births take a while, and each device's first messages cost more."""
    devices = max(1, series // load.metrics // load.nodes)
    messages = max(load.messages, EACH_DEVICE * load.nodes * devices)
    return replace(load, devices=devices, messages=messages, patience_s=PATIENCE_S + load.nodes * devices / 50)


def _median(load: Load, rules: int, runs: int) -> dict[str, float]:
    each = [cost(load, rules) for _ in range(runs)]
    return {name: statistics.median(run[name] for run in each) for name in each[0]}


def cost(load: Load, rules: int) -> dict[str, float]:
    """What ingest costs for one load: at rest, for births, and for points and messages."""
    with ingest.pipeline("victoriametrics", rules, load.metrics) as running:
        _rest(running.pid)
        born_s, log = process.cpu_s(running.pid), running.folder / "player.log"
        with process.player(running.broker.url, asdict(load), ingest.OTHER_CORE, log) as player:
            _rest(running.pid)
            used_s, written = process.cpu_s(running.pid), _written(running.folder)
            born_s = used_s - born_s
            told = player.play()
            used_s, written = process.cpu_s(running.pid) - used_s, _written(running.folder) - written
        rss = process.rss_mib(running.pid)
    return {
        "missing": told["points"] - written,
        "cpu_us_per_point": round(used_s / written * 1e6, 3),
        "cpu_us_per_message": round(used_s / written * load.per_message * 1e6, 1),
        "birth_cpu_ms_per_device": round(born_s / load.nodes / load.devices * 1e3, 2),
        "points_per_s": round(written / told["seconds"]),
        "rss_mib": round(rss, 1),
    }


def _rest(pid: int) -> None:
    """Waits until a process does next to nothing."""
    last_s = [-1.0]

    def still() -> bool:
        before_s, last_s[0] = last_s[0], process.cpu_s(pid)
        return last_s[0] - before_s < REST_S / 10

    eventually(still, 120, REST_S)


def _written(folder: Path) -> int:
    with sqlite3.connect(f"file:{folder / 'frostline.db'}?mode=ro", uri=True) as connection:
        return int(connection.execute("SELECT coalesce(sum(written), 0) FROM account").fetchone()[0])


def _apart(rows: int) -> dict[str, float]:
    """`waiting` in a process of its own, for its memory."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:
        return other.submit(waiting, rows).result()


def waiting(rows: int) -> dict[str, float]:
    """What an append, a look of the uplink and a commit cost while so many rows wait; and to open the spool again.

    A look chooses what may go out, at most 64 rows, out of backlog and live; the commits of all of it follow.
    """
    with tempfile.TemporaryDirectory(prefix="frostline-bench-", dir="/var/tmp") as name:  # never in memory
        path = Path(name) / "spool.db"
        with Spool.open(path, BUDGET_BYTES, _utc_ms) as spool:
            old = _row(_utc_ms() - OLD_MS)
            for first in range(0, rows, ROWS_AT_ONCE):
                count = min(ROWS_AT_ONCE, rows - first)
                spool.append([old] * count, AccountDelta(count * METRICS, count * METRICS))
        began_s = time.process_time()
        with Spool.open(path, BUDGET_BYTES, _utc_ms) as spool:
            opened_s, rss = time.process_time() - began_s, process.rss_mib(os.getpid())
            found = _looks(spool)
    return found | {"open_cpu_ms": round(opened_s * 1e3, 2), "rss_mib": round(rss, 1)}


def _looks(spool: Spool) -> dict[str, float]:
    commit = GatewayCommit(spool, lambda: 0.5, _utc_ms(), GatewayLimits(backlog_per_s=0.0))
    commit.session_started(0, _utc_ms())
    append_s = look_s = commit_s = 0.0
    chosen = 0
    for turn in range(1, LOOKS + 1):
        now_ms, row = turn * 100_000, _row(_utc_ms())
        began_s = time.process_time()
        spool.append([row], AccountDelta(METRICS, METRICS))
        appended_s = time.process_time()
        commit.tick(now_ms)
        through: dict[int, int] = {}
        for _ in range(SENDS_MOST):
            if (send := commit.next(now_ms, _utc_ms())) is None:
                break
            through[send.mark.run] = send.mark.n
            chosen += 1
        looked_s = time.process_time()
        for run, n in through.items():
            commit.on_commit(Commit(run, n), now_ms)
        done_s = time.process_time()
        append_s, look_s, commit_s = (
            append_s + appended_s - began_s,
            look_s + looked_s - appended_s,
            commit_s + done_s - looked_s,
        )
    return {
        "append_cpu_us": round(append_s / LOOKS * 1e6, 1),
        "look_cpu_us_per_row": round(look_s / max(chosen, 1) * 1e6, 1),
        "commit_cpu_us_per_look": round(commit_s / LOOKS * 1e6, 1),
        "rows_a_look": round(chosen / LOOKS, 1),
    }


def _row(at_ms: int) -> NewRow:
    return NewRow(Stream.SAMPLES, "room-1", bytes(ROW_BYTES), METRICS, at_ms, at_ms)


def _utc_ms() -> int:
    return time.time_ns() // 1_000_000


def table(result: dict[str, Any]) -> str:
    """The tables as text."""
    return "\n\n".join(_one(name, result[name]) for name in ("series", "rules", "nodes", "backlog"))


def _one(name: str, rows: dict[str, Any]) -> str:
    shown = {key: row for key, row in rows.items() if isinstance(row, dict)}
    columns = list(next(iter(shown.values()), {}))
    widths = [max(len(column), 9) for column in columns]
    lines = [f"{name:>9}  " + "  ".join(f"{c:>{w}}" for c, w in zip(columns, widths, strict=True))]
    for key, row in shown.items():
        lines.append(f"{key:>9}  " + "  ".join(f"{row[c]:>{w}g}" for c, w in zip(columns, widths, strict=True)))
    return "\n".join(lines)
