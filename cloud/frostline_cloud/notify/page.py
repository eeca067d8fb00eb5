"""The page behind an acknowledge link: it asks, and only its button takes note."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Engine

from frostline_cloud.notify.links import PATH, LinkState, Look, link_key, look, use
from frostline_cloud.notify.texts import Catalogue
from frostline_cloud.sql import read_only, translated

_STATUS: Final = {
    LinkState.VALID: 200,
    LinkState.DONE: 200,
    LinkState.USED: 409,
    LinkState.ENDED: 410,
    LinkState.WRONG: 404,
}
_HEADERS: Final = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
_PAGE: Final = (
    '<!doctype html><html lang="{language}"><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Frostline</title>'
    '<body style="font:17px/1.5 sans-serif;max-width:34em;margin:3em auto;padding:0 1em;color:#1d2939">'
    '<p style="font-weight:bold">{summary}</p><p>{said}</p>{form}{more}</body></html>'
)
_MORE: Final = '<p><a href="/alerts/{}" style="color:#0b6f99">{}</a></p>'
"""Leads to the alert's page in the console, which asks who one is."""
_FORM: Final = (
    '<form method="post"><button style="font:inherit;padding:.6em 1.4em;border:0;border-radius:6px;'
    'background:#0b6f99;color:#fff">{}</button></form>'
)


def acknowledge_router(engine: Engine, texts: Catalogue, clock: Callable[[], int]) -> APIRouter:
    """GET shows the alert and a button; POST takes note, once.

    Args:
        engine: SQL.
        texts: For the page's words.
        clock: UTC milliseconds.

    Raises:
        UnavailableError: SQL does not answer.
    """
    router = APIRouter(include_in_schema=False)
    with translated("sql"), engine.begin() as connection:
        key = link_key(connection)

    @router.get(PATH + "/{token}")
    def ask(token: str, request: Request) -> HTMLResponse:
        with translated("sql"), read_only(engine).connect() as connection:
            found = look(connection, key, token[:400], clock())
        return _page(found, texts, _language(request), asks=found.state is LinkState.VALID)

    @router.post(PATH + "/{token}")
    def take_note(token: str, request: Request) -> HTMLResponse:
        with translated("sql"), engine.begin() as connection:
            found = use(connection, key, token[:400], clock())
        return _page(found, texts, _language(request), asks=False)

    return router


def _page(found: Look, texts: Catalogue, language: str, *, asks: bool) -> HTMLResponse:
    words = texts.words[language]
    page = _PAGE.format(
        language=language,
        summary=escape(found.summary),
        said=escape(words[f"page.{'ask' if asks else found.state.value}"]),
        form=_FORM.format(escape(words["page.button"])) if asks else "",
        more=_MORE.format(quote(found.alert, safe=""), escape(words["page.open"])) if found.alert else "",
    )
    return HTMLResponse(page, _STATUS[found.state], _HEADERS)


def _language(request: Request) -> str:
    """The first language of the browser that we have."""
    for part in request.headers.get("accept-language", "")[:200].split(","):
        tag = part.partition(";")[0].strip().lower()
        if tag.startswith("zh"):
            return "zh-Hant" if any(each in tag for each in ("hant", "tw", "hk", "mo")) else "zh-Hans"
        if tag.startswith("en"):
            return "en"
    return "en"
