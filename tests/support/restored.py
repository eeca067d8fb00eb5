"""SQL put back to what a backup knew, under an ingest whose store knows more, and the second look at what it forgot."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence

from frostline_cloud.ingest import forgotten
from frostline_cloud.ingest.retrospect import SHOWN_MS, Retrospect
from frostline_cloud.rules import Rulebook
from frostline_cloud.sql.tables import outbox
from frostline_cloud.store import open_store
from frostline_cloud.store.config import StoreConfig
from tests.support.edge_node import EdgeNode, mark, now_ms
from tests.support.ingest_cloud import RUN, Cloud
from tests.support.services import eventually

MINUTE = 60_000
LATER = RUN + 1
_MOST_STEPS = 100
Samples = Sequence[tuple[int, float]]
"""How many minutes ago, and the temperature."""


def shown_ms() -> int:
    """A clock by which every store shows what was just written."""
    return now_ms() + SHOWN_MS


def send(edge: EdgeNode, run: int, samples: Samples, now: int, first: int = 1) -> None:
    """One batch for each, each after the one before is committed."""
    for n, (minutes, value) in enumerate(samples, first):
        edge.data("freezer-1", {"air_temperature": value}, now - minutes * MINUTE, mark(run, n))
        eventually(lambda n=n: edge.committed(run) == n)  # type: ignore[misc]


def restore(cloud: Cloud, edge: EdgeNode, known: Samples, forgotten_samples: Samples, now: int) -> None:
    """Samples, a backup of SQL, more samples, and the backup in place of SQL."""
    send(edge, RUN, known, now)
    cloud.stop_heard(edge)
    eventually(lambda: _is_marked(cloud))
    shutil.copy(cloud.folder / "frostline.db", cloud.folder / "backup.db")
    cloud.start_heard(edge)
    send(edge, RUN, forgotten_samples, now, len(known) + 1)
    cloud.stop_heard(edge)
    shutil.copy(cloud.folder / "backup.db", cloud.folder / "frostline.db")
    cloud.start_heard(edge)


def _is_marked(cloud: Cloud) -> bool:
    """Whether whoever starts now sees in the store how far SQL has come; VictoriaMetrics shows a new series late."""
    store = open_store(cloud.kept_in or StoreConfig(path=cloud.folder / "history.duckdb"))
    try:
        return store.generation() > 0
    finally:
        store.close()


def retrospect(cloud: Cloud, clock_ms: Callable[[], int] = shown_ms) -> Retrospect:
    """One that has not looked yet."""
    return Retrospect(cloud.engine, cloud.store, Rulebook(cloud.engine, cloud.rules), ["desk"], clock_ms)


def looks_back(cloud: Cloud, clock_ms: Callable[[], int] = shown_ms) -> Retrospect:
    """One that has looked at every device; a step ends by the clock, after a stall before it has come to all."""
    made = retrospect(cloud, clock_ms)
    for _ in range(_MOST_STEPS):
        made.step()
        if not made.left:
            break
    return made


def left(cloud: Cloud) -> int:
    """Devices whose forgotten span is not done."""
    with cloud.engine.connect() as connection:
        return len(forgotten.waiting(connection))


def told(cloud: Cloud, kind: str) -> int:
    """Notifications of a type."""
    return len(cloud.rows(outbox, type=kind))
