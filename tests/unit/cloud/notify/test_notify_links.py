"""Acknowledge links: one alert, once, until they end; opening one changes nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from frostline_cloud.alerts import record
from frostline_cloud.console.links import alert_page
from frostline_cloud.notify.links import Links, LinkState, forget_links, link_key
from frostline_cloud.notify.links.page import acknowledge_router
from frostline_cloud.notify.links.token import read_token, token_of
from frostline_cloud.notify.links.using import look, use
from frostline_cloud.notify.links.writing import alert_path
from frostline_cloud.notify.texts import Catalogue
from frostline_cloud.sql import open_engine
from frostline_cloud.sql.tables import alert, metadata, outbox
from frostline_core.rules import Phase, RuleSet, Series, Transition
from frostline_core.rules import parse as parse_rule
from tests.support.notices import body

NOW = 1_770_000_000_000
HOUR = 3_600_000
KEY = b"k" * 32
WARM = RuleSet.of(
    [
        parse_rule(
            {"type": "threshold", "id": "warm", "title": "Too <b>warm</b>", "select": {"metric": "*"}, "above": 8}, "t"
        )
    ]
)


@dataclass(slots=True)
class Site:
    """The console's address, with a clock to turn."""

    engine: Engine
    app: FastAPI
    now: int = NOW

    def ask(self, method: str, link: str, language: str = "en") -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="https://f.example") as client:
                return await client.request(method, link, headers={"accept-language": language})

        return asyncio.run(asked())

    def link(self) -> str:
        with self.engine.begin() as connection:
            row = connection.execute(select(outbox)).one()
            links = Links(link_key(connection), "", 24)
        made = links.into(row.body, row.id, row.created_ms)
        return str(json.loads(made)["acknowledge_url"])

    def who(self) -> str | None:
        with self.engine.connect() as connection:
            return connection.scalar(select(alert.c.acknowledged_by))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    engine = open_engine(f"sqlite:///{tmp_path}/frostline.db")
    metadata.create_all(engine)
    series = Series("hamburg", "gw-1", "room-1", "cold_room", "", "air_temperature")
    with engine.begin() as connection:
        step = Transition("warm", series, Phase.OK, Phase.FIRING, NOW, 9.0, 8.0, "")
        record(connection, [step], WARM, ["duty"], NOW)
    app = FastAPI()
    app.include_router(acknowledge_router(engine, Catalogue.read(), lambda: made.now))
    made = Site(engine, app)
    yield made
    engine.dispose()


def test_opening_the_link_asks_and_changes_nothing(site: Site) -> None:
    for _ in range(3):
        page = site.ask("GET", site.link())

    assert page.status_code == 200
    assert '<form method="post">' in page.text
    assert '<a href="/alerts/' in page.text
    assert "Too &lt;b&gt;warm" in page.text
    assert site.who() is None


def test_asking_for_its_head_or_options_changes_nothing(site: Site) -> None:
    site.ask("HEAD", site.link())
    site.ask("OPTIONS", site.link())

    assert site.who() is None


def test_the_button_takes_note(site: Site) -> None:
    page = site.ask("POST", site.link())

    assert page.status_code == 200
    assert "Noted" in page.text
    assert site.who() == "link to duty"


def test_the_link_works_once(site: Site) -> None:
    link = site.link()
    site.ask("POST", link)

    assert site.ask("POST", link).status_code == 409
    assert "<form" not in site.ask("GET", link).text


def test_the_link_ends(site: Site) -> None:
    link = site.link()
    site.now += 24 * HOUR

    assert site.ask("POST", link).status_code == 410
    assert site.who() is None


@pytest.mark.parametrize(("old", "new"), [("msg_", "msg_0"), (".", ".1"), (".", "")])
def test_a_changed_link_is_no_link(site: Site, old: str, new: str) -> None:
    page = site.ask("POST", site.link().replace(old, new))

    assert page.status_code == 404
    assert "Too" not in page.text
    assert "/alerts/" not in page.text
    assert site.who() is None


def test_the_page_speaks_the_readers_language(site: Site) -> None:
    assert "确认告警" in site.ask("GET", site.link(), "zh-CN,zh;q=0.9").text
    assert "確認告警" in site.ask("GET", site.link(), "zh-TW").text
    assert "Take note" in site.ask("GET", site.link(), "fr").text


def test_who_comes_second_hears_that_somebody_has_taken_note(site: Site) -> None:
    with site.engine.begin() as connection:
        row = connection.execute(select(outbox)).one()
        key = link_key(connection)
        token = token_of(key, row.id, NOW // 1000 + 60)
        assert use(connection, key, token, NOW).state is LinkState.VALID
        assert use(connection, key, token, NOW).state is LinkState.USED
        assert forget_links(connection, NOW + 1) == 1
        assert look(connection, key, token, NOW).state is LinkState.DONE


def test_the_key_stays_the_same(site: Site) -> None:
    with site.engine.begin() as connection:
        assert link_key(connection) == link_key(connection)


def test_what_is_over_has_a_page_and_nothing_to_take_note_of() -> None:
    made = json.loads(Links(KEY, "https://f.example").into(json.dumps(body(type="alert.resolved")), "msg_1", NOW))

    assert made["alert_url"] == "https://f.example/alerts/5f0d0000-0000-4000-8000-000000000001"
    assert "acknowledge_url" not in made


def test_what_somebody_has_taken_note_of_has_a_page_only() -> None:
    noted = json.dumps(body(incident={"acknowledged_by": "anna"}))
    made = json.loads(Links(KEY, "https://f.example").into(noted, "msg_1", NOW))

    assert made["alert_url"]
    assert "acknowledge_url" not in made


def test_what_is_told_again_by_itself_has_a_link() -> None:
    made = json.loads(Links(KEY, "https://f.example").into(json.dumps(body(type="alert.repeated")), "msg_1", NOW))

    assert made["acknowledge_url"].startswith("https://f.example/acknowledge/msg_1.")


def test_the_alerts_page_is_where_the_console_has_it() -> None:
    assert alert_path("a b/c") == alert_page("a b/c")


def test_every_attempt_carries_the_same_link() -> None:
    links, text = Links(KEY, "https://f.example"), json.dumps(body())

    assert links.into(text, "msg_1", NOW) == links.into(text, "msg_1", NOW)


@given(st.text(max_size=60))
def test_what_we_did_not_sign_is_wrong(token: str) -> None:
    assert read_token(KEY, token, NOW) == (LinkState.WRONG, "")


@given(st.integers(0, 10**11), st.integers(0, 10**14))
def test_a_link_is_valid_until_its_end(ends_s: int, now_ms: int) -> None:
    state, message_id = read_token(KEY, token_of(KEY, "msg_1", ends_s), now_ms)

    assert message_id == "msg_1"
    assert state is (LinkState.VALID if now_ms < ends_s * 1000 else LinkState.ENDED)


def test_another_key_does_not_sign_our_links() -> None:
    assert read_token(b"x" * 32, token_of(KEY, "msg_1", 2_000_000_000), NOW)[0] is LinkState.WRONG
