"""Silences and pauses in a browser: every form, with what the API says then."""

from __future__ import annotations

import re
import time
from datetime import datetime
from zoneinfo import ZoneInfo

from playwright.sync_api import Page, expect

from tests.support.web_process import Server, pick, write

HOUR_MS = 3_600_000
SLOW_ONCE = """
const real = Intl.DateTimeFormat;
let asked = 0;
Intl.DateTimeFormat = function (...given) {
  const until = Date.now() + (asked++ === 0 ? 7000 : 0);
  while (Date.now() < until) {}
  return new real(...given);
};
"""
"""A browser that takes 7 s to say in which time zone it is, when it is asked first."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def near(at_ms: int, wanted_ms: int) -> bool:
    return abs(at_ms - wanted_ms) < 180_000


def test_a_silence_shows_what_it_would_cover_before_it_is_made(anew: Server, page: Page) -> None:
    anew.log_in(page, "/silences")
    expect(page.get_by_text("Nothing is silenced.")).to_be_visible()
    page.get_by_label("Device").fill("frezer-*")
    expect(page.get_by_text("Covers nothing that is known")).to_be_visible()
    page.get_by_label("Device").fill("freezer-*")
    expect(page.get_by_text("Covers 1 open alert, 1 of the last 7 days, and 1 of 6 devices.")).to_be_visible()
    expect(page.get_by_role("link", name="freezer-1: air temperature above")).to_be_visible()
    assert anew.api("silences")["items"] == []


def test_a_silence_is_made_and_ended(anew: Server, page: Page) -> None:
    anew.log_in(page, "/silences?site=ber*")
    expect(page.get_by_label("Site")).to_have_value("ber*")
    page.get_by_label("For how long").fill("2h")
    page.get_by_role("button", name="Make silence").click()
    expect(page.get_by_role("alert")).to_contain_text("Why?")
    page.get_by_label("Why").fill("stocktaking")
    page.get_by_role("button", name="Make silence").click()
    row = page.get_by_role("row").filter(has_text="site = ber*")
    expect(row).to_contain_text("stocktaking")
    (made,) = anew.api("silences")["items"]
    assert (made["matchers"], made["author"], made["to_ms"] - made["from_ms"]) == (
        {"site": "ber*"},
        "anna",
        2 * HOUR_MS,
    )
    row.get_by_role("button", name="End").click()
    expect(page.get_by_text("Nothing is silenced.")).to_be_visible()
    assert anew.api("silences")["items"] == []


def test_a_silence_begins_when_the_readers_clock_says(anew: Server, page: Page) -> None:
    anew.log_in(page, "/silences?device=freezer-1")
    expect(page.get_by_text("times in Europe/Berlin")).to_be_visible()
    zone = ZoneInfo("Europe/Berlin")
    begins = datetime.fromtimestamp(now_ms() / 1000 + 7200, zone).replace(second=0, microsecond=0)
    page.get_by_label("Begins").fill(begins.strftime("%Y-%m-%dT%H:%M"))
    page.get_by_label("Why").fill("defrost")
    page.get_by_role("button", name="Make silence").click()
    expect(page.get_by_role("row").filter(has_text="has not begun")).to_be_visible()
    (made,) = anew.api("silences")["items"]
    assert made["from_ms"] == round(begins.timestamp() * 1000)


def test_a_browser_that_answers_late_is_asked_again_for_its_clock(anew: Server, page: Page) -> None:
    page.add_init_script(SLOW_ONCE)
    anew.log_in(page, "/silences")
    expect(page.get_by_text("times in Europe/Berlin")).to_be_visible()


def test_a_silence_of_everything_is_refused_with_what_to_do(anew: Server, page: Page) -> None:
    anew.log_in(page, "/silences?site=*")
    expect(page.get_by_text("No silence: a silence of everything is not one")).to_be_visible()
    page.get_by_label("Why").fill("x")
    page.get_by_role("button", name="Make silence").click()
    expect(page.get_by_role("alert")).to_contain_text("name a site, a rule or a device")
    assert anew.api("silences")["items"] == []


def test_a_device_is_taken_out_of_service_and_put_back(anew: Server, page: Page) -> None:
    anew.log_in(page, "/pauses")
    expect(page.get_by_text("Everything is in service.")).to_be_visible()
    page.get_by_role("button", name="Take out of service").click()
    expect(page.get_by_role("alert")).to_contain_text("Choose a site")
    for label, option in (("Site", "berlin"), ("Gateway", "gw-1"), ("Device", "freezer-1")):
        pick(page, page.get_by_role("combobox", name=label), option)
    expect(page.get_by_text("Takes 1 device out of service.")).to_be_visible()
    write(page.get_by_label("For how long"), "90m")
    write(page.get_by_label("Reason"), "new compressor")
    page.get_by_role("button", name="Take out of service").click()
    row = page.get_by_role("row").filter(has_text="berlin · gw-1 · freezer-1")
    expect(row).to_contain_text("new compressor")
    (made,) = anew.api("pauses")["items"]
    assert (made["state"], made["device"], made["author"]) == ("maintenance", "freezer-1", "anna")
    assert near(made["from_ms"], now_ms())
    assert made["to_ms"] - made["from_ms"] == 90 * 60_000
    row.get_by_role("button", name="End").click()
    expect(page.get_by_text("Everything is in service.")).to_be_visible()
    assert anew.api("pauses")["items"] == []


def test_a_whole_site_is_idle(anew: Server, page: Page) -> None:
    anew.log_in(page, "/pauses")
    pick(page, page.get_by_role("combobox", name="Why it is out"), re.compile("Idle"))
    pick(page, page.get_by_role("combobox", name="Site"), "truck-7")
    write(page.get_by_label("For how long"), "60d")
    write(page.get_by_label("Reason"), "winter")
    page.get_by_role("button", name="Take out of service").click()
    expect(page.get_by_role("row").filter(has_text="truck-7")).to_contain_text("every gateway")
    (made,) = anew.api("pauses")["items"]
    assert (made["state"], made["site"], made["node"]) == ("idle", "truck-7", "")


def test_a_pause_that_is_too_long_says_how_long_it_may_be(anew: Server, page: Page) -> None:
    anew.log_in(page, "/pauses")
    pick(page, page.get_by_role("combobox", name="Site"), "berlin")
    write(page.get_by_label("For how long"), "60d")
    write(page.get_by_label("Reason"), "long work")
    page.get_by_role("button", name="Take out of service").click()
    expect(page.get_by_role("alert")).to_contain_text("within 30 days")
    expect(page.get_by_label("Reason")).to_have_value("long work")


def test_a_viewer_makes_nothing(anew: Server, page: Page) -> None:
    anew.log_in(page, "/silences?site=berlin", anew.viewer)
    page.get_by_label("Why").fill("x")
    page.get_by_role("button", name="Make silence").click()
    expect(page.get_by_role("alert")).to_contain_text("needs the role operator, and victor is viewer")
    assert anew.api("silences")["items"] == []
