"""A real server in a process of its own, and a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.services import READY_S
from tests.support.web_process import CHROMIUM_FLAGS, EVENTUALLY_MS, Server, running

expect.set_options(timeout=EVENTUALLY_MS)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own."""
    with running(tmp_path) as started:
        yield started


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that tests leave as it is, except for alerts, silences and pauses."""
    with running(tmp_path_factory.mktemp("console")) as started:
        yield started


@pytest.fixture
def anew(shared: Server) -> Server:
    """The shared server, with its alerts as they were at the start."""
    shared.anew()
    return shared


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A browser for a module's tests."""
    with sync_playwright() as playwright:
        flags = list(CHROMIUM_FLAGS)
        browser = playwright.chromium.launch(executable_path=chromium, args=flags, timeout=READY_S * 1000)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a visitor of its own, in Berlin."""
    context = browser.new_context(timezone_id="Europe/Berlin")
    context.set_default_timeout(EVENTUALLY_MS)
    yield context.new_page()
    context.close()
