"""What goes out through MQTT, and what came in and could not be used."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to publish, or to leave with the broker as the will."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that is malformed or that nobody here can follow; `raw` is for the dead letters."""

    topic: str
    raw: bytes
    reason: str
