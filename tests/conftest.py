"""Fixtures that every test may use: real services, started once, and their logs below a failure."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.postgresql import PostgreSQL
from tests.support.services import PATIENCE_S, Influxd, Mosquitto, Service, VictoriaMetrics, binary
from tests.support.sockets import descriptors, left_open

# properties say what is true, not how fast a busy machine is
settings.register_profile("frostline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("frostline")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # what the tests start is compiled once, not at each start


@pytest.fixture(scope="module", autouse=True)
def _closes_its_sockets() -> Iterator[None]:
    """Fails a module that leaves a socket open: its ResourceWarning would come in a test that has no part in it."""
    before = descriptors()
    yield
    deadline = time.monotonic() + PATIENCE_S  # a server's thread closes its side a moment after the client's
    while (left := left_open(before)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []


@pytest.fixture(scope="session")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A broker for the whole session; a test that stops it starts it again."""
    with Mosquitto(tmp_path_factory.mktemp("mosquitto")) as service:
        yield service


@pytest.fixture
def fresh_mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A broker of the test's own: no retained message of anybody else, free to be killed."""
    with Mosquitto(tmp_path_factory.mktemp("mosquitto")) as service:
        yield service


@pytest.fixture(scope="session")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    """InfluxDB 1.6 for the whole session; make a database of one's own with `create_database`."""
    with Influxd(tmp_path_factory.mktemp("influxd")) as service:
        yield service


@pytest.fixture
def fresh_influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    """InfluxDB 1.6 of the test's own, free to be killed."""
    with Influxd(tmp_path_factory.mktemp("influxd")) as service:
        yield service


@pytest.fixture(scope="session")
def victoria_metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VictoriaMetrics]:
    """VictoriaMetrics for the whole session."""
    with VictoriaMetrics(tmp_path_factory.mktemp("victoria")) as service:
        yield service


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """PostgreSQL for the whole session; make a database of one's own with `database`."""
    with PostgreSQL() as service:
        yield service


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium that Playwright can drive."""
    return binary("chromium")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Puts the end of each used service's log below a failed test."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Service):
                report.sections.append((f"log of {value.name}", value.tail()))
    return report
