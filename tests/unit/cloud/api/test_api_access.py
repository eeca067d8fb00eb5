"""Who may call the API, and what happens to everybody else."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from frostline_cloud.api import HttpConfig, Role, Services, build, create_token, list_tokens, revoke_token
from frostline_cloud.api.access import DEMO, Access
from frostline_cloud.api.sessions import COOKIE
from frostline_cloud.api.tokens import find_token
from frostline_cloud.sql import tables
from frostline_core.config import parse
from frostline_core.errors import ConfigError
from tests.support.web import HOUR_MS, NOW_MS, Cloud, seed
from tests.unit.cloud.api.conftest import client_of, token_for

ALERT = "/api/v1/alerts/00000000-0000-4000-8000-000000000000/acknowledge"


@pytest.mark.parametrize("path", ["/api/v1/sites", "/metrics", "/api/v1/rules"])
async def test_without_a_token_nothing_is_shown(seeded: Services, path: str) -> None:
    async with client_of(seeded) as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_token_is_never_stored(services: Services) -> None:
    token = token_for(services)
    with services.reading() as connection:
        assert token not in str(connection.execute(select(tables.token)).all())
        assert token.startswith("frost_")


async def test_a_revoked_token_opens_nothing(services: Services) -> None:
    token = token_for(services)
    with services.writing() as connection:
        revoke_token(connection, "viewer-0", NOW_MS)
    async with client_of(services, token) as client:
        assert (await client.get("/api/v1/sites")).status_code == 401


async def test_a_token_ends_when_its_days_are_over(services: Services, cloud: Cloud) -> None:
    with services.writing() as connection:
        token = create_token(connection, "guest", Role.VIEWER, NOW_MS, days=1)
    async with client_of(services, token) as client:
        cloud.now_ms += 24 * HOUR_MS - 1
        assert (await client.get("/api/v1/sites")).status_code == 200
        cloud.now_ms += 1
        assert (await client.get("/api/v1/sites")).status_code == 401


def test_a_name_belongs_to_one_token_until_it_is_revoked(services: Services) -> None:
    with services.writing() as connection:
        create_token(connection, "anna", Role.VIEWER, NOW_MS)
        with pytest.raises(ConfigError, match="revoke it first"):
            create_token(connection, "anna", Role.ADMIN, NOW_MS)
        revoke_token(connection, "anna", NOW_MS)
        newest = create_token(connection, "anna", Role.ADMIN, NOW_MS)
        assert [each.valid(NOW_MS) for each in list_tokens(connection)] == [False, True]
        found = find_token(connection, newest, NOW_MS)
    assert found is not None
    assert found.role is Role.ADMIN


def test_revoking_a_token_that_is_not_there_is_an_error(services: Services) -> None:
    with services.writing() as connection, pytest.raises(ConfigError, match="no token named 'nobody'"):
        revoke_token(connection, "nobody", NOW_MS)


async def test_a_viewer_may_not_acknowledge(services: Services) -> None:
    async with client_of(services, token_for(services)) as client:
        answer = await client.post(ALERT)
    assert answer.status_code == 403
    assert "operator" in answer.json()["detail"]


async def test_an_operator_acknowledges_under_the_name_of_the_token(services: Services, cloud: Cloud) -> None:
    async with client_of(services, token_for(services, Role.OPERATOR)) as client:
        cloud.now_ms += 5000
        answer = await client.post(ALERT)
    assert (answer.status_code, answer.json()["state"]) == (200, "firing")
    assert (answer.json()["acknowledged_by"], answer.json()["acknowledged_ms"]) == ("operator-0", NOW_MS + 5000)


async def test_ten_wrong_tokens_in_a_minute_make_an_address_wait(services: Services, cloud: Cloud) -> None:
    token = token_for(services)
    async with client_of(services) as client:
        statuses = [
            (await client.get("/api/v1/sites", headers={"Authorization": f"Bearer wrong-{n}"})).status_code
            for n in range(12)
        ]
        right = {"Authorization": f"Bearer {token}"}
        waiting = await client.get("/api/v1/sites", headers=right)
        cloud.now_ms += 60_001
        after = await client.get("/api/v1/sites", headers=right)
    assert statuses == [401] * 10 + [429] * 2
    assert (waiting.status_code, waiting.headers["retry-after"]) == (429, "61")
    assert after.status_code == 200


class Browser:
    """A client with a session cookie."""

    def __init__(self, services: Services, role: Role) -> None:
        app = build(services)
        access: Access = app.state.access
        with services.writing() as connection:
            record = find_token(connection, create_token(connection, "anna", role, NOW_MS), NOW_MS)
        assert record is not None
        self.cookie, self.lasts_s = access.session(record)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8080", cookies={COOKIE: self.cookie}
        )


async def test_a_session_is_as_good_as_its_token(services: Services) -> None:
    async with Browser(services, Role.VIEWER).client as client:
        assert (await client.get("/api/v1/sites")).status_code == 200
        assert (await client.post(ALERT)).status_code == 403


async def test_a_session_ends_with_its_token(services: Services) -> None:
    async with Browser(services, Role.VIEWER).client as client:
        with services.writing() as connection:
            revoke_token(connection, "anna", NOW_MS)
        assert (await client.get("/api/v1/sites")).status_code == 401


async def test_a_session_ends_after_its_hours(services: Services, cloud: Cloud) -> None:
    browser = Browser(services, Role.VIEWER)
    assert browser.lasts_s == 12 * 3600
    async with browser.client as client:
        cloud.now_ms += 12 * HOUR_MS
        assert (await client.get("/api/v1/sites")).status_code == 401


@pytest.mark.parametrize(("position", "letter"), [(0, "9"), (-1, "g"), (-1, "é")])
async def test_a_session_that_we_did_not_sign_opens_nothing(services: Services, position: int, letter: str) -> None:
    browser = Browser(services, Role.VIEWER)
    forged = list(browser.cookie)
    forged[position] = letter
    cookie = f"{COOKIE}={''.join(forged)}".encode()
    async with client_of(services) as client:
        assert (await client.get("/api/v1/sites", headers={b"Cookie": cookie})).status_code == 401


async def test_another_site_cannot_acknowledge_with_our_session(services: Services) -> None:
    async with Browser(services, Role.OPERATOR).client as client:
        answer = await client.post(ALERT, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403


async def test_sessions_survive_a_restart(services: Services) -> None:
    browser = Browser(services, Role.VIEWER)
    async with client_of(services) as client:
        answer = await client.get("/api/v1/sites", headers={"Cookie": f"{COOKIE}={browser.cookie}"})
    assert answer.status_code == 200


@pytest.mark.parametrize(("host", "status"), [("127.0.0.1:8080", 200), ("localhost", 200), ("evil.example", 401)])
async def test_the_open_demo_is_open_to_this_machine_only(tmp_path: Path, host: str, status: int) -> None:
    services = Cloud().services(tmp_path, HttpConfig(demo_open=True))
    seed(services.engine, services.store)
    async with client_of(services) as client:
        assert (await client.get("/api/v1/sites", headers={"Host": host})).status_code == status
    assert DEMO.role is Role.OPERATOR
    services.store.close()
    services.engine.dispose()


@pytest.mark.parametrize("listen", ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:80", "cloud.example:8080"])
def test_the_open_demo_cannot_be_reached_from_the_network(listen: str) -> None:
    with pytest.raises(ConfigError, match="demo_open needs a loopback address"):
        parse({"listen": listen, "demo_open": True}, HttpConfig, "cloud.toml")


@pytest.mark.parametrize("listen", ["8080", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:70000", ""])
def test_a_listen_address_needs_host_and_port(listen: str) -> None:
    with pytest.raises(ConfigError, match="host:port"):
        parse({"listen": listen}, HttpConfig, "cloud.toml")


@pytest.mark.parametrize(
    ("path", "policy"), [("/api/v1/sites", "default-src 'none'"), ("/healthz", "frame-ancestors 'none'")]
)
async def test_every_answer_carries_security_headers(viewer: httpx.AsyncClient, path: str, policy: str) -> None:
    headers = (await viewer.get(path)).headers
    assert policy in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")


async def test_what_the_api_tells_is_not_cached(viewer: httpx.AsyncClient) -> None:
    assert (await viewer.get("/api/v1/sites")).headers["cache-control"] == "no-store"


async def test_a_huge_body_is_refused_unread(viewer: httpx.AsyncClient) -> None:
    assert (await viewer.post(ALERT, content=b"x" * 70_000)).status_code == 413
