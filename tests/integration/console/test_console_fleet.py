"""Devices and gateways in a browser: what was measured with its virtual buffer, and what became of samples."""

from __future__ import annotations

import time
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import insert, update

from frostline_cloud.sql.tables import alert, gateway_rules
from tests.support.web_process import EVENTUALLY_MS, Server

CHILLER = "/devices/berlin/gw-1/chiller-1"
PAGES = (
    "/",
    "/alerts?show=all",
    "/gateways",
    "/gateways/berlin/gw-1",
    CHILLER,
    "/silences",
    "/pauses",
    "/oncall",
    "/noise",
)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_a_card_leads_to_its_device_and_the_device_to_its_gateway(anew: Server, page: Page) -> None:
    anew.log_in(page)
    page.get_by_role("article", name="chiller-1").get_by_role("link", name="chiller-1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("chiller-1")
    expect(page.get_by_role("row").filter(has_text="air temperature")).to_contain_text("°C")
    expect(page.get_by_role("link", name="chiller-1: air temperature above")).to_be_visible()
    page.get_by_role("link", name="Gateway gw-1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("gw-1")
    expect(page.get_by_role("row").filter(has_text="chiller-1")).to_contain_text("cold room")


def test_a_device_shows_what_was_measured_and_its_virtual_buffer_together(shared: Server, page: Page) -> None:
    shared.log_in(page, CHILLER)
    chart = page.get_by_role("img", name="Chart of air temperature")
    expect(chart.locator("canvas")).to_have_count(1)
    expect(page.get_by_role("checkbox", name="Virtual buffer")).to_be_checked()
    expect(page.get_by_text("never stored")).to_be_visible()
    expect(page.get_by_text("Unknown: no data for 1 h")).to_be_visible()
    expect(page.locator(".f-pair", has_text="Virtual buffer, newest")).to_contain_text("°C")
    page.get_by_role("checkbox", name="Virtual buffer").click()
    expect(page.locator(".f-pair", has_text="Virtual buffer, newest")).to_have_count(0)
    expect(page.locator(".f-pair", has_text="Lowest")).to_contain_text("°C")


def test_text_has_no_chart_to_choose(shared: Server, page: Page) -> None:
    shared.log_in(page, CHILLER)
    expect(page.get_by_role("row").filter(has_text="note")).to_be_visible()
    expect(page.get_by_role("link", name="note")).to_have_count(0)
    page.get_by_role("combobox", name="Metric").click()
    expect(page.get_by_role("option", name="setpoint")).to_be_visible()
    expect(page.get_by_role("option", name="note")).to_have_count(0)


def test_another_metric_and_another_range_are_a_choice_away(shared: Server, page: Page) -> None:
    shared.log_in(page, f"{CHILLER}?metric=setpoint")
    expect(page.get_by_role("img", name="Chart of setpoint")).to_be_visible()
    expect(page.locator(".f-pair", has_text="Each point is")).to_contain_text("5 min")
    page.get_by_role("combobox", name="Of").click()
    page.get_by_role("option", name="the last hour").click()
    expect(page.locator(".f-pair", has_text="Each point is")).to_contain_text("10 s")


def test_a_device_that_nobody_told_of_is_said_so(shared: Server, page: Page) -> None:
    shared.log_in(page, "/devices/berlin/gw-1/nothing")
    expect(page.get_by_role("alert")).to_have_text("Device berlin/gw-1/nothing is not known here.")


def test_a_gateway_shows_its_losses_its_doubts_and_what_it_refuses(anew: Server, page: Page) -> None:
    said = {"version": "a1", "refused": "b2", "reason": "no output 'siren' here", "at_ms": now_ms()}
    with anew.engine.begin() as connection:
        connection.execute(insert(gateway_rules).values(site="berlin", node="gw-1", noted_ms=now_ms(), **said))
    anew.log_in(page, "/gateways")
    row = page.get_by_role("row").filter(has_text="berlin")
    expect(row).to_contain_text("refuses its local rules")
    row.get_by_role("link", name="gw-1").click()
    expect(page.locator(".f-pair", has_text="Why")).to_contain_text("no output 'siren' here")
    losses = page.get_by_role("table", name="Losses")
    expect(losses.get_by_role("row")).to_have_count(4)
    expect(losses).to_contain_text("nobody knows")
    assert len(anew.api("losses?site=berlin&node=gw-1")["items"]) == 3


def test_an_alert_of_a_buffer_shows_the_air_too(anew: Server, page: Page) -> None:
    content = {"type": "buffered", "id": "freezer-warm", "above": 4.0, "tau": "15m"}
    rule = {"number": 1, "hash": "ab", "category": "compliance", "content": content}
    evidence = {"kind": "cold_room", "rule": rule, "unit": "Cel", "limit": 4.0, "measured": 5.0}
    chosen = "00000000-0000-4000-8000-000000000001"
    with anew.engine.begin() as connection:
        connection.execute(update(alert).where(alert.c.id == chosen).values(evidence=evidence))
    anew.log_in(page, f"/alerts/{chosen}")
    expect(page.locator(".f-pair", has_text="Limits are for")).to_contain_text("virtual buffer of 15 min")
    expect(page.get_by_role("img", name="Chart of what was measured").locator("canvas")).to_have_count(1)


def test_the_category_of_an_alert_stands_in_the_lists(anew: Server, page: Page) -> None:
    rule = {"number": 1, "hash": "ab", "category": "compliance", "content": {}}
    with anew.engine.begin() as connection:
        connection.execute(update(alert).where(alert.c.state == "resolved").values(evidence={"rule": rule}))
    anew.log_in(page, "/alerts?show=to-close")
    expect(page.get_by_role("columnheader", name="Category")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="dock-1")).to_contain_text("compliance")


@pytest.mark.parametrize("width", [360, 390, 768])
def test_no_page_is_wider_than_the_screen(shared: Server, browser: Browser, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800})
    context.set_default_timeout(EVENTUALLY_MS)
    try:
        page = context.new_page()
        shared.log_in(page)
        for path in PAGES:
            page.goto(f"{shared.url}{path}")
            expect(page.get_by_role("status").first).to_contain_text("Taking data")
            over: Any = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            assert over <= 0, path
    finally:
        context.close()
