"""What API and console work with: SQL, the store, the rules, the state of ingest, and the time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Connection, Engine

from frostline_cloud.api.config import HttpConfig
from frostline_cloud.ingest.errands import Refetch, Retirement
from frostline_cloud.notify import Plan
from frostline_cloud.rules import in_force
from frostline_cloud.sql import RetentionConfig, read_only, translated
from frostline_cloud.store.port import Store
from frostline_core.rules import RuleSet


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that the web side needs, handed over by the process's wiring.

    Attributes:
        engine: SQL, migrated.
        store: The time series.
        rules: Those of files; `in_force` has all.
        status: What ingest says of itself, asked at each look: `connected` (bool: a broker session is up), `online`
            (bool: data can be kept), `reason` (str: why not). Without
            `connected` nothing is known, and nothing is then called ready or fresh.
        config: Where to listen and whom to let in.
        clock: UTC milliseconds.
        refetch: Asks a gateway to send a span of time again; None where ingest runs in another process.
        retention: How long SQL keeps what is over, and how many dead letters.
        retire: Ends the rules of a device that is gone for good; None where ingest runs in another process.
        plan: Who is told of what, by cloud.toml; `staffed` adds the overrides that were made since.
    """

    engine: Engine
    store: Store
    rules: RuleSet
    status: Callable[[], Mapping[str, object]]
    config: HttpConfig
    clock: Callable[[], int]
    refetch: Callable[[Refetch], None] | None = None
    retention: RetentionConfig = field(default_factory=RetentionConfig)
    retire: Callable[[Retirement], None] | None = None
    plan: Plan = field(default_factory=Plan)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads.

        Raises:
            UnavailableError: SQL does not answer.
        """
        with translated("sql"), read_only(self.engine).connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that commits at its end, or leaves nothing.

        Raises:
            UnavailableError: SQL does not answer, or is locked for too long.
        """
        with translated("sql"), self.engine.begin() as connection:
            yield connection

    def in_force(self) -> RuleSet:
        """The rules of files and those made over the API, as of now.

        Raises:
            UnavailableError: SQL does not answer.
        """
        with self.reading() as connection:
            return in_force(connection, self.rules, self.clock())

    def ingest_fault(self) -> str:
        """Why ingest takes no data now; "" when it does."""
        status = self.status()
        connected, reason = status.get("connected"), str(status.get("reason") or "")
        if connected is None:
            return reason or "the state of ingest is not known"
        if not connected:
            return f"ingest: {reason}" if reason else "ingest is not connected to the broker"
        if not status.get("online", True):
            return f"ingest: {reason}" if reason else "ingest cannot keep data"
        return ""


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Wired = Annotated[Services, Depends(_services)]
"""The services, as a dependency of an endpoint."""
