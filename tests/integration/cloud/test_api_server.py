"""The server itself: ports, TLS, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from frostline_cloud.api import HttpConfig, Services, build
from frostline_cloud.api.listener import listen
from frostline_cloud.api.server import serve
from frostline_core.config import parse
from frostline_core.errors import ConfigError, UnavailableError
from tests.support.services import PATIENCE_S, binary, free_port
from tests.support.web import Cloud


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = Cloud().services(tmp_path)
    yield services
    services.store.close()
    services.engine.dispose()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    asked = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([binary("openssl"), *asked, *named], check=True, capture_output=True)
    return cert, key


async def test_it_answers_until_told_to_stop(services: Services) -> None:
    port = free_port()  # nobody else is given it afterwards
    config, stop = HttpConfig(listen=f"127.0.0.1:{port}"), asyncio.Event()
    listener = listen(config)
    running = asyncio.create_task(serve(build(services), config, stop, listener))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as client:
        answer = await client.get("/healthz")
    stop.set()
    await asyncio.wait_for(running, 60)
    assert answer.json() == {"status": "alive"}
    assert "server" not in answer.headers
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_with_a_certificate_it_speaks_https(services: Services, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    config, stop = HttpConfig(listen="127.0.0.1:0", cert_file=cert, key_file=key), asyncio.Event()
    listener = listen(config)
    running = asyncio.create_task(serve(build(services), config, stop, listener))
    trusted = ssl.create_default_context(cafile=str(cert))
    async with httpx.AsyncClient(verify=trusted, timeout=PATIENCE_S) as client:
        answer = await client.get(f"https://127.0.0.1:{listener.getsockname()[1]}/healthz")
    stop.set()
    await asyncio.wait_for(running, 60)
    assert answer.headers["strict-transport-security"].startswith("max-age=")


async def test_a_key_that_does_not_fit_is_a_config_error(services: Services, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    key.write_text("nonsense")
    config = HttpConfig(listen="127.0.0.1:0", cert_file=cert, key_file=key)
    with pytest.raises(ConfigError, match=r"http\.cert_file"):
        await serve(build(services), config, asyncio.Event())


async def test_an_application_that_cannot_start_ends_the_server(services: Services) -> None:
    app = build(services)

    @contextlib.asynccontextmanager
    async def broken(_app: FastAPI) -> AsyncIterator[None]:
        raise RuntimeError("no")
        yield

    app.router.lifespan_context = broken
    with pytest.raises(UnavailableError):
        await serve(app, HttpConfig(listen="127.0.0.1:0"), asyncio.Event())


def test_an_address_in_use_is_a_config_error() -> None:
    with listen(HttpConfig(listen="127.0.0.1:0")) as first:
        config = HttpConfig(listen=f"127.0.0.1:{first.getsockname()[1]}")
        with pytest.raises(ConfigError, match="in use"):
            listen(config)


def test_a_certificate_needs_its_key() -> None:
    with pytest.raises(ConfigError, match="go together"):
        parse({"cert_file": Path("cert.pem")}, HttpConfig, "cloud.toml")
