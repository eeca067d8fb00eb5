"""Serving the application with uvicorn inside a running event loop, until an event says stop."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from frostline_cloud.api.config import HttpConfig
from frostline_cloud.api.listener import listen
from frostline_core.errors import ConfigError, UnavailableError

log = logging.getLogger("frostline.http")

GRACE_S: Final = 2
"""How long open connections may finish; a browser on the console never ends its own."""


async def serve(app: ASGIApp, config: HttpConfig, stop: asyncio.Event, listener: socket.socket | None = None) -> None:
    """Serves until `stop` is set, then lets requests finish for `GRACE_S`.

    Args:
        app: The application.
        config: Where to listen.
        stop: Ends it.
        listener: A socket of `listen`, for who must know the port beforehand.

    Raises:
        ConfigError: The address cannot be listened on, or certificate and key do not fit.
        UnavailableError: The application did not start; the log has the reason.
    """
    server = _Server(_settings(app, config))
    bound = listener or listen(config)
    host, port = bound.getsockname()[:2]
    scheme = "http" if config.cert_file is None else "https"
    log.info("console and API on %s://%s:%d/", scheme, f"[{host}]" if ":" in host else host, port)
    stopping = asyncio.create_task(_stop(server, stop), name="http stop")
    try:
        await server.serve(sockets=[bound])
    except SystemExit as error:  # how uvicorn says that the application's start failed; it has logged why
        raise UnavailableError("the web application did not start") from error
    finally:
        stopping.cancel()
        bound.close()


def _settings(app: ASGIApp, config: HttpConfig) -> uvicorn.Config:
    settings = uvicorn.Config(
        app,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=30,
        log_config=None,
        access_log=False,
        server_header=False,
        ws_max_size=1024 * 1024,
        ssl_certfile=config.cert_file,
        ssl_keyfile=config.key_file,
    )
    try:
        settings.load()
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"http.cert_file, http.key_file: {error}") from error
    return settings


class _Server(uvicorn.Server):
    """Signals belong to the process, not to one of its servers."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _stop(server: uvicorn.Server, stop: asyncio.Event) -> None:
    await stop.wait()
    server.should_exit = True
