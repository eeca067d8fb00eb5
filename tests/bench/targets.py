"""What the benches are held to, and the table that says what was met."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

_THROUGHPUT = ("ingest", "throughput")
_LATENCY = ("ingest", "latency")
_RESTART = ("restart", "cases")
_STORM = ("storm", "live_committed_ms")


@dataclass(frozen=True, slots=True)
class Target:
    """A number in a result, and what it must not pass.

    Attributes:
        what: For the table.
        path: Keys from the bench's name down to the number; each may be a pattern of fnmatch, of which the first match
            counts.
        limit: The bound.
        floor: The number must be at least `limit`; else at most.
    """

    what: str
    path: tuple[str, ...]
    limit: float
    floor: bool = False

    def met_by(self, value: float) -> bool:
        """Whether a number is on the right side."""
        return value >= self.limit if self.floor else value <= self.limit


def _case(store: str, metrics: int, what: str) -> tuple[str, ...]:
    return (*_THROUGHPUT, f"{store}, 1000 rules, {metrics} metrics a message", what)


TARGETS = (
    Target("ingest, CPU us per point, 1 metric a message", _case("victoriametrics", 1, "cpu_us_per_point"), 5.0),
    Target("ingest, CPU us per point, 20 metrics", _case("victoriametrics", 20, "cpu_us_per_point"), 1.0),
    Target("ingest, CPU us per point, 200 metrics", _case("victoriametrics", 200, "cpu_us_per_point"), 0.8),
    Target("ingest, share of influxd's limit, 200 metrics", _case("influxdb1", 200, "of_store_limit"), 0.85, True),
    Target("ingest, share of victoria-metrics' limit, 200", _case("victoriametrics", 200, "of_store_limit"), 0.8, True),
    Target("committed, p99 ms, at 10 %", (*_LATENCY, "10% of *", "committed_ms", "p99"), 100),
    Target("committed, p99 ms, at 50 %", (*_LATENCY, "50% of *", "committed_ms", "p99"), 250),
    Target("alert row, p99 ms, at 10 %", (*_LATENCY, "10% of *", "alert_ms", "p99"), 25),
    Target("alert row, p99 ms, at 50 %", (*_LATENCY, "50% of *", "alert_ms", "p99"), 100),
    Target("2,000 nodes back after a kill, births asked for", (*_RESTART, "nodes that go on", "rebirths_asked"), 0),
    Target("2,000 nodes back after a kill, s", (*_RESTART, "nodes that go on", "back_s"), 10),
    Target("2,000 births at once, CPU ms a node", (*_RESTART, "gateways, all born at once", "first_node_cpu_ms"), 2),
    Target("restart of 2,000 nodes, CPU s of the start", (*_RESTART, "nodes that go on", "start_cpu_s"), 2.0),
    Target("gateway, percent of a core", ("edge", "cpu_percent"), 2.0),
    Target("gateway, RSS MiB", ("edge", "rss_mib"), 60),
    Target("gateway, first sample after s", ("edge", "first_sample_s"), 2.0),
    Target("gateway, bytes on the wire per sample", ("edge", "wire_bytes_per_sample"), 12),
    Target("the same, groups of 5 s, compressed", ("edge", "packed", "wire_bytes_per_sample"), 12),
    Target("the same, percent of a core", ("edge", "packed", "cpu_percent"), 2.0),
    Target("metered link, MB a day", ("metered", "bursts_of_10_minutes", "mb_per_day"), 5.0),
    Target("card, MB a day, as delivered", ("card", "cases", "as delivered", "mb_per_day"), 50),
    Target("storm of 10,000, lost or doubled", ("storm", "lost_or_doubled"), 0),
    Target("storm of 10,000, all in the outbox after s", ("storm", "in_outbox_s"), 10),
    Target("storm of 10,000, live committed p95 during it, ms", (*_STORM, "during", "p95"), 2_000),
    Target("100,000 series x 5 rules against 10,000, CPU", ("series", "most against fewest"), 1.2),
    Target("1,000 rules against 10, CPU", ("growth", "rules", "1000 against 10"), 1.15),
)


def table(results: Mapping[str, Any]) -> str:
    """One line for each target of the benches that have run; "" when none of them has a target.

    Args:
        results: What each bench returned, by name. A bench that says {"skipped": why} or {"failed": why} gets a line
            that says so.
    """
    lines = [
        f"{name}: {what}: {found[what]}"
        for name, found in results.items()
        for what in ("skipped", "failed")
        if what in found
    ]
    ran = {name for name, found in results.items() if not {"skipped", "failed"} & found.keys()}
    rows = [(target, _found(results, target.path)) for target in TARGETS if target.path[0] in ran]
    width = max((len(target.what) for target, _ in rows), default=0)
    lines += [_line(target, value, width) for target, value in rows]
    return "\n".join(lines)


def _line(target: Target, value: float | None, width: int) -> str:
    bound = f"{'>=' if target.floor else '<='} {target.limit:g}"
    if value is None:
        return f"{target.what:<{width}}  {'-':>10}  {bound:>8}  not measured"
    return f"{target.what:<{width}}  {value:>10g}  {bound:>8}  {'met' if target.met_by(value) else 'MISSED'}"


def _found(found: Any, path: tuple[str, ...]) -> float | None:
    for step in path:
        if not isinstance(found, Mapping):
            return None
        key = next((each for each in found if fnmatchcase(each, step)), None)
        if key is None:
            return None
        found = found[key]
    return float(found) if isinstance(found, int | float) else None
