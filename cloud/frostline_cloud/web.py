"""The application that the process serves: API and console, or what an ingest without a web side shows of itself.

Apart from `run`, which imports it when ingest is at work already: it takes a second to load.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI

from frostline_cloud.api import Services, build, build_beside
from frostline_cloud.instant import now_ms
from frostline_cloud.notify.links.page import acknowledge_router

if TYPE_CHECKING:
    from frostline_cloud.config import CloudConfig
    from frostline_cloud.run import Asked, Shared


def application(config: CloudConfig, shared: Shared, asked: Asked, *, whole: bool) -> FastAPI:
    """The application, whole or beside ingest only.

    Raises:
        ConfigError: A text of notify cannot be used.
        UnavailableError: SQL does not answer.
    """
    services = Services(
        shared.engine,
        shared.store,
        shared.rules,
        asked.status,
        config.http,
        now_ms,
        asked.refetch,
        config.retention,
        asked.retire,
        config.notices.plan,
    )
    if not whole:
        return build_beside(services)
    from frostline_cloud.console import mount  # 22 MiB, a quarter of a second: not for ingest alone

    app = build(services)
    app.include_router(acknowledge_router(shared.engine, config.notices.texts(), now_ms))
    mount(app, services)
    return app
