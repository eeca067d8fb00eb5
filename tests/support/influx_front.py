"""An HTTP server that speaks InfluxDB 2's paths in front of a real InfluxDB 1, which has none of version 2's.

It changes addresses only: `/api/v2/write?bucket=B` becomes `/write?db=B`, `/query` stays, the token is checked. So the
client's side of version 2 runs against a real parser, real storage and a real InfluxQL.
"""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.support.services import PATIENCE_S

TOKEN = "front-token"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away, or was killed, is no error of ours."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # a socket, as it came


class InfluxFront:
    """The server, on a free port.

    Attributes:
        url: Its address.
        answer: When set, every write is answered with this status and body instead of being passed on.
        delay: When set, requests wait for it before they are answered.
        forgets: When true, writes are passed on and then answered with 503, as if the answer had been lost.
        halves: When true, the first half of the lines of a write is passed on, and then it is answered with 503.
    """

    def __init__(self, behind: str) -> None:
        self.answer: tuple[int, str] | None = None
        self.delay: threading.Event | None = None
        self.forgets = self.halves = False
        self._passing = threading.Condition()
        self._under_way, self._closed = 0, False
        self._behind = httpx.Client(base_url=behind, timeout=60, trust_env=False)
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.delay:
            self.delay.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        with self._passing:  # a request whose client has given up may still be on its way: its socket would stay open
            self._closed = True
            self._passing.wait_for(lambda: not self._under_way)
        self._behind.close()

    def respond(self, path: str, query: dict[str, str], body: bytes, content_type: str) -> tuple[int, bytes]:
        """Passes a request on; status and body of the answer."""
        with self._passing:
            if self._closed:
                return 503, b"closed"
            self._under_way += 1
        try:
            if path == "/query":
                found = self._behind.post(path, params=query, content=body, headers={"Content-Type": content_type})
                return found.status_code, found.content
            return self._write(query, body)
        except httpx.TransportError as error:
            return 502, str(error).encode()
        finally:
            with self._passing:
                self._under_way -= 1
                self._passing.notify_all()

    def _write(self, query: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if self.answer:
            return self.answer[0], self.answer[1].encode()
        target = {"db": query["bucket"], "precision": query["precision"]}
        if self.halves:
            lines = body.split(b"\n")
            body = b"\n".join(lines[: len(lines) // 2])
        found = self._behind.post("/write", params=target, content=body)
        if self.forgets or self.halves:
            return 503, b'{"code":"unavailable","message":"the answer was lost"}'
        return found.status_code, found.content


def _handler(front: InfluxFront) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65536  # one segment an answer: otherwise the client waits for a delayed ACK

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            if front.delay:
                front.delay.wait(PATIENCE_S)
            status, text = self._answer(body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def _answer(self, body: bytes) -> tuple[int, bytes]:
            parts = urlsplit(self.path)
            if self.headers["Authorization"] != f"Token {TOKEN}":
                return 401, b'{"code":"unauthorized","message":"unauthorized access"}'
            if parts.path not in ("/query", "/api/v2/write"):
                return 404, b'{"code":"not found","message":"path not found"}'
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            return front.respond(parts.path, query, body, self.headers["Content-Type"] or "")

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    return Handler
