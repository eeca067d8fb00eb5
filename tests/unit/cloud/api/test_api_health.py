"""Alive, ready, and in numbers."""

from __future__ import annotations

from frostline_cloud.api import Services
from tests.support.web import Cloud
from tests.unit.cloud.api.conftest import client_of, token_for


async def test_alive_needs_nothing(services: Services, cloud: Cloud) -> None:
    cloud.status = {}
    async with client_of(services) as client:
        services.store.close()
        assert (await client.get("/healthz")).json() == {"status": "alive"}


async def test_ready_when_sql_store_and_ingest_are(services: Services) -> None:
    async with client_of(services) as client:
        answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)
    assert [each["name"] for each in answer.json()["checks"]] == ["sql", "store", "ingest"]


async def test_not_ready_says_why(services: Services, cloud: Cloud) -> None:
    cloud.status = {"connected": True, "online": False, "reason": "disk full"}
    async with client_of(services) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"][2]["reason"] == "ingest: disk full"


async def test_an_ingest_of_which_nothing_is_known_is_not_ready(services: Services, cloud: Cloud) -> None:
    cloud.status = {}
    async with client_of(services) as client:
        answer = await client.get("/readyz")
    assert answer.json()["checks"][2] == {
        "name": "ingest",
        "ready": False,
        "reason": "the state of ingest is not known",
    }


async def test_sql_that_is_locked_or_gone_is_503_and_not_500(services: Services) -> None:
    async with client_of(services, token_for(services)) as client:
        with services.writing() as connection:
            connection.exec_driver_sql("ALTER TABLE site RENAME TO elsewhere")
        answer = await client.get("/api/v1/sites")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_values_are_stale_while_ingest_takes_no_data(services: Services, cloud: Cloud) -> None:
    cloud.status = {"connected": False, "reason": "connection refused"}
    async with client_of(services, token_for(services)) as client:
        device = (await client.get("/api/v1/devices/berlin/gw-1/meter-1")).json()
    assert device["values"][0]["stale"] is True
    assert device["values"][0]["stale_reason"] == "ingest: connection refused"


async def test_a_value_grows_stale_by_itself(services: Services, cloud: Cloud) -> None:
    async with client_of(services, token_for(services)) as client:
        cloud.now_ms += 597_000
        fresh = (await client.get("/api/v1/devices/berlin/gw-1/meter-1")).json()["values"][0]
        cloud.now_ms += 1
        old = (await client.get("/api/v1/devices/berlin/gw-1/meter-1")).json()["values"][0]
    assert (fresh["stale_reason"], old["stale_reason"]) == ("", "no new sample")


async def test_the_account_is_in_the_metrics(services: Services) -> None:
    async with client_of(services, token_for(services)) as client:
        text = (await client.get("/metrics")).text
    for line in (
        'frostline_samples_total{fate="written",node="gw-1",site="berlin"} 1490.0',
        'frostline_samples_unexplained{node="gw-1",site="berlin"} 0.0',
        'frostline_losses_total{node="gw-1",site="berlin"} 3.0',
        'frostline_lost_samples_total{node="gw-1",site="berlin"} 10.0',
        'frostline_recovered_samples_total{node="gw-1",site="berlin"} 0.0',
        'frostline_dead_letters{state="waiting"} 1.0',
        'frostline_dead_letter_bytes{state="waiting"} 2.0',
        'frostline_dead_letters{state="replayed"} 0.0',
        "frostline_dead_letter_bytes_most 2.68435456e+08",
        'frostline_node_online{node="gw-1",site="truck-7"} 0.0',
        'frostline_alerts{severity="critical",state="firing"} 1.0',
        "frostline_ready 1.0",
    ):
        assert line in text
