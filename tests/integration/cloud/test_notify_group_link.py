"""From the config to the button: a group's message over HTTP, and the link in it."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from frostline_cloud.notify import UNADDRESSED, NotifyConfig, RouteConfig, Tables, build_notify
from frostline_cloud.notify.links.page import acknowledge_router
from frostline_cloud.notify.texts import Catalogue
from frostline_cloud.sql.tables import alert
from frostline_core.config import parse
from tests.support.hook import Hook
from tests.support.post import FIRES, NOW, Post

BASE = "https://cold.example.com"
ROUTE = parse({"name": "all", "to": ["ops"], "group": {"wait_s": 0}}, RouteConfig, "test")


def tables(post: Post, hook: Hook, **notify: Any) -> Tables:
    return Tables([post.receiver(hook)], [ROUTE], parse(notify, NotifyConfig, "test"))


async def test_one_button_takes_note_of_what_a_group_told_over_http(post: Post) -> None:
    for device in ("room-1", "room-2"):
        post.tell(FIRES, device=device, to=[UNADDRESSED])
    with Hook() as hook:
        notify = build_notify(tables(post, hook, public_url=f"{BASE}/"), post.engine)
        await notify.run_once()
        await notify.close()
    (told,) = (request.content for request in hook.requests)
    app = FastAPI()
    app.include_router(acknowledge_router(post.engine, Catalogue.read(), lambda: NOW))

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as browser:
        asked = await browser.get(told["acknowledge_url"])
        noted = await browser.post(told["acknowledge_url"])

    assert told["acknowledge_url"].startswith(f"{BASE}/acknowledge/lnk_")
    assert [each["alert_url"] for each in told["fired"]] == [
        f"{BASE}/alerts/{each['incident']['id']}" for each in told["fired"]
    ]
    assert (asked.status_code, noted.status_code) == (200, 200)
    with post.engine.connect() as connection:
        assert list(connection.scalars(select(alert.c.acknowledged_by))) == ["link to ops", "link to ops"]


@pytest.mark.parametrize(("notify", "said"), [({}, 1), ({"public_url": BASE}, 0)])
async def test_that_there_are_no_links_is_said_once_at_the_start(
    post: Post, caplog: pytest.LogCaptureFixture, notify: dict[str, str], said: int
) -> None:
    post.tell(FIRES, to=[UNADDRESSED])
    with Hook() as hook, caplog.at_level(logging.WARNING):
        worker = build_notify(tables(post, hook, **notify), post.engine)
        await worker.run_once()
        await worker.close()

    assert [each.getMessage() for each in caplog.records].count(
        "notifications carry no links, neither to the alert's page nor to take note: set public_url in [notify]"
    ) == said
    assert ("alert_url" in hook.requests[0].content["fired"][0]) is not bool(said)
