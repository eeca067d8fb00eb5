"""The link of a message of many takes note of what that message named, and of nothing else."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from frostline_cloud.alerts import acknowledge
from frostline_cloud.notify import UNADDRESSED, Plan, RouteConfig
from frostline_cloud.notify.desk import Desk
from frostline_cloud.notify.links import Links, forget_links, link_key
from frostline_cloud.notify.links.page import acknowledge_router
from frostline_cloud.notify.receivers.settings import BudgetConfig
from frostline_cloud.notify.texts import Catalogue
from frostline_cloud.notify.tools import Tools
from frostline_cloud.sql.tables import alert, bundle_link
from frostline_core.config import parse
from tests.support.office import ENDS, FIRES, HOUR, MINUTE, NO, Inbox, Office, drain

BASE = "https://f.example"
SECOND = 1000


@dataclass(slots=True)
class Site:
    """An office whose one route groups by site, and the pages behind its links."""

    office: Office
    inbox: Inbox = field(default_factory=lambda: Inbox("duty"))
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    group: dict[str, Any] | None = field(default_factory=dict)

    @property
    def plan(self) -> Plan:
        keys = {} if self.group is None else {"group": self.group}
        return Plan(("duty",), (parse({"name": "all", "to": ["duty"], **keys}, RouteConfig, "test"),))

    @property
    def desk(self) -> Desk:
        with self.office.engine.begin() as connection:
            links = Links(link_key(connection), BASE, 24)
        tools = Tools(self.office.engine, lambda: self.office.now, Random(1), self.plan, links)  # noqa: S311 - jitter
        return Desk(self.inbox, self.budget, "here", tools)

    def tell(self, rule: str, change: Any, *devices: str) -> None:
        self.office.tell(rule, change, devices, [UNADDRESSED])
        self.work()

    def work(self, later_ms: int = 0) -> None:
        self.office.now += later_ms
        self.office.dispatch(self.plan)
        drain(self.desk)

    @property
    def newest(self) -> dict[str, Any]:
        made: dict[str, Any] = self.inbox.taken[-1]
        return made

    def ask(self, method: str, url: str, language: str = "en") -> httpx.Response:
        app = FastAPI()
        app.include_router(acknowledge_router(self.office.engine, Catalogue.read(), lambda: self.office.now))

        async def asked() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
                return await client.request(method, url, headers={"accept-language": language})

        return asyncio.run(asked())

    def noted(self) -> dict[str, str | None]:
        query = select(alert.c.device, alert.c.acknowledged_by).where(alert.c.fired_ms.is_not(None))
        with self.office.engine.connect() as connection:
            return {row.device: row.acknowledged_by for row in connection.execute(query.order_by(alert.c.opened_ms))}


@pytest.fixture
def site(office: Office) -> Iterator[Site]:
    yield Site(office)


def test_one_button_takes_note_of_every_alert_that_a_group_lists(site: Site) -> None:
    site.tell("critical", FIRES, "room-1", "room-2")

    page = site.ask("POST", site.newest["acknowledge_url"])

    assert page.status_code == 200
    assert site.noted() == {"room-1": "link to duty", "room-2": "link to duty"}
    assert page.text.count("noted by link to duty") == 2


def test_opening_it_says_which_and_changes_nothing(site: Site) -> None:
    site.tell("critical", FIRES, "room-1", "room-2")

    page = site.ask("GET", site.newest["acknowledge_url"])

    assert "room-1" in page.text
    assert "room-2" in page.text
    assert "Take note of these alerts?" in page.text
    assert page.text.count('<a href="/alerts/') == 2
    assert set(site.noted().values()) == {None}


def test_what_joins_later_is_not_among_them(site: Site) -> None:
    site.tell("critical", FIRES, "room-1")
    link = site.newest["acknowledge_url"]
    site.tell("critical", FIRES, "room-2")
    site.work(MINUTE)

    site.ask("POST", link)

    assert site.noted() == {"room-1": "link to duty", "room-2": None}


def test_what_was_told_before_and_is_listed_again_is_among_them(site: Site) -> None:
    site.tell("critical", FIRES, "room-1")
    site.work(MINUTE)
    site.tell("critical", FIRES, "room-2")
    site.work(MINUTE)
    assert len(site.newest["firing"]) == 1

    site.ask("POST", site.newest["acknowledge_url"])

    assert set(site.noted().values()) == {"link to duty"}


def test_what_somebody_took_note_of_stays_theirs(site: Site) -> None:
    site.tell("critical", FIRES, "room-1", "room-2")
    with site.office.engine.begin() as connection:
        known = connection.scalar(select(alert.c.id).where(alert.c.device == "room-1"))
        acknowledge(connection, str(known), "anna", site.office.now)

    page = site.ask("POST", site.newest["acknowledge_url"])

    assert site.noted() == {"room-1": "anna", "room-2": "link to duty"}
    assert "noted by anna" in page.text


def test_it_works_once(site: Site) -> None:
    site.tell("critical", FIRES, "room-1", "room-2")
    site.ask("POST", site.newest["acknowledge_url"])

    assert site.ask("POST", site.newest["acknowledge_url"]).status_code == 409
    assert "<form" not in site.ask("GET", site.newest["acknowledge_url"]).text


def test_it_ends(site: Site) -> None:
    site.tell("critical", FIRES, "room-1", "room-2")
    link = site.newest["acknowledge_url"]
    site.office.now += 24 * HOUR

    assert site.ask("POST", link).status_code == 410
    assert set(site.noted().values()) == {None}


def test_where_all_are_noted_the_page_says_so(site: Site) -> None:
    site.tell("critical", FIRES, "room-1", "room-2")
    first = site.newest["acknowledge_url"]
    site.work(MINUTE)
    site.tell("critical", FIRES, "room-3")
    site.work(MINUTE)
    site.ask("POST", site.newest["acknowledge_url"])

    assert "Somebody has already taken note of these alerts." in site.ask("GET", first).text


def test_each_alert_has_a_link_to_its_page_and_the_message_one_to_all(site: Site) -> None:
    site.tell("critical", FIRES, "room-1")
    site.work(MINUTE)

    (entry,) = site.newest["fired"]
    assert entry["alert_url"] == f"{BASE}/alerts/{entry['incident']['id']}"
    assert "acknowledge_url" not in entry
    assert site.newest["alerts_url"] == f"{BASE}/alerts"


def test_a_message_of_what_is_over_has_nothing_to_take_note_of(site: Site) -> None:
    site.tell("critical", FIRES, "room-1")
    site.work(MINUTE)
    site.tell("critical", ENDS, "room-1")
    site.work(MINUTE)

    assert site.newest["resolved"]
    assert "acknowledge_url" not in site.newest


def test_what_is_counted_but_not_named_is_not_among_them_and_the_page_says_so(site: Site) -> None:
    site.tell("critical", FIRES, *(f"room-{number}" for number in range(53)))
    link = site.newest["acknowledge_url"]

    page = site.ask("POST", link)

    assert list(site.noted().values()).count(None) == 3
    assert re.search(r"not among these: 3\b", page.text)


def test_an_attempt_that_lists_others_has_a_link_of_its_own(site: Site) -> None:
    """The first attempt may have arrived though its answer did not: its link must not take note of what it lacked."""
    seen: list[Any] = []

    class Watching(Inbox):
        async def send(self, message: Any, now_s: int) -> Any:
            seen.append(message)
            return await Inbox.send(self, message, now_s)

    site.inbox = Watching("duty", script=[NO])
    site.tell("critical", FIRES, "room-1")
    site.work(MINUTE)
    site.tell("critical", FIRES, "room-2")
    site.work(MINUTE)
    first = re.search(r'"acknowledge_url":"([^"]+)"', seen[0].body)
    assert first is not None

    site.ask("POST", first[1])

    assert site.noted() == {"room-1": "link to duty", "room-2": None}


def test_an_attempt_that_lists_the_same_has_the_same_link(site: Site) -> None:
    seen: list[str] = []

    class Watching(Inbox):
        async def send(self, message: Any, now_s: int) -> Any:
            seen.extend(re.findall(r'"acknowledge_url":"([^"]+)"', message.body))
            return await Inbox.send(self, message, now_s)

    site.inbox = Watching("duty", script=[NO, NO])
    site.tell("critical", FIRES, "room-1", "room-2")
    for _ in range(3):
        site.work(MINUTE)

    assert len(seen) == 3
    assert len(set(seen)) == 1


def test_a_digest_has_one_too(site: Site) -> None:
    site.group, site.budget = None, BudgetConfig(per_hour=1, digest_every_s=60)
    site.tell("warning", FIRES, "room-1", "room-2", "room-3")
    site.work(2 * MINUTE)
    assert site.newest["type"] == "alert.digest"

    site.ask("POST", site.newest["acknowledge_url"])

    assert list(site.noted().values()).count("link to duty") == 2


@pytest.mark.parametrize(("language", "said"), [("zh-CN", "确认以上告警"), ("zh-TW", "確認以上告警")])
def test_the_page_of_many_speaks_the_readers_language(site: Site, language: str, said: str) -> None:
    site.tell("critical", FIRES, "room-1", "room-2")

    assert said in site.ask("GET", site.newest["acknowledge_url"], language).text


def test_what_a_link_leads_to_is_forgotten_when_it_has_ended(site: Site) -> None:
    site.tell("critical", FIRES, "room-1", "room-2")
    with site.office.engine.begin() as connection:
        forget_links(connection, site.office.now + 1)
        left = connection.scalar(select(func.count()).select_from(bundle_link))

    assert left == 0
    assert site.ask("GET", site.newest["acknowledge_url"]).status_code == 404
