"""The status document as Prometheus metrics, made anew for each scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class _Gateway(Collector):
    def __init__(self, snapshot: Callable[[], dict[str, Any]]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """Every metric of the gateway."""
        status = self._snapshot()
        yield from _account(status["account"])
        yield from _spool(status["spool"])
        yield from _clock(status["clock"])
        yield from _uplink(status["uplink"])
        yield from _field(status)


def exposition(snapshot: Callable[[], dict[str, Any]]) -> bytes:
    """The text that Prometheus reads."""
    registry = CollectorRegistry()
    registry.register(_Gateway(snapshot))
    return generate_latest(registry)


def _account(account: dict[str, Any] | None) -> Iterator[Metric]:
    if account is None:
        return
    for name, text in (
        ("read", "Readings that drivers emitted."),
        ("kept", "Samples worth keeping."),
        ("filtered", "Readings that said nothing new."),
        ("rejected", "Readings that no metric describes, or of the wrong type."),
        ("committed", "Samples that the cloud has in its database."),
    ):
        yield CounterMetricFamily(f"frostline_samples_{name}", text, value=account[name])
    yield GaugeMetricFamily("frostline_samples_pending", "Samples in the spool.", value=account["pending"])
    lost = CounterMetricFamily("frostline_samples_lost", "Samples dropped, by reason.", labels=["reason"])
    for reason, count in account["lost_by_reason"].items():
        lost.add_metric([reason], count)
    yield lost
    residue = GaugeMetricFamily(
        "frostline_account_residue",
        "What a hop cannot explain: 0 unless there is a bug.",
        labels=["hop"],
    )
    for hop, count in account["residue"].items():
        residue.add_metric([hop], count)
    yield residue


def _spool(spool: dict[str, Any]) -> Iterator[Metric]:
    yield GaugeMetricFamily("frostline_spool_failing", "1 while the disk takes no rows.", value=bool(spool["error"]))
    if "rows" in spool:
        wrote_s = spool["written_ms"] / 1000
        yield GaugeMetricFamily("frostline_spool_written_seconds", "When the disk last took rows.", value=wrote_s)
        yield GaugeMetricFamily("frostline_spool_rows", "Rows held.", value=spool["rows"])
        yield GaugeMetricFamily("frostline_spool_bytes", "What the rows weigh.", value=spool["bytes"])
        yield GaugeMetricFamily(
            "frostline_spool_budget_bytes", "Most that rows may weigh.", value=spool["budget_bytes"]
        )
        yield GaugeMetricFamily(
            "frostline_samples_waiting", "Samples that wait for the time of day.", value=spool["waiting_samples"]
        )
        yield GaugeMetricFamily(
            "frostline_spool_ring_bytes", "What rows weigh that the cloud has.", value=spool["ring_bytes"]
        )
        yield GaugeMetricFamily(
            "frostline_spool_oldest_age_seconds", "Age of the oldest row.", value=spool["oldest_age_s"] or 0
        )


def _clock(clock: dict[str, Any]) -> Iterator[Metric]:
    for name, text in (
        ("believed", "1 while the time of day is believed; readings wait while it is not."),
        ("synchronised", "1 while something keeps the clock right."),
    ):
        yield GaugeMetricFamily(f"frostline_clock_{name}", text, value=bool(clock[name]))
    ahead_s = clock["ahead_ms"] / 1000
    yield GaugeMetricFamily("frostline_clock_ahead_seconds", "Our time before the clock's, once set back.", ahead_s)
    yield CounterMetricFamily("frostline_clock_steps", "Times that the clock was set.", value=clock["steps"])
    last_s = clock["last_step_ms"] / 1000
    yield GaugeMetricFamily("frostline_clock_last_step_seconds", "By how much it was last set.", value=last_s)


def _uplink(uplink: dict[str, Any]) -> Iterator[Metric]:
    for name, text in (
        ("connected", "1 while connected to the broker."),
        ("born", "1 while births are out."),
        ("host_online", "1 while the cloud says that it can take data."),
    ):
        yield GaugeMetricFamily(f"frostline_uplink_{name}", text, value=bool(uplink[name]))
    for name, text in (
        ("reconnects", "Connections after the first."),
        ("identity_conflicts", "Times that another client seemed to use our identity."),
    ):
        yield CounterMetricFamily(f"frostline_uplink_{name}", text, value=int(uplink[name]))


def _field(status: dict[str, Any]) -> Iterator[Metric]:
    online = GaugeMetricFamily("frostline_device_online", "1 while the device answers.", labels=["device", "kind"])
    heard = GaugeMetricFamily("frostline_device_heard_seconds", "Time of its newest reading.", labels=["device"])
    for device in status["devices"]:
        online.add_metric([device["id"], device["kind"]], device["online"])
        heard.add_metric([device["id"]], device["heard_ms"] / 1000)
    yield online
    yield heard
    restarts = CounterMetricFamily("frostline_driver_restarts", "Starts after the first.", labels=["driver"])
    failing = GaugeMetricFamily("frostline_driver_failing", "1 while the driver does not work.", labels=["driver"])
    for driver in status["drivers"]:
        restarts.add_metric([driver["name"]], driver["restarts"])
        failing.add_metric([driver["name"]], bool(driver["error"]))
    yield restarts
    yield failing
    commands = CounterMetricFamily("frostline_commands", "Commands, by outcome.", labels=["outcome"])
    for outcome, count in status["commands"].items():
        commands.add_metric([outcome], count)
    yield commands
