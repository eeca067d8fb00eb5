"""Ingest with its two databases, on a real broker: what a test may break and look into."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from frostline_cloud.config import CloudConfig
from frostline_cloud.ingest.config import BrokerConfig, IngestConfig
from frostline_cloud.ingest.ingest import Ingest
from frostline_cloud.run import Shared, build_ingest
from frostline_cloud.sql import migrate, open_engine
from frostline_cloud.store import Place, Store, open_store
from frostline_cloud.store.config import StoreConfig
from frostline_core.rules import RuleSet
from tests.support.edge_node import now_ms
from tests.support.services import Mosquitto

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
    """

    folder: Path
    broker: Mosquitto
    rules: RuleSet
    linger_ms: int = 10
    offline_after_s: float = 60
    kept_in: StoreConfig | None = None
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
        self.engine = open_engine(f"sqlite:///{self.folder}/frostline.db")
        migrate(self.engine)
        self.store = open_store(config.store)
        self.ingest = build_ingest(config, Shared(self.engine, self.store, self.rules))
        self.ingest.start()

    def stop(self) -> None:
        """A clean stop."""
        self.ingest.stop()
        self.store.close()
        self.engine.dispose()

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
