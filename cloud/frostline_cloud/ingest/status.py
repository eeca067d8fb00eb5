"""What ingest says of itself, for the API, the metrics and people."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class IngestStatus:
    """What the ingest thread is doing; read by other threads, never written by them.

    Attributes:
        dropped: Messages that found a queue full; gateways send them again.
        holes: Batches that came although one before them is missing; gateways go back and send both.
    """

    connected: bool = False
    online: bool = False
    reason: str = "starting"
    connected_ms: int = 0
    messages: int = 0
    samples: int = 0
    flushes: int = 0
    flush_failures: int = 0
    transitions: int = 0
    duplicates: int = 0
    refused: int = 0
    unresolved: int = 0
    parked: int = 0
    overtaken: int = 0
    rebirths: int = 0
    queued: int = 0
    dropped: int = 0
    holes: int = 0
    store_s: float = 0.0
    sql_s: float = 0.0
    nodes: int = 0
    notes: dict[str, str] = field(default_factory=dict)


def count(status: IngestStatus) -> Counter[str]:
    """The counters of a status by name, for metrics."""
    names = ("messages", "samples", "flushes", "flush_failures", "transitions", "duplicates", "refused", "unresolved")
    return Counter({name: getattr(status, name) for name in (*names, "rebirths", "dropped", "holes", "overtaken")})
