"""VictoriaMetrics shows what was written a little later: nobody is told of an older generation meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if request.url.path == "/internal/force_flush":
            return httpx.Response(self.flush)
        return httpx.Response(200, json={"data": {"result": [{"metric": {}, "value": [0, "7"]}]}})


def opened(server: Server, seconds: Sequence[float]) -> VictoriaStore:
    times: Iterator[float] = iter(seconds)
    http = httpx.Client(base_url="http://store", transport=httpx.MockTransport(server.answer))
    return VictoriaStore(Silent(), http, lambda: next(times))


def test_the_generation_is_read_after_a_flush() -> None:
    server = Server(204)
    store = opened(server, [0.0])
    assert store.generation() == 7
    assert server.asked == ["/internal/force_flush", "/api/v1/query"]
    store.close()


@pytest.mark.parametrize("refusal", [401, 403, 404])
def test_a_server_that_may_not_be_flushed_is_asked_when_all_can_be_seen(refusal: int) -> None:
    store = opened(Server(refusal), [100.0, 101.0, 100.0 + SHOWN_S])
    with pytest.raises(UnavailableError, match="another 14 s"):
        store.generation()
    assert store.generation() == 7
    store.close()
