"""The console as a person meets it: a real server in a process of its own, and a real browser."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from sqlalchemy import Engine, text, update

from frostline_cloud.api import revoke_token
from frostline_cloud.sql import open_engine, tables

CHROMIUM_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
EVENTUALLY_MS = 20_000


@dataclass
class Server:
    """A running console."""

    url: str
    token: str
    engine: Engine
    process: subprocess.Popen[str]


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    root = Path(__file__).parents[3]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.web_server", str(folder)],
            cwd=root,
            env=os.environ | {"PYTHONPATH": str(root)},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, (folder / "log").read_text()
    started = json.loads(line)
    engine = open_engine(f"sqlite:///{folder}/frostline.db")
    yield Server(started["url"], started["token"], engine, process)
    engine.dispose()
    process.terminate()
    process.communicate(timeout=30)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own."""
    with running(tmp_path) as started:
        yield started


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that tests leave as it is."""
    with running(tmp_path_factory.mktemp("console")) as started:
        yield started


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(EVENTUALLY_MS)
    yield context.new_page()
    context.close()


expect.set_options(timeout=EVENTUALLY_MS)


def log_in(page: Page, server: Server) -> None:
    page.goto(server.url)
    page.get_by_label("Token").fill(server.token)
    page.get_by_role("button", name="Log in").click()


def test_an_operator_sees_a_room_and_acknowledges_an_alert(server: Server, page: Page) -> None:
    foreign: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: None if request.url.startswith(server.url) else foreign.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    log_in(page, server)
    room = page.get_by_role("article", name="freezer-1")
    expect(room).to_contain_text("-15.")
    expect(room).to_contain_text("°C")
    expect(room).to_contain_text("Critical")
    expect(room.locator("canvas")).to_have_count(1)
    stale = page.get_by_role("article", name="box")
    expect(stale).to_contain_text("stale: gateway offline")
    alert = page.locator(".f-need", has_text="freezer-1: air temperature above")
    alert.get_by_role("button", name="Acknowledge").click()
    expect(alert).to_contain_text("seen by anna")
    expect(page.get_by_role("status")).to_contain_text("Taking data")
    assert (foreign, faults) == ([], [])


def test_a_device_with_quotes_in_its_name_adds_nothing_to_the_page(server: Server, page: Page) -> None:
    name = 'box" onclick="document.title=1'
    with server.engine.begin() as connection:
        for table in (tables.device, tables.metric):
            connection.execute(update(table).where(table.c.device == "box").values(device=name))
    log_in(page, server)
    card = page.get_by_role("article", name=name)
    expect(card).to_contain_text(name)
    assert card.get_attribute("onclick") is None


def test_an_open_page_follows_what_happens(server: Server, page: Page) -> None:
    log_in(page, server)
    expect(page.locator(".f-need")).to_have_count(3)
    with server.engine.begin() as connection:
        connection.execute(update(tables.alert).where(tables.alert.c.device == "freezer-1").values(state="resolved"))
    expect(page.locator(".f-need")).to_have_count(2)


def test_a_page_that_cannot_be_read_anew_says_that_it_is_old(server: Server, page: Page) -> None:
    log_in(page, server)
    expect(page.get_by_role("status")).to_contain_text("Taking data")
    with server.engine.begin() as connection:
        connection.execute(text("ALTER TABLE node RENAME TO elsewhere"))
    expect(page.get_by_role("status")).to_contain_text("what is shown below is old")
    with server.engine.begin() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO node"))
    expect(page.get_by_role("status")).to_have_text("check_circleTaking data")


def test_without_sql_the_page_says_so_and_tries_again(server: Server) -> None:
    with httpx.Client(base_url=server.url) as client:
        client.post("/login", data={"token": server.token})
        with server.engine.begin() as connection:
            connection.execute(text("ALTER TABLE token RENAME TO elsewhere"))
        answer = client.get("/")
    assert answer.status_code == 503
    assert "http-equiv=refresh" in answer.text


def test_a_revoked_token_closes_pages_that_are_open(server: Server, page: Page) -> None:
    log_in(page, server)
    expect(page.get_by_role("article", name="freezer-1")).to_be_visible()
    with server.engine.begin() as connection:
        revoke_token(connection, "anna", 1)
    page.wait_for_url("**/login")


def test_a_wrong_token_is_told_so(shared: Server, page: Page) -> None:
    page.goto(shared.url)
    page.get_by_label("Token").fill("frost_wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("The token is wrong, expired or revoked")


def test_logging_out_ends_the_session(shared: Server, page: Page) -> None:
    log_in(page, shared)
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
    page.goto(shared.url)
    page.wait_for_url("**/login")


def test_a_page_of_another_site_cannot_log_in_here(shared: Server) -> None:
    answer = httpx.post(f"{shared.url}/login", data={"token": shared.token}, headers={"Origin": "https://evil.example"})
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


def test_the_session_cookie_is_out_of_reach_of_scripts(shared: Server) -> None:
    answer = httpx.post(f"{shared.url}/login", data={"token": shared.token})
    cookie = answer.headers["set-cookie"].lower()
    assert answer.status_code == 303
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


def test_nothing_below_api_falls_through_to_the_console(shared: Server) -> None:
    answer = httpx.get(f"{shared.url}/api/v1/nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_the_server_stops_while_a_browser_watches(server: Server, page: Page) -> None:
    log_in(page, server)
    expect(page.get_by_role("article", name="freezer-1")).to_be_visible()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=10) == 0
