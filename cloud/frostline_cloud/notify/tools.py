"""What all desks share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from sqlalchemy import Engine

from frostline_cloud.notify.links import Links
from frostline_cloud.notify.plan import Plan


@dataclass(slots=True)
class Counters:
    """What notify has done since it started."""

    attempts: int = 0
    delivered: int = 0
    retried: int = 0
    dead: int = 0
    skipped: int = 0
    refused_by_receiver: int = 0
    dispatched: int = 0
    unrouted: int = 0
    escalated: int = 0
    held: int = 0
    digests: int = 0
    groups: int = 0
    redirected: int = 0


@dataclass(frozen=True, slots=True)
class Tools:
    """What all desks share.

    Attributes:
        engine: The database with the outbox.
        clock: UTC milliseconds.
        random: Jitter of the waits.
        plan: Who is told of what.
        links: Puts links into what is sent; None where there is no public address.
        counters: Counted up here.
    """

    engine: Engine
    clock: Callable[[], int]
    random: Random
    plan: Plan
    links: Links | None = None
    counters: Counters = field(default_factory=Counters)
