"""The uplink and a broker that asks for TLS and a password."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from frostline_core.errors import ConfigError
from frostline_gateway.devices import Devices
from frostline_gateway.spool import Spool
from frostline_gateway.uplink import SYSTEM_CLOCKS, Uplink, UplinkStatus
from frostline_gateway.uplink_config import UplinkConfig
from tests.support.services import Mosquitto, binary, eventually_async
from tests.support.tls_broker import TlsMosquitto


class SecureMosquitto(TlsMosquitto):
    """Asks for a password too: one user `gw` with the password `right`."""

    def command(self) -> list[str]:
        command = super().command()
        users = self.folder / "users"
        subprocess.run([binary("mosquitto_passwd"), "-b", "-c", str(users), "gw", "right"], check=True)
        config = Path(command[-1])
        text = config.read_text().replace("allow_anonymous true", "allow_anonymous false")
        config.write_text(f"{text}password_file {users}\n")
        return command


@pytest.fixture
def secure(tmp_path: Path) -> SecureMosquitto:
    return SecureMosquitto(tmp_path)


@asynccontextmanager
async def running(folder: Path, config: UplinkConfig) -> AsyncIterator[Uplink]:
    async def follow(_: object) -> None:
        return

    with Spool.open(folder / "spool.db", 1 << 20, SYSTEM_CLOCKS.utc_ms) as spool:
        uplink = Uplink(config, "site", "gw", spool, Devices(), follow, chance=lambda: 0.1)
        task = asyncio.create_task(uplink.run())
        try:
            yield uplink
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def config(broker: Mosquitto, folder: Path, password: str, ca: bool = True) -> UplinkConfig:
    secret = folder / "password"
    secret.write_text(password)
    table = {"url": f"mqtts://localhost:{broker.port}", "username": "gw", "password": f"${{file:{secret}}}"}
    return UplinkConfig.model_validate(table | ({"ca_file": str(broker.folder / "cert.pem")} if ca else {}))


async def error_of(uplink: Uplink) -> UplinkStatus:
    await eventually_async(lambda: uplink.status().last_error)
    return uplink.status()


async def test_a_certificate_and_a_password_open_the_session(secure: SecureMosquitto, tmp_path: Path) -> None:
    with secure:
        async with running(tmp_path, config(secure, tmp_path, "right")) as uplink:
            await eventually_async(lambda: uplink.status().connected)


async def test_a_wrong_password_is_named(secure: SecureMosquitto, tmp_path: Path) -> None:
    with secure:
        async with running(tmp_path, config(secure, tmp_path, "wrong")) as uplink:
            status = await error_of(uplink)
    assert "refuses us: Not authorized" in status.last_error
    assert "wrong" not in status.last_error
    assert not status.connected


# paho leaves the socket of a failed handshake to the garbage collector, which closes it
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_certificate_that_nobody_vouches_for_is_refused(secure: SecureMosquitto, tmp_path: Path) -> None:
    with secure:
        async with running(tmp_path, config(secure, tmp_path, "right", ca=False)) as uplink:
            status = await error_of(uplink)
    assert "TLS" in status.last_error
    assert "ca_file" in status.last_error


async def test_a_secret_that_is_not_there_stops_the_uplink(tmp_path: Path) -> None:
    settings = UplinkConfig(username="gw", password="${file:/nowhere/password}")  # type: ignore[arg-type]  # parsed

    async def follow(_: object) -> None:
        return

    with (
        Spool.open(tmp_path / "spool.db", 1 << 20, SYSTEM_CLOCKS.utc_ms) as spool,
        pytest.raises(ConfigError, match="/nowhere/password"),
    ):
        await Uplink(settings, "site", "gw", spool, Devices(), follow).run()
