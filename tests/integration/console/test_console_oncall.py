"""Who is on call in a browser: the calendar, an override from its making to its end, and what an alert says of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import delete, insert

from frostline_cloud.sql.tables import duty_override, escalation
from tests.support.web_process import EVENTUALLY_MS, Server, pick, write

FIRING = "00000000-0000-4000-8000-000000000000"
SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY_MS = 24 * 3_600_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture
def duty(shared: Server) -> Iterator[Server]:
    """The shared server, without overrides and steps before and after."""

    def clean() -> None:
        with shared.engine.begin() as connection:
            connection.execute(delete(duty_override))
            connection.execute(delete(escalation))

    clean()
    shared.anew()
    yield shared
    clean()


def local(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, SHANGHAI)


def test_the_calendar_shows_two_weeks_on_the_clock_of_the_rotation(duty: Server, page: Page) -> None:
    duty.log_in(page, "/oncall")
    (found,) = duty.api("notify/rotations")
    expect(page.get_by_text("hands over 08:00, Asia/Shanghai")).to_be_visible()
    expect(page.locator(".f-now")).to_contain_text(f"{found['now']['who']} is on call until")
    expect(page.locator(".f-now")).to_contain_text("08:00 CST; then")
    rows = page.get_by_role("table", name="The coming two weeks of cold").get_by_role("row")
    expect(rows).to_have_count(len(found["duties"]) + 1)
    expect(rows.nth(2)).to_contain_text(found["next"]["who"])
    expect(rows.nth(2)).to_contain_text("in Europe/Berlin")  # the reader's own clock, beside
    expect(page.get_by_text("Nobody covers for anybody.")).to_be_visible()


def test_somebody_covers_from_a_time_on_the_clock_of_the_rotation_until_it_is_ended(duty: Server, page: Page) -> None:
    duty.log_in(page, "/oncall")
    page.get_by_role("button", name="Make override").click()
    expect(page.get_by_role("alert")).to_contain_text("Who is on call then?")
    ends = local(now_ms() + 2 * DAY_MS).replace(second=0, microsecond=0)
    pick(page, page.get_by_role("combobox", name="Who is on call"), "li")
    pick(page, page.get_by_role("combobox", name="In the place of"), "wang")
    write(page.get_by_label("Ends"), ends.strftime("%Y-%m-%dT%H:%M"))
    page.get_by_role("button", name="Make override").click()
    expect(page.get_by_role("alert")).to_contain_text("Why?")
    page.get_by_label("Why").fill("dentist")
    page.get_by_role("button", name="Make override").click()
    row = page.get_by_role("table", name="Overrides in force and to come").get_by_role("row").filter(has_text="dentist")
    expect(row).to_contain_text("anna")
    (made,) = duty.api("notify/overrides")["items"]
    assert (made["who"], made["instead_of"], made["author"]) == ("li", "wang", "anna")
    assert made["to_ms"] == round(ends.timestamp() * 1000)
    calendar = page.get_by_role("table", name="The coming two weeks of cold")
    expect(calendar.get_by_role("row").filter(has_text="override: dentist").first).to_contain_text("li")
    row.get_by_role("button", name="End").click()
    expect(page.get_by_text("Nobody covers for anybody.")).to_be_visible()
    expect(calendar.get_by_text("override: dentist")).to_have_count(0)
    assert duty.api("notify/overrides")["items"] == []


def test_an_override_that_cannot_be_says_why_and_the_form_stays(duty: Server, page: Page) -> None:
    duty.log_in(page, "/oncall")
    pick(page, page.get_by_role("combobox", name="Who is on call"), "li")
    write(page.get_by_label("Ends"), (local(now_ms()) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M"))
    write(page.get_by_label("Why"), "late")
    page.get_by_role("button", name="Make override").click()
    expect(page.get_by_role("alert")).to_contain_text("before it begins")
    expect(page.get_by_label("Why")).to_have_value("late")


def test_a_viewer_puts_nobody_on_call(duty: Server, page: Page) -> None:
    duty.log_in(page, "/oncall", duty.viewer)
    pick(page, page.get_by_role("combobox", name="Who is on call"), "li")
    write(page.get_by_label("Ends"), local(now_ms() + DAY_MS).strftime("%Y-%m-%dT%H:%M"))
    write(page.get_by_label("Why"), "x")
    page.get_by_role("button", name="Make override").click()
    expect(page.get_by_role("alert")).to_contain_text("needs the role operator, and victor is viewer")
    assert duty.api("notify/overrides")["items"] == []


def test_an_alert_says_whom_its_escalation_would_call(duty: Server, page: Page) -> None:
    step = {"alert": FIRING, "route": "all", "step": 1, "receivers": ["cold"], "state": "waiting"}
    with duty.engine.begin() as connection:
        connection.execute(insert(escalation).values(step | {"due_ms": now_ms() + 6 * 3_600_000}))
    duty.log_in(page, f"/alerts/{FIRING}")
    called = page.get_by_role("region", name="Escalation")
    expect(called).to_contain_text("Step 1 of route all calls")
    (found,) = duty.api(f"alerts/{FIRING}/escalation")["steps"]
    expect(called).to_contain_text(f"calls {found['then'][0]['receiver']} (on call in cold)")
    page.get_by_role("button", name="Acknowledge").click()
    expect(called).to_be_hidden()


def test_an_alert_that_nobody_else_will_be_called_for_says_so(duty: Server, page: Page) -> None:
    duty.log_in(page, f"/alerts/{FIRING}")
    expect(page.get_by_role("region", name="Escalation")).to_contain_text("nobody else will be called")


@pytest.mark.parametrize("width", [360, 390, 768])
def test_on_a_phone_nothing_is_wider_than_the_screen(duty: Server, browser: Browser, width: int) -> None:
    with duty.engine.begin() as connection:
        about = {"rotation": "cold", "who": "li", "instead_of": "", "reason": "dentist", "author": "anna"}
        times = {"created_ms": now_ms(), "from_ms": now_ms(), "to_ms": now_ms() + DAY_MS}
        connection.execute(insert(duty_override).values(about | times))
    context = browser.new_context(viewport={"width": width, "height": 800})
    context.set_default_timeout(EVENTUALLY_MS)
    page = context.new_page()
    duty.log_in(page, "/oncall")
    row = page.get_by_role("table", name="Overrides in force and to come").get_by_role("row").filter(has_text="dentist")
    expect(row.get_by_role("button", name="End")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
