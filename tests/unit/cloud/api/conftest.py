"""The API of a seeded cold store, called without a network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from frostline_cloud.api import Role, Services, build, create_token
from tests.support.web import NOW_MS, Cloud, seed


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Databases that are only read."""
    services = Cloud().services(tmp_path_factory.mktemp("seeded"))
    seed(services.engine, services.store)
    yield services
    services.store.close()
    services.engine.dispose()


@pytest.fixture
def cloud() -> Cloud:
    """What the test changes."""
    return Cloud()


@pytest.fixture
def services(tmp_path: Path, cloud: Cloud) -> Iterator[Services]:
    """Databases of the test's own."""
    services = cloud.services(tmp_path)
    seed(services.engine, services.store)
    yield services
    services.store.close()
    services.engine.dispose()


def token_for(services: Services, role: Role = Role.VIEWER) -> str:
    """A new token."""
    with services.writing() as connection:
        number = connection.exec_driver_sql("SELECT count(*) FROM token").scalar_one()
        return create_token(connection, f"{role}-{number}", role, NOW_MS)


def client_of(services: Services, token: str | None = None) -> httpx.AsyncClient:
    """A client of the application; with a token, every request carries it."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    transport = httpx.ASGITransport(build(services), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", headers=headers)


@pytest.fixture
async def viewer(seeded: Services) -> AsyncIterator[httpx.AsyncClient]:
    """Reads the seeded cold store."""
    async with client_of(seeded, token_for(seeded)) as client:
        yield client
