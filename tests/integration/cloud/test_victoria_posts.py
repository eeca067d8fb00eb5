"""Lines on their way to VictoriaMetrics: what an answer means, and what a request carries."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from frostline_cloud.store.line_writer import RefusedError
from frostline_cloud.store.victoria_posts import Credentials, VictoriaPosts
from frostline_core.errors import UnavailableError
from tests.support.services import PATIENCE_S, free_port

LINES = b"cold_room,device=a value=1 1700000000000\n"


class Server(ThreadingHTTPServer):
    """Notes requests, and answers each with the same."""

    daemon_threads = True
    status, text = 204, b""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, str, bytes]] = []
        self.connections = 0
        self.hangs: threading.Event | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, self.headers["Authorization"] or "", body))
        if self.server.hangs is not None:
            self.server.hangs.wait(PATIENCE_S)
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.text)))
        self.end_headers()
        with suppress(BrokenPipeError):  # a client that has given up is gone
            self.wfile.write(self.server.text)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def posts(server: Server) -> Iterator[VictoriaPosts]:
    found = posts_to(server.url)
    yield found
    found.close()


def posts_to(url: str, credentials: Credentials | None = None, timeout_s: float = PATIENCE_S) -> VictoriaPosts:
    return VictoriaPosts(url, credentials or Credentials(), timeout_s, ssl.create_default_context())


def test_lines_go_as_they_are_over_one_connection(server: Server, posts: VictoriaPosts) -> None:
    for _ in range(3):
        posts.send(LINES)

    assert server.seen == [("/api/v2/write?precision=ms", "", LINES)] * 3
    assert server.connections == 1


def test_a_tenants_path_comes_first(server: Server) -> None:
    posts = posts_to(f"{server.url}/insert/7/influx/")

    posts.send(LINES)
    posts.close()

    assert server.seen[0][0] == "/insert/7/influx/api/v2/write?precision=ms"


@pytest.mark.parametrize(
    ("credentials", "header"),
    [
        (Credentials(token="t"), "Token t"),
        (Credentials("frost", "line"), "Basic ZnJvc3Q6bGluZQ=="),
        (Credentials(), ""),
    ],
    ids=["token", "user", "none"],
)
def test_credentials_go_with_each_request(server: Server, credentials: Credentials, header: str) -> None:
    posts = posts_to(server.url, credentials)

    posts.send(LINES)
    posts.close()

    assert server.seen[0][1] == header


@pytest.mark.parametrize("status", [301, 401, 403, 404, 429, 500, 503])
def test_statuses_that_say_try_again(server: Server, posts: VictoriaPosts, status: int) -> None:
    server.status, server.text = status, b"the reason"

    with pytest.raises(UnavailableError, match=f"HTTP {status}: the reason"):
        posts.send(LINES)


@pytest.mark.parametrize(("status", "too_large"), [(400, False), (413, True), (422, False)])
def test_statuses_that_say_that_the_lines_are_at_fault(
    server: Server, posts: VictoriaPosts, status: int, too_large: bool
) -> None:
    server.status, server.text = status, b"the reason"

    with pytest.raises(RefusedError, match="the reason") as refused:
        posts.send(LINES)

    assert refused.value.too_large is too_large


def test_a_server_that_hangs_is_unavailable(server: Server) -> None:
    server.hangs, posts = threading.Event(), posts_to(server.url, timeout_s=0.5)

    with pytest.raises(UnavailableError, match=r"no answer within 0\.5 s"):
        posts.send(LINES)

    server.hangs.set()
    posts.close()


def test_a_server_that_is_not_there_is_unavailable() -> None:
    posts = posts_to(f"http://127.0.0.1:{free_port()}")

    with pytest.raises(UnavailableError, match="store write"):
        posts.send(LINES)

    posts.close()
