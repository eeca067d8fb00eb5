"""Evidence that several open pages share, and what the console says when something cannot be done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import update
from starlette.requests import Request

from frostline_cloud.api import Access, Caller, Role, Services, create_token
from frostline_cloud.api.alerts import AlertDetailOut, show_alert
from frostline_cloud.api.handling import CommentIn, comment_alert
from frostline_cloud.api.sessions import COOKIE
from frostline_cloud.console.incident.shelf import AGAIN_MS, Shelf
from frostline_cloud.console.visit import NotDoneError, Visit
from frostline_cloud.sql.tables import alert
from frostline_cloud.store import Place, Row
from tests.support.web import MINUTE_MS, NOW_MS, Cloud, seed

FREEZER = "00000000-0000-4000-8000-000000000000"
CALLER = Caller("anna", Role.OPERATOR)


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def services(tmp_path: Path, cloud: Cloud) -> Iterator[Services]:
    services = cloud.services(tmp_path)
    seed(services.engine, services.store)
    with services.writing() as connection:
        connection.execute(update(alert).where(alert.c.id == FREEZER).values(evidence={"kind": "cold_room"}))
    yield services
    services.store.close()
    services.engine.dispose()


def shown(services: Services) -> AlertDetailOut:
    return show_alert(services, CALLER, FREEZER)


def count(shelf: Shelf, services: Services) -> int:
    return shelf.of(shown(services))(services, CALLER).evidence.count


def warm(services: Services) -> None:
    place = Place("cold_room", "berlin", "gw-1", "freezer-1", "freezer-1")
    services.store.write([Row(place, NOW_MS - MINUTE_MS - 1, [("air_temperature", -9.0)])])


def test_evidence_is_read_once_for_all_pages_and_anew_after_a_while(cloud: Cloud, services: Services) -> None:
    shelf = Shelf()
    before = count(shelf, services)
    warm(services)
    assert count(shelf, services) == before
    cloud.now_ms += AGAIN_MS
    assert count(shelf, services) > before


def test_evidence_is_read_anew_when_the_alert_has_changed(services: Services) -> None:
    shelf = Shelf()
    before = count(shelf, services)
    warm(services)
    comment_alert(services, CALLER, FREEZER, CommentIn(text="what is this?"))
    assert count(shelf, services) == before + 1


def visit(services: Services, role: Role) -> Visit:
    with services.writing() as connection:
        text = create_token(connection, f"a-{role}", role, NOW_MS)
    access = Access(services)
    bare = Request({"type": "http", "headers": [], "client": ("127.0.0.1", 1)})
    cookie, _ = access.session(access.check(bare, text))
    return Visit(access, services, Request({"type": "http", "headers": [(b"cookie", f"{COOKIE}={cookie}".encode())]}))


async def test_only_an_operator_acts(services: Services) -> None:
    wanted = CommentIn(text="hello")
    with pytest.raises(NotDoneError, match="needs the role operator, and a-viewer is viewer"):
        await visit(services, Role.VIEWER).act(lambda s, caller: comment_alert(s, caller, FREEZER, wanted))
    said = await visit(services, Role.OPERATOR).act(lambda s, caller: comment_alert(s, caller, FREEZER, wanted))
    assert said.timeline[-1].who == "a-operator"


async def test_who_is_logged_out_is_told_so(services: Services) -> None:
    nobody = Visit(Access(services), services, Request({"type": "http", "headers": []}))
    with pytest.raises(NotDoneError, match="Log in again"):
        await nobody.act(lambda _services, caller: caller)


async def test_what_does_not_fit_is_told_in_words(services: Services) -> None:
    with pytest.raises(ValidationError) as raised:
        CommentIn(text=" ")
    error = raised.value

    def refuse(_services: Services, _caller: Caller) -> None:
        raise error

    with pytest.raises(NotDoneError, match="Not done: String should match pattern"):
        await visit(services, Role.OPERATOR).act(refuse)


async def test_a_database_that_does_not_answer_changes_nothing(services: Services) -> None:
    anna = visit(services, Role.OPERATOR)
    with services.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE alert_event RENAME TO elsewhere")
    with pytest.raises(NotDoneError, match="Try again in a moment"):
        await anna.act(lambda s, caller: comment_alert(s, caller, FREEZER, CommentIn(text="x")))
