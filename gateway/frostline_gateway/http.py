"""Status and metrics over HTTP, on threads of its own: /status (JSON), /metrics (Prometheus), /healthz.

There is no password and nothing can be changed; keep it on loopback, or behind something that asks for one.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from frostline_core.errors import ConfigError
from frostline_gateway.config import HttpConfig
from frostline_gateway.metrics import exposition

log = logging.getLogger("frostline.http")

_MOST_THREADS = 8
_REQUEST_S = 10.0


@contextmanager
def serving(
    config: HttpConfig, snapshot: Callable[[], dict[str, Any]], healthy: Callable[[], str]
) -> Iterator[tuple[str, int]]:
    """Serves until the block ends; gives the address and the port that it listens on.

    Args:
        config: Where to listen.
        snapshot: The status document.
        healthy: Why the process is not healthy, or "".

    Raises:
        ConfigError: The address is taken or not ours.
    """
    try:
        server = _Server((config.host, config.port), _handler(snapshot, healthy))
    except OSError as error:
        raise ConfigError(f"http.listen: cannot listen on {config.listen}: {error.strerror or error}") from error
    thread = threading.Thread(target=server.serve_forever, args=(0.5,), name="http", daemon=True)
    thread.start()
    try:
        yield config.host, int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join(_REQUEST_S)


class _Server(ThreadingHTTPServer):
    """At most eight requests at once; further ones are cut off at once, so that nobody can pile up threads."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._slots = threading.BoundedSemaphore(_MOST_THREADS)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()


def _handler(snapshot: Callable[[], dict[str, Any]], healthy: Callable[[], str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server_version = "frostline-gateway"
        sys_version = ""
        timeout = _REQUEST_S

        def do_GET(self) -> None:
            """Answers one request."""
            if self.path == "/status":
                self._answer(HTTPStatus.OK, "application/json", json.dumps(snapshot(), default=repr).encode())
            elif self.path == "/metrics":
                self._answer(HTTPStatus.OK, "text/plain; version=0.0.4; charset=utf-8", exposition(snapshot))
            elif self.path == "/healthz":
                why = healthy()
                status = HTTPStatus.SERVICE_UNAVAILABLE if why else HTTPStatus.OK
                self._answer(status, "application/json", json.dumps({"healthy": not why, "reason": why}).encode())
            else:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"/status, /metrics, /healthz\n")

        def log_message(self, format: str, *arguments: object) -> None:
            """Requests are normal operation, and that is silent."""
            log.debug(format, *arguments)

        def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

    return Handler
