"""VictoriaMetrics shows what was written a little later: nobody is told of an older generation meanwhile."""

from __future__ import annotations

import httpx
import pytest

from frostline_cloud.store.victoria import SHOWN_S, VictoriaStore
from frostline_core.errors import UnavailableError


class Silent:
    """Takes every write."""

    def send(self, body: bytes) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is open."""


class Server:
    """Answers with generation 7, which a flush makes visible."""

    def __init__(self, flush: int) -> None:
        self.flush, self.asked = flush, list[str]()
        self.now_s = 100.0
        self.start = "1"
        self.shows = True

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if request.url.path == "/internal/force_flush":
            return httpx.Response(self.flush)
        if request.url.path == "/metrics":
            return httpx.Response(200, text=f"process_start_time_seconds {self.start}\n")
        found = [{"metric": {}, "value": [0, "7"]}] if self.shows else []
        return httpx.Response(200, json={"data": {"result": found}})


def opened(server: Server) -> VictoriaStore:
    http = httpx.Client(base_url="http://store", transport=httpx.MockTransport(server.answer))
    return VictoriaStore(Silent(), http, lambda: server.now_s)


def test_the_generation_is_read_after_a_flush() -> None:
    server = Server(204)
    store = opened(server)
    assert store.generation() == 7
    assert server.asked == ["/metrics", "/internal/force_flush", "/api/v1/query"]
    store.close()


@pytest.mark.parametrize("refusal", [401, 403, 404])
def test_a_server_that_may_not_be_flushed_is_asked_when_all_can_be_seen(refusal: int) -> None:
    server = Server(refusal)
    store = opened(server)
    server.now_s += 1
    with pytest.raises(UnavailableError, match="not be seen yet"):
        store.generation()
    server.now_s += SHOWN_S - 1
    assert store.generation() == 7
    store.close()


def test_what_was_sent_again_takes_its_time_too() -> None:
    server = Server(403)
    store = opened(server)
    store.check()
    server.now_s += 60
    server.start = "2"
    with pytest.raises(UnavailableError, match="not be seen yet"):
        store.generation()
    server.now_s += SHOWN_S
    assert store.generation() == 7
    store.close()


def test_a_new_series_that_a_flush_does_not_show_is_asked_for_again() -> None:
    server = Server(204)
    server.shows = False
    store = opened(server)
    with pytest.raises(UnavailableError, match="shows 0 of 7 flushes"):
        store.generation(7)
    server.now_s += 5
    server.shows = True
    assert store.generation(7) == 7
    store.close()


def test_a_server_that_has_forgotten_is_believed_when_all_could_be_seen() -> None:
    server = Server(204)
    server.shows = False
    store = opened(server)
    assert store.generation() == 0
    with pytest.raises(UnavailableError):
        store.generation(7)
    server.now_s += SHOWN_S
    assert store.generation(7) == 0
    store.close()
