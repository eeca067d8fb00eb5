"""Ingest with its two databases, on a real broker: what a test may break and look into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from frostline_cloud.config import CloudConfig
from frostline_cloud.ingest.config import BrokerConfig, IngestConfig
from frostline_cloud.ingest.ingest import Ingest
from frostline_cloud.instant import now
from frostline_cloud.run import Shared, build_ingest
from frostline_cloud.sql import migrate, open_engine
from frostline_cloud.store import Place, Store, open_store
from frostline_cloud.store.config import StoreConfig
from frostline_core.moment import Moment
from frostline_core.rules import RuleSet
from tests.support.edge_node import EdgeNode, now_ms
from tests.support.services import Mosquitto, eventually

RUN = 0xABCD << 48 | 7
PLACE = Place("cold_room", "site-a", "gw-1", "freezer-1", "freezer-1")
TOO_WARM = {
    "id": "too-warm",
    "title": "Too warm",
    "type": "threshold",
    "severity": "critical",
    "above": -15.0,
    "select": {"metric": "air_temperature"},
}


@dataclass
class Cloud:
    """One ingest and SQLite in a folder; the embedded store there too, unless another is given.

    Attributes:
        offline_after_s: Longer than a busy machine stalls; a test about outages gives a shorter one.
        clock: What ingest takes for the time.
    """

    folder: Path
    broker: Mosquitto
    rules: RuleSet
    linger_ms: int = 10
    offline_after_s: float = 60
    kept_in: StoreConfig | None = None
    clock: Callable[[], Moment] = now
    engine: Engine = field(init=False)
    store: Store = field(init=False)
    ingest: Ingest = field(init=False)

    def start(self) -> None:
        """Opens everything and starts ingest."""
        config = CloudConfig(
            broker=BrokerConfig(url=f"mqtt://{self.broker.host}:{self.broker.port}"),
            store=self.kept_in or StoreConfig(path=self.folder / "history.duckdb"),
            ingest=IngestConfig(offline_after_s=self.offline_after_s, online_after_s=0.5, linger_ms=self.linger_ms),
        )
        with ExitStack() as opened:  # closed again if the start fails
            self.engine = open_engine(f"sqlite:///{self.folder}/frostline.db")
            opened.callback(self.engine.dispose)
            migrate(self.engine)
            self.store = open_store(config.store)
            opened.callback(self.store.close)
            self.ingest = build_ingest(config, Shared(self.engine, self.store, self.rules), self.clock)
            self.ingest.start()
            opened.pop_all()

    def stop(self) -> None:
        """A clean stop; stopped already, it stays so."""
        self.ingest.stop()
        self.store.close()
        self.engine.dispose()

    def stop_heard(self, edge: EdgeNode) -> None:
        """A clean stop, and the gateway knows it: otherwise it would take an earlier "online" for the next one."""
        self.stop()
        eventually(lambda: edge.states[-1:] == [False])

    def start_heard(self, edge: EdgeNode) -> None:
        """Starts again, and returns when the gateway knows it."""
        self.start()
        eventually(lambda: edge.states[-1:] == [True])

    def restart(self, edge: EdgeNode) -> None:
        """A clean stop and a start, both known to the gateway."""
        self.stop_heard(edge)
        self.start_heard(edge)

    @contextmanager
    def running(self) -> Iterator[Cloud]:
        """Started, and stopped at the end."""
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def rows(self, table: Any, **where: object) -> list[Any]:
        """Rows of a table."""
        with self.engine.connect() as connection:
            return list(connection.execute(select(table).filter_by(**where)))

    def count(self, place: Place = PLACE, metric: str = "air_temperature") -> int:
        """Samples in the store."""
        return sum(each.count for each in self.store.series(place, metric, 0, now_ms() + 10_000, 1))
