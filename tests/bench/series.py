"""Many series under five rules each: what a sample costs the rules, and what a series costs in memory.

The evaluator as ingest drives it, in a process of its own for each number of series: rows of 20 values of a device, a
value of each series a minute of event time, the clock after each round, what changed taken as rows for SQL and settled.
Each series has two thresholds, levels, absence and a stuck value, which sees every sample: this is what samples cost
where guards pass none of them. One series of 500 leaves its range for a while. The same number of samples is shown to
each number of series, so that a cost that grows with it shows.
"""

from __future__ import annotations

import gc
import math
import multiprocessing
import os
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Final

from frostline_core.rules import Evaluator, RuleSet, Series, parse
from tests.bench import process

SERIES: Final = (10_000, 100_000)
SAMPLES: Final = 300_000
"""Shown to each number of series."""

RUNS: Final = 3
METRICS: Final = 20
_NOW_MS: Final = 1_770_000_000_000
_MINUTE_MS: Final = 60_000
_STRAYS: Final = 500
_GC: Final = (
    200_000,
    20,
    100,
)  # as ingest sets it: with Python's own the collector looks at every series again and again
_ABOUT: Final[dict[str, Any]] = {"title": "T", "severity": "warning", "select": {"metric": "value_*"}}
_RULES: Final[tuple[dict[str, Any], ...]] = (
    {"id": "warm", "type": "threshold", "above": 8.0, "hysteresis": 0.5, "for": "10m", "clear_for": "5m"},
    {"id": "levels", "type": "levels", "level": [{"above": 9.0, "for": "10m"}, {"above": 12.0, "for": "1m"}]},
    {"id": "silent", "type": "absence", "max_silence": "15m"},
    {"id": "cold", "type": "threshold", "below": -5.0, "hysteresis": 0.5, "for": "10m"},
    {"id": "stuck", "type": "stuck", "unchanged_for": "2h", "tolerance": 0.0},
)


def measure(series: Sequence[int] = SERIES, samples: int = SAMPLES, runs: int = RUNS) -> dict[str, Any]:
    """Each number of series, and how the cost of a sample with the most compares with that with the fewest.

    The numbers take turns, so that a machine that slows down slows all of them down; medians.
    """
    each: dict[int, list[dict[str, float]]] = {count: [] for count in series}
    for _ in range(runs):
        for count in series:
            each[count].append(_apart(count, samples))
    found: dict[str, Any] = {
        str(count): {name: round(statistics.median(run[name] for run in done), 3) for name in done[0]}
        for count, done in each.items()
    }
    few, many = (found[str(count)]["cpu_us_per_sample"] for count in (min(series), max(series)))
    return {"rules_each": len(_RULES), **found, "most against fewest": round(many / few, 3)}


def part(options: list[str]) -> dict[str, Any]:
    """`--series N`: one number, once."""
    return _apart(int(options[options.index("--series") + 1]), SAMPLES)


def table(result: dict[str, Any]) -> str:
    """A line for each number of series."""
    return "\n".join(f"{name:>8} series  {row}" for name, row in result.items() if isinstance(row, dict))


def _apart(series: int, samples: int) -> dict[str, float]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:
        return other.submit(cost, series, samples).result()


def cost(series: int, samples: int) -> dict[str, float]:
    """What so many series cost to bind, what a sample costs, and the memory at the end."""
    gc.set_threshold(*_GC)
    before = process.rss_mib(os.getpid())
    began_s = time.process_time()
    evaluator = Evaluator(RuleSet.of([parse({**_ABOUT, **rule}, "bench") for rule in _RULES]))
    evaluator.listen(_NOW_MS)
    firsts = [_bind(evaluator, number) for number in range(series // METRICS)]
    bound_s = time.process_time() - began_s
    rounds = max(3, samples // series)
    _round(evaluator, firsts, -1)  # the first sample of a series is dearer
    began_s, transitions = time.process_time(), 0
    for number in range(rounds):
        transitions += _round(evaluator, firsts, number)
    used_s = time.process_time() - began_s
    return {
        "bind_cpu_us_per_series": bound_s / series * 1e6,
        "cpu_us_per_sample": used_s / rounds / len(firsts) / METRICS * 1e6,
        "transitions": transitions,
        "rss_mib": process.rss_mib(os.getpid()) - before,
        "bytes_per_rule_and_series": (process.rss_mib(os.getpid()) - before) * 2**20 / series / len(_RULES),
    }


def _bind(evaluator: Evaluator, device: int) -> int:
    slots = [
        evaluator.bind(Series("site", f"gw-{device // 20}", f"device-{device}", "bench", "", f"value_{n:03d}"))
        for n in range(METRICS)
    ]
    return slots[0]


def _round(evaluator: Evaluator, firsts: Sequence[int], number: int) -> int:
    """A value of each series, the clock, and what SQL would be given; returns the number of transitions."""
    at_ms = _NOW_MS + (number + 1) * _MINUTE_MS
    plain = [4.0 + math.sin(number + n) for n in range(METRICS)]
    stray = [10.0 if number // 20 % 2 else plain[0], *plain[1:]]
    for first in firsts:
        evaluator.observe_row(first, stray if first % _STRAYS == 0 else plain, at_ms)
    evaluator.advance(at_ms)
    staged = evaluator.staged()
    evaluator.settle()
    return len(staged.transitions)
