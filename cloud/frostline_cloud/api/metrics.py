"""Numbers for Prometheus: those of this process, and those that SQL keeps over restarts, read at each scrape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, func, select

from frostline_cloud.alerts.noise import DAY_MS, noisiest
from frostline_cloud.alerts.read import NEEDS_SOMEBODY
from frostline_cloud.api.services import Services
from frostline_cloud.notify import exposition as notify
from frostline_cloud.rules import in_force
from frostline_cloud.sql import ledger, letters, told
from frostline_cloud.sql.tables import alert, handling, node, outbox
from frostline_core.rules.bundle import unsendable

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_NODE = ("site", "node")


def exposition(services: Services) -> bytes:
    """Everything, in the text format.

    Raises:
        UnavailableError: SQL does not answer; a scrape then fails, and that is what an alarm should be set on.
    """
    with services.reading() as connection:
        found = [
            *_samples(connection),
            *_gateways(connection),
            *_losses(connection),
            *_letters(services, connection),
            *_states(connection),
            *_unsent(services, connection),
            *_noise(connection, services.clock()),
            *notify.families(connection, services.clock()),
        ]
    ready = GaugeMetricFamily("frostline_ready", "1 while ingest takes data.", value=float(not services.ingest_fault()))
    kept = CollectorRegistry(auto_describe=False)
    kept.register(_Fixed([*found, ready]))
    return generate_latest(kept) + generate_latest(REGISTRY)


class _Fixed(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def _samples(connection: Connection) -> Iterator[Metric]:
    samples = CounterMetricFamily("frostline_samples", "Samples by what became of them.", labels=[*_NODE, "fate"])
    residue = GaugeMetricFamily("frostline_samples_unexplained", "Samples without a fate: must be 0.", labels=_NODE)
    for key, account in ledger.totals(connection).items():
        for fate in ("received", "written", "dead_lettered", "duplicate"):
            samples.add_metric([*key, fate], getattr(account, fate))
        residue.add_metric(key, account.residue)
    yield samples
    yield residue


def _gateways(connection: Connection) -> Iterator[Metric]:
    readings = CounterMetricFamily(
        "frostline_gateway_readings", "As gateways count: readings by fate, then samples.", labels=[*_NODE, "fate"]
    )
    totals, unexplained = told.totals(connection), told.unexplained(connection)
    for key, counts in totals.items():
        for fate, count in counts.items():
            readings.add_metric([*key, fate], count)
    residue = GaugeMetricFamily("frostline_readings_unexplained", "Readings without a fate: must be 0.", labels=_NODE)
    for key in totals:
        residue.add_metric(key, unexplained.get(key, 0))
    yield readings
    yield residue


def _losses(connection: Connection) -> Iterator[Metric]:
    """Listed and recovered both only grow; what is lost now is their difference."""
    listings = CounterMetricFamily("frostline_losses", "Entries in the list of losses.", labels=_NODE)
    samples = CounterMetricFamily("frostline_lost_samples", "Samples listed as lost, where counted.", labels=_NODE)
    recovered = CounterMetricFamily("frostline_recovered_samples", "Of those, stored after all.", labels=_NODE)
    for key, lost in ledger.lost(connection).items():
        listings.add_metric(key, lost.listings + lost.recovered)
        samples.add_metric(key, lost.samples + lost.recovered_samples)
        recovered.add_metric(key, lost.recovered_samples)
    yield listings
    yield samples
    yield recovered


def _letters(services: Services, connection: Connection) -> Iterator[Metric]:
    count = GaugeMetricFamily("frostline_dead_letters", "Dead letters that are kept.", labels=["state"])
    size = GaugeMetricFamily("frostline_dead_letter_bytes", "What they weigh.", labels=["state"])
    kept, bound = letters.kept(connection), services.retention.letters
    for state, amount in (("waiting", kept.waiting), ("replayed", kept.replayed)):
        count.add_metric([state], amount.letters)
        size.add_metric([state], amount.size)
    yield count
    yield size
    yield GaugeMetricFamily("frostline_dead_letters_most", "At more, the oldest are dropped.", value=bound.letters)
    yield GaugeMetricFamily("frostline_dead_letter_bytes_most", "The same in bytes.", value=bound.size)


def _states(connection: Connection) -> Iterator[Metric]:
    online = GaugeMetricFamily("frostline_node_online", "1 while a gateway's session is up.", labels=_NODE)
    for row in connection.execute(select(node.c.site, node.c.node, node.c.online)):
        online.add_metric([row.site, row.node], float(row.online))
    alerts = GaugeMetricFamily("frostline_alerts", "Alerts by state and severity.", labels=["state", "severity"])
    for row in connection.execute(
        select(alert.c.state, alert.c.severity, func.count().label("n")).group_by(alert.c.state, alert.c.severity)
    ):
        alerts.add_metric([row.state, row.severity], row.n)
    waiting = GaugeMetricFamily("frostline_notifications", "Notifications by state.", labels=["receiver", "state"])
    for row in connection.execute(
        select(outbox.c.receiver, outbox.c.state, func.count().label("n")).group_by(outbox.c.receiver, outbox.c.state)
    ):
        waiting.add_metric([row.receiver, row.state], row.n)
    yield online
    yield alerts
    yield waiting


def _unsent(services: Services, connection: Connection) -> Iterator[Metric]:
    unsent = GaugeMetricFamily("frostline_rules_unsent", "1: its rules are too large to be sent to it.", labels=_NODE)
    gateways = [(row.site, row.node) for row in connection.execute(select(node.c.site, node.c.node))]
    for key in unsendable(in_force(connection, services.rules, services.clock()).rules, gateways):
        unsent.add_metric(key, 1)
    yield unsent


def _noise(connection: Connection, now_ms: int) -> Iterator[Metric]:
    """The 20 noisiest rules of the last 24 h, and alerts that are not told."""
    count = GaugeMetricFamily("frostline_rule_alerts_day", "Alerts of a rule that opened in 24 h.", labels=["rule"])
    score = GaugeMetricFamily("frostline_rule_flap_score", "The part of them that flaps, 0 to 1.", labels=["rule"])
    for each in noisiest(connection, now_ms - DAY_MS):
        count.add_metric([each.rule], each.alerts)
        score.add_metric([each.rule], each.flap_score)
    muted = GaugeMetricFamily("frostline_alerts_muted", "Open alerts that are not told, by reason.", labels=["why"])
    joined = handling.join(alert, alert.c.id == handling.c.id)
    query = select(handling.c.muted, func.count().label("n")).select_from(joined)
    query = query.where(handling.c.muted.is_not(None), alert.c.state.in_(NEEDS_SOMEBODY)).group_by(handling.c.muted)
    for row in connection.execute(query):
        muted.add_metric([row.muted], row.n)
    yield count
    yield score
    yield muted
