"""What the API and the metrics say of receivers, the canary and dead letters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import insert, update

from frostline_cloud.alerts import record
from frostline_cloud.api import Role, Services, build, create_token
from frostline_cloud.notify.exposition import families
from frostline_cloud.notify.health import Health, keep, target_hash
from frostline_cloud.sql.tables import canary, delivery, outbox
from frostline_core.rules import Phase, Series, Transition
from tests.support.web import FREEZER_WARM, NOW_MS, Cloud

ROOM = Series("hamburg", "gw-1", "room-1", "cold_room", "", "air_temperature")


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    made = Cloud().services(tmp_path)
    step = Transition(FREEZER_WARM.id, ROOM, Phase.OK, Phase.FIRING, NOW_MS, -5.0, -15.0, "")
    with made.writing() as connection:
        record(connection, [step], made.rules, ["duty"], NOW_MS)
        message = connection.execute(outbox.select()).one().id
        tried = [{"outbox": message, "at_ms": NOW_MS, "error": "HTTP 500", "took_ms": took} for took in (40, 80)]
        connection.execute(insert(delivery), [row | {"status": 500} for row in tried])
        keep(connection, Health("duty", target_hash("x")).gone("410: gone", NOW_MS))
        for took_ms, error in ((900, ""), (None, "not told within 60 s"), (1100, "")):
            connection.execute(insert(canary).values(at_ms=NOW_MS, receiver="ops", took_ms=took_ms, error=error))
    yield made
    made.store.close()
    made.engine.dispose()


@pytest.fixture
async def operator(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    with services.writing() as connection:
        token = create_token(connection, "ann", Role.OPERATOR, NOW_MS)
    headers = {"Authorization": f"Bearer {token}"}
    transport = httpx.ASGITransport(build(services), raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1:8080/api/v1/notify", headers=headers
    ) as client:
        yield client


async def test_receivers_are_shown_with_health_and_latency(operator: httpx.AsyncClient) -> None:
    (found,) = (await operator.get("/receivers")).json()

    assert found == {
        "receiver": "duty",
        "health": "gone",
        "reason": "410: gone",
        "states": {"waiting": 1},
        "attempts": 2,
        "failed": 2,
        "p50_ms": 40,
        "p95_ms": 80,
    }


async def test_a_receiver_can_be_enabled(operator: httpx.AsyncClient) -> None:
    (found,) = (await operator.post("/receivers/duty/enable")).json()

    assert (found["health"], found["reason"]) == ("ok", "")
    assert (await operator.post("/receivers/nobody/enable")).status_code == 404


async def test_the_canary_is_shown(operator: httpx.AsyncClient) -> None:
    found = (await operator.get("/canary")).json()

    assert (found["flights"], found["failed"], found["p50_ms"], found["p95_ms"]) == (3, 1, 900, 1100)
    assert (found["last_took_ms"], found["last_error"]) == (1100, "")


async def test_a_dead_notification_is_listed_and_sent_again(operator: httpx.AsyncClient, services: Services) -> None:
    with services.writing() as connection:
        connection.execute(update(outbox).values(state="dead", done_ms=NOW_MS))

    (found,) = (await operator.get("/dead-letters", params={"receiver": "duty"})).json()
    first = (await operator.post(f"/dead-letters/{found['id']}/replay")).json()
    second = (await operator.post(f"/dead-letters/{found['id']}/replay")).json()

    assert (found["type"], found["error"]) == ("alert.firing", "HTTP 500")
    assert (first, second) == ({"revived": 1}, {"revived": 0})
    assert (await operator.get("/dead-letters")).json() == []


class _Fixed(Collector):
    def __init__(self, found: list[Metric]) -> None:
        self.found = found

    def collect(self) -> list[Metric]:
        return self.found


def test_the_metrics_say_how_receivers_and_the_canary_do(services: Services) -> None:
    registry = CollectorRegistry(auto_describe=False)
    with services.reading() as connection:
        registry.register(_Fixed(list(families(connection, NOW_MS))))
    text = generate_latest(registry).decode()

    assert 'frostline_receiver_health{receiver="duty",state="gone"} 1.0' in text
    assert 'frostline_receiver_attempts_24h{receiver="duty",result="failed"} 2.0' in text
    assert 'frostline_receiver_seconds_24h{quantile="0.95",receiver="duty"} 0.08' in text
    assert 'frostline_canary_seconds{quantile="0.95"} 1.1' in text
    assert "frostline_canary_ok 1.0" in text
    assert "frostline_canary_failed 1.0" in text
