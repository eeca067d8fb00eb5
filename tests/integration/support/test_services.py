"""The services that other tests stand on: start, stop, the same server again."""

from __future__ import annotations

import socket

import httpx
import pytest

from tests.support.services import (
    PATIENCE_S,
    Influxd,
    Mosquitto,
    VictoriaMetrics,
    eventually,
    eventually_async,
    free_port,
)


def _open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_mosquitto_comes_back_on_the_same_port(fresh_mosquitto: Mosquitto) -> None:
    port = fresh_mosquitto.port
    assert _open(port)
    fresh_mosquitto.kill()
    assert not _open(port)
    fresh_mosquitto.start()
    assert fresh_mosquitto.port == port
    assert _open(port)
    fresh_mosquitto.stop()
    assert not fresh_mosquitto.running


def test_influxd_answers(influxd: Influxd) -> None:
    influxd.create_database("services")
    assert "services" in httpx.get(f"{influxd.url}/query", params={"q": "SHOW DATABASES"}, timeout=PATIENCE_S).text


def test_victoria_metrics_answers(victoria_metrics: VictoriaMetrics) -> None:
    assert httpx.get(f"{victoria_metrics.url}/health", timeout=PATIENCE_S).status_code == 200


def test_eventually_says_what_was_not_true() -> None:
    with pytest.raises(AssertionError, match=r"within 0.05 s.*free_port"):
        eventually(lambda: free_port() < 0, timeout_s=0.05)


async def test_eventually_async_takes_coroutines() -> None:
    async def yes() -> bool:
        return True

    await eventually_async(yes)
    with pytest.raises(AssertionError, match="within"):
        await eventually_async(lambda: False, timeout_s=0.05)
