"""Numbers of notify for Prometheus that SQL keeps over restarts, read at each scrape."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import Connection

from frostline_cloud.notify.canary.figures import figures
from frostline_cloud.notify.figures import receiver_figures
from frostline_cloud.notify.health import HealthState


def families(connection: Connection, now_ms: int) -> Iterator[Metric]:
    """Health and latency of receivers, and the canary's figures."""
    labels = ["receiver", "state"]
    health = GaugeMetricFamily("frostline_receiver_health", "1 for the state that a receiver is in.", labels=labels)
    attempts = GaugeMetricFamily(
        "frostline_receiver_attempts_24h", "Attempts of the last 24 h.", labels=["receiver", "result"]
    )
    quantiles = ["receiver", "quantile"]
    took = GaugeMetricFamily(
        "frostline_receiver_seconds_24h", "How long attempts of the last 24 h took.", labels=quantiles
    )
    for each in receiver_figures(connection, now_ms):
        for state in HealthState:
            health.add_metric([each.receiver, state.value], float(each.health == state))
        attempts.add_metric([each.receiver, "ok"], each.attempts - each.failed)
        attempts.add_metric([each.receiver, "failed"], each.failed)
        for quantile, value in (("0.5", each.p50_ms), ("0.95", each.p95_ms)):
            if value is not None:
                took.add_metric([each.receiver, quantile], value / 1000)
    yield from (health, attempts, took)
    yield from _canary(connection)


def _canary(connection: Connection) -> Iterator[Metric]:
    found = figures(connection)
    if not found.flights:
        return
    yield GaugeMetricFamily("frostline_canary_flights", "Flights looked at, at most 100.", value=found.flights)
    yield GaugeMetricFamily("frostline_canary_failed", "Those of them that did not arrive.", value=found.failed)
    ok = float(not found.last_error)
    yield GaugeMetricFamily("frostline_canary_ok", "1 if the newest flight arrived.", value=ok)
    if found.arrived_ms is not None:
        name = "frostline_canary_arrived_timestamp_seconds"
        yield GaugeMetricFamily(name, "When the newest flight that arrived began.", value=found.arrived_ms / 1000)
    took = GaugeMetricFamily("frostline_canary_seconds", "From sensor to receiver.", labels=["quantile"])
    for quantile, value in (("0.5", found.p50_ms), ("0.95", found.p95_ms)):
        if value is not None:
            took.add_metric([quantile], value / 1000)
    yield took
