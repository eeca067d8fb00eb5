"""The other pages in a browser: lists of alerts, the noisiest rules, what gateways refuse, and access for everybody."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it has no types
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import insert

from frostline_cloud.sql.tables import alert, gateway_rules
from tests.support.web import MINUTE_MS
from tests.support.web_process import EVENTUALLY_MS, Server

FIRING = "00000000-0000-4000-8000-000000000000"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def flap(server: Server, times: int) -> None:
    """One rule fires for one series, again and again."""
    row: dict[str, object] = {
        "rule": "door-open",
        "site": "berlin",
        "node": "gw-1",
        "device": "dock-1",
        "metric": "door_open",
        "zone": "",
    }
    row |= {"severity": "info", "state": "resolved", "summary": "door open", "evidence": {}}
    with server.engine.begin() as connection:
        for number in range(times):
            began_ms = now_ms() - (600 - number * 10) * MINUTE_MS
            ended = {"opened_ms": began_ms, "fired_ms": began_ms, "resolved_ms": began_ms + 2 * MINUTE_MS}
            connection.execute(insert(alert).values(id=f"f{number}", revision=1, retroactive=False, **row, **ended))


def test_the_noisiest_rules_are_listed_with_their_flap_score(anew: Server, page: Page) -> None:
    flap(anew, 10)
    anew.log_in(page, "/noise")
    row = page.get_by_role("row").filter(has_text="door-open")
    expect(row).to_contain_text("0.90")
    expect(row).to_contain_text("hysteresis")
    (first, *_) = anew.api("noise")["items"]
    assert (first["rule"], first["flap_score"]) == ("door-open", 0.9)
    page.get_by_role("combobox", name="Of").click()
    page.get_by_role("option", name="the last day").click()
    expect(row).to_contain_text("10")
    row.get_by_role("link", name="door-open").click()
    expect(page.get_by_label("Rule")).to_have_value("door-open")


def test_a_page_that_is_not_there_leads_to_those_that_are(anew: Server, page: Page) -> None:
    answer = page.goto(f"{anew.url}/on-call-now")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("heading")).to_have_text("There is no such page")
    expect(page.get_by_role("link", name="Alerts")).to_have_attribute("href", "/alerts")


def test_alerts_are_listed_open_or_all_and_by_pages(anew: Server, page: Page) -> None:
    flap(anew, 101)
    anew.log_in(page, "/alerts")
    expect(page.get_by_role("row")).to_have_count(3)
    page.get_by_role("link", name="All", exact=True).click()
    expect(page.get_by_role("row")).to_have_count(101)
    page.get_by_role("link", name="Older alerts").click()
    expect(page.get_by_role("row")).to_have_count(5)


def test_a_gateway_that_refuses_its_rules_is_seen(anew: Server, page: Page) -> None:
    said = {
        "version": "a1",
        "refused": "b2",
        "reason": "no output 'siren' here",
        "at_ms": now_ms(),
        "noted_ms": now_ms(),
    }
    with anew.engine.begin() as connection:
        connection.execute(insert(gateway_rules).values(site="berlin", node="gw-1", **said))
    anew.log_in(page)
    expect(page.locator(".f-need", has_text="refuses its local rules")).to_contain_text("no output 'siren' here")
    assert anew.api("nodes/berlin/gw-1")["local_rules"]["reason"] == "no output 'siren' here"


def test_the_look_that_was_chosen_stays(anew: Server, page: Page) -> None:
    anew.log_in(page)
    page.get_by_role("button", name="Theme: auto").click()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    page.get_by_role("link", name="Noise").click()
    expect(page.get_by_role("heading", name="Noisiest rules")).to_be_visible()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()


@pytest.fixture
def checked(browser: Browser) -> Iterator[Page]:
    """A page into which the checker may put its script."""
    context = browser.new_context(bypass_csp=True)
    context.set_default_timeout(EVENTUALLY_MS)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("look", ["light", "dark"])
def test_every_page_can_be_used_with_a_screen_reader(shared: Server, checked: Page, look: str) -> None:
    checked.emulate_media(color_scheme="dark" if look == "dark" else "light")
    shared.log_in(checked)
    devices = ("/gateways", "/gateways/berlin/gw-1", "/devices/berlin/gw-1/chiller-1")
    for path in ("/", "/alerts", f"/alerts/{FIRING}", *devices, "/silences?site=ber*", "/pauses", "/oncall", "/noise"):
        checked.goto(f"{shared.url}{path}")
        expect(checked.get_by_role("status").first).to_contain_text("Taking data")
        found = Axe().run(checked).response["violations"]
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == [], path


def test_a_form_can_be_filled_in_by_keyboard_alone(anew: Server, page: Page) -> None:
    anew.log_in(page, f"/alerts/{FIRING}")
    page.get_by_role("button", name="Comment…").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Comment")).to_be_focused()
    page.keyboard.type("seen on the way")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("anna: seen on the way")).to_be_visible()


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_logging_in_never_leads_to_another_site(shared: Server, page: Page, to: str) -> None:
    page.goto(f"{shared.url}/login?to={to}")
    page.get_by_label("Token").fill(shared.token)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="What needs me now")).to_be_visible()
    assert page.url == f"{shared.url}/"
