"""The page of one alert in a browser: what it shows, and every form, with what the API says then."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import insert, update

from frostline_cloud.sql.tables import alert, delivery, outbox
from tests.support.web import MINUTE_MS
from tests.support.web_process import Server, pick, write

FIRING = "00000000-0000-4000-8000-000000000000"
CHILLER = "00000000-0000-4000-8000-000000000001"
OVER = "00000000-0000-4000-8000-000000000002"
CONTENT = {"type": "threshold", "id": "freezer-warm", "above": 4.0, "for": "10m", "max_gap": "10m"}
SINCE = re.compile(r"unknown: no data for 1[2-4] min")
"""What is said of 12 minutes, also to somebody whose page took long."""
RULE = {"number": 3, "hash": "ab", "category": "compliance", "content": CONTENT}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def change(server: Server, alert_id: str, **values: Any) -> None:
    """Makes an alert about compliance of a seeded one."""
    evidence = {"kind": "cold_room", "rule": RULE, "unit": "Cel", "limit": 4.0} | values.pop("evidence", {})
    with server.engine.begin() as connection:
        connection.execute(update(alert).where(alert.c.id == alert_id).values(evidence=evidence, **values))


def open_alert(page: Page, server: Server, alert_id: str = FIRING) -> None:
    server.log_in(page, f"/alerts/{alert_id}")
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Alert")


def fact(page: Page, name: str) -> Any:
    return page.locator(".f-pair", has=page.get_by_text(name, exact=True)).locator("dd")


def test_logging_in_leads_to_the_page_that_was_wanted(anew: Server, page: Page) -> None:
    page.goto(f"{anew.url}/alerts/{FIRING}")
    assert "/login?to=" in page.url
    open_alert(page, anew)
    page.wait_for_url(f"**/alerts/{FIRING}")


def test_an_alert_shows_its_evidence_with_gaps_and_limits_as_they_were(anew: Server, page: Page) -> None:
    at_ms = now_ms()
    change(anew, CHILLER, opened_ms=at_ms - 230 * MINUTE_MS, fired_ms=at_ms - 225 * MINUTE_MS)
    open_alert(page, anew, CHILLER)
    chart = page.get_by_role("img", name="Chart of what was measured")
    expect(chart.locator("canvas")).to_have_count(1)
    expect(page.get_by_text("Unknown: no data for 1 h")).to_be_visible()
    expect(fact(page, "Limits then")).to_have_text("above 4 °C for 10 min")
    expect(fact(page, "Rule then")).to_have_text("freezer-warm, version 3")
    expect(fact(page, "Known for")).to_contain_text("the rest is unknown")
    found = anew.api(f"alerts/{CHILLER}/evidence")
    expect(fact(page, "Highest")).to_have_text(f"{found['high']:g} °C")


def test_that_nothing_is_known_is_said_beside_the_state(anew: Server, page: Page) -> None:
    change(anew, FIRING, evidence={"no_data_since_ms": now_ms() - 12 * MINUTE_MS})
    open_alert(page, anew)
    expect(page.locator(".f-badges")).to_contain_text(SINCE)
    page.goto(anew.url)
    expect(page.locator(".f-need", has_text="freezer-1: air")).to_contain_text(SINCE)


def test_who_was_told_and_how_that_went_is_on_the_timeline(anew: Server, page: Page) -> None:
    at_ms = now_ms()
    with anew.engine.begin() as connection:
        for number, (state, error) in enumerate((("delivered", ""), ("dead", "HTTP 404"))):
            sent = {
                "alert": FIRING,
                "revision": 2,
                "type": "alert.firing",
                "body": "{}",
                "due_ms": at_ms,
                "attempts": 1,
            }
            done = {"receiver": f"mail-{number}", "state": state, "created_ms": at_ms, "done_ms": at_ms + 1500}
            connection.execute(insert(outbox).values(id=f"m{number}", **sent, **done))
            connection.execute(insert(delivery).values(outbox=f"m{number}", at_ms=at_ms, error=error, took_ms=9))
    open_alert(page, anew)
    expect(page.get_by_text("To mail-0, that it fires: delivered")).to_be_visible()
    expect(page.get_by_text("Failed: To mail-1, that it fires: given up")).to_be_visible()


def test_an_alert_is_acknowledged_assigned_and_commented(anew: Server, page: Page) -> None:
    open_alert(page, anew)
    page.get_by_role("button", name="Acknowledge").click()
    expect(fact(page, "Seen by")).to_contain_text("anna")
    page.get_by_role("button", name="Assign…").click()
    page.get_by_role("dialog", name="Assign").get_by_label("To whom").fill("bob")
    page.keyboard.press("Enter")
    expect(fact(page, "Assigned to")).to_have_text("bob")
    page.get_by_role("button", name="Comment…").click()
    dialog = page.get_by_role("dialog", name="Comment")
    dialog.get_by_label("Comment").fill("the door was open")
    dialog.get_by_role("button", name="Add comment").click()
    expect(page.get_by_text("anna: the door was open")).to_be_visible()
    shown = anew.api(f"alerts/{FIRING}")
    assert [each["act"] for each in shown["timeline"]][2:] == ["acknowledge", "assign", "comment"]
    assert (shown["acknowledged_by"], shown["handling"]["assignee"]) == ("anna", "bob")


def test_an_alert_is_shelved_with_a_reason_and_taken_back(anew: Server, page: Page) -> None:
    open_alert(page, anew)
    page.get_by_role("button", name="Shelve…").click()
    dialog = page.get_by_role("dialog", name="Shelve")
    dialog.get_by_role("button", name="Shelve").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Why is it shelved?")
    pick(page, dialog.get_by_role("combobox", name="For how long"), "2 hours")
    write(dialog.get_by_label("Why"), "parts come tomorrow")
    dialog.get_by_role("button", name="Shelve").click()
    expect(page.locator(".f-badges")).to_contain_text("not told: shelved")
    handling = anew.api(f"alerts/{FIRING}")["handling"]
    assert (handling["shelved_by"], handling["shelve_reason"]) == ("anna", "parts come tomorrow")
    assert abs(handling["shelved_until_ms"] - handling["muted_ms"] - 2 * 60 * MINUTE_MS) < MINUTE_MS
    page.get_by_role("button", name="Take from the shelf").click()
    expect(page.get_by_role("button", name="Shelve…")).to_be_visible()
    assert anew.api(f"alerts/{FIRING}")["handling"]["shelved_until_ms"] is None


def test_an_alert_about_compliance_is_closed_with_cause_and_disposition(server: Server, page: Page) -> None:
    change(server, OVER)
    server.log_in(page, "/")
    page.get_by_text("1 alert about compliance: over").click()
    page.get_by_role("link", name="dock-1: air temperature").click()
    page.get_by_role("button", name="Close…").click()
    dialog = page.get_by_role("dialog", name="Close")
    dialog.get_by_role("button", name="Close alert").click()
    expect(dialog.get_by_role("alert")).to_contain_text("closed with a cause and a disposition")
    dialog.get_by_label("Cause").fill("door left open")
    pick(page, dialog.get_by_role("combobox", name="What becomes of the goods"), re.compile("Quarantine"))
    dialog.get_by_role("button", name="Close alert").click()
    expect(fact(page, "Goods")).to_have_text("quarantine")
    expect(fact(page, "Evidence")).to_contain_text("frozen")
    expect(page.get_by_role("button", name="Close…")).to_have_count(0)
    handling = server.api(f"alerts/{OVER}")["handling"]
    assert (handling["closed_by"], handling["cause"], handling["disposition"]) == (
        "anna",
        "door left open",
        "quarantine",
    )
    assert server.api(f"alerts/{OVER}/evidence")["frozen_ms"] == handling["closed_ms"]


def test_escape_leaves_everything_as_it_is(anew: Server, page: Page) -> None:
    open_alert(page, anew)
    page.get_by_role("button", name="Shelve…").click()
    page.get_by_role("dialog", name="Shelve").get_by_label("Why").fill("never mind")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Shelve")).to_have_count(0)
    assert anew.api(f"alerts/{FIRING}")["handling"]["muted"] is None


def test_a_viewer_sees_no_buttons_and_why(anew: Server, page: Page) -> None:
    anew.log_in(page, f"/alerts/{FIRING}", anew.viewer)
    expect(page.get_by_text("You may look, not act: that needs a token with the role operator.")).to_be_visible()
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)
    page.goto(anew.url)
    page.get_by_role("button", name="Acknowledge: freezer-1").click()
    expect(page.get_by_text("this needs the role operator, and victor is viewer")).to_be_visible()
    assert anew.api(f"alerts/{FIRING}")["acknowledged_by"] is None


@pytest.mark.parametrize(("link", "name"), [("Everything as JSON", ".json"), ("Samples as CSV", ".csv")])
def test_an_alert_is_downloaded(anew: Server, page: Page, link: str, name: str) -> None:
    open_alert(page, anew)
    with page.expect_download() as download:
        page.get_by_role("link", name=link).click()
    assert download.value.suggested_filename == f"alert-{FIRING}{name}"


def test_an_alert_that_is_not_there_says_so(anew: Server, page: Page) -> None:
    anew.log_in(page, "/alerts/nope")
    expect(page.get_by_role("alert")).to_have_text("Alert nope is not known here.")
