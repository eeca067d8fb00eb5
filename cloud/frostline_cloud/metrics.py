"""Prometheus metrics of the cloud process, read from the parts at each scrape."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from frostline_cloud.ingest.ingest import Ingest
from frostline_cloud.ingest.status import count
from frostline_cloud.notify import NotifyWorker

_GAUGES = ("connected", "online", "queued", "parked", "nodes")
_SECONDS = ("store_s", "sql_s")


class CloudCollector(Collector):
    """Reads the status of ingest and notify."""

    def __init__(self, ingest: Ingest, notify: NotifyWorker) -> None:
        self._ingest, self._notify = ingest, notify

    def collect(self) -> Iterator[Metric]:
        """One family a figure."""
        status = self._ingest.status
        for name, value in count(status).items():
            yield _counter(f"frostline_ingest_{name}", f"Ingest: {name.replace('_', ' ')}.", value)
        for name in _SECONDS:
            what = name.removesuffix("_s")
            yield _counter(f"frostline_ingest_{what}_seconds", f"Time spent writing to {what}.", getattr(status, name))
        for name in _GAUGES:
            yield GaugeMetricFamily(f"frostline_ingest_{name}", f"Ingest: {name}.", value=float(getattr(status, name)))
        for name, value in self._notify.counters().items():
            yield _counter(f"frostline_notify_{name}", f"Notify: {name.replace('_', ' ')}.", value)


def _counter(name: str, help_text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, help_text, value=float(value))


def export(ingest: Ingest, notify: NotifyWorker) -> None:
    """Adds the collector to the process's registry."""
    REGISTRY.register(CloudCollector(ingest, notify))
