"""The console as a person meets it: a real server in a process of its own, and a real browser."""

from __future__ import annotations

import signal

import httpx
from playwright.sync_api import Page, expect
from sqlalchemy import text, update

from frostline_cloud.api import revoke_token
from frostline_cloud.sql import tables
from tests.support.services import PATIENCE_S
from tests.support.web_process import Server


def test_an_operator_sees_a_room_and_acknowledges_an_alert(server: Server, page: Page) -> None:
    foreign: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: None if request.url.startswith(server.url) else foreign.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    server.log_in(page)
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
    server.log_in(page)
    card = page.get_by_role("article", name=name)
    expect(card).to_contain_text(name)
    assert card.get_attribute("onclick") is None


def test_an_open_page_follows_what_happens(server: Server, page: Page) -> None:
    server.log_in(page)
    expect(page.locator(".f-need")).to_have_count(3)
    with server.engine.begin() as connection:
        connection.execute(update(tables.alert).where(tables.alert.c.device == "freezer-1").values(state="resolved"))
    expect(page.locator(".f-need")).to_have_count(2)


def test_a_page_that_cannot_be_read_anew_says_that_it_is_old(server: Server, page: Page) -> None:
    server.log_in(page)
    expect(page.get_by_role("status")).to_contain_text("Taking data")
    with server.engine.begin() as connection:
        connection.execute(text("ALTER TABLE node RENAME TO elsewhere"))
    expect(page.get_by_role("status")).to_contain_text("what is shown below is old")
    with server.engine.begin() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO node"))
    expect(page.get_by_role("status")).to_have_text("check_circleTaking data")


def test_without_sql_the_page_says_so_and_tries_again(server: Server) -> None:
    with httpx.Client(base_url=server.url, timeout=PATIENCE_S) as client:
        client.post("/login", data={"token": server.token})
        with server.engine.begin() as connection:
            connection.execute(text("ALTER TABLE token RENAME TO elsewhere"))
        answer = client.get("/")
    assert answer.status_code == 503
    assert "http-equiv=refresh" in answer.text


def test_a_revoked_token_closes_pages_that_are_open(server: Server, page: Page) -> None:
    server.log_in(page)
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
    shared.log_in(page)
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
    page.goto(shared.url)
    page.wait_for_url("**/login")


def test_a_page_of_another_site_cannot_log_in_here(shared: Server) -> None:
    login, foreign = {"token": shared.token}, {"Origin": "https://evil.example"}
    answer = httpx.post(f"{shared.url}/login", data=login, headers=foreign, timeout=PATIENCE_S)
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


def test_the_session_cookie_is_out_of_reach_of_scripts(shared: Server) -> None:
    answer = httpx.post(f"{shared.url}/login", data={"token": shared.token}, timeout=PATIENCE_S)
    cookie = answer.headers["set-cookie"].lower()
    assert answer.status_code == 303
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


def test_nothing_below_api_falls_through_to_the_console(shared: Server) -> None:
    answer = httpx.get(f"{shared.url}/api/v1/nothing", timeout=PATIENCE_S)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_the_server_stops_while_a_browser_watches(server: Server, page: Page) -> None:
    server.log_in(page)
    expect(page.get_by_role("article", name="freezer-1")).to_be_visible()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=60) == 0
