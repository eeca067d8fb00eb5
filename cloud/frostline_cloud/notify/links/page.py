"""The page behind an acknowledge link: it shows the alerts and asks, and only its button takes note."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Engine

from frostline_cloud.notify.links.token import LinkState, link_key
from frostline_cloud.notify.links.using import Look, Seen, look, use
from frostline_cloud.notify.links.writing import PATH, alert_path
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
    "{alerts}<p>{said}</p>{form}</body></html>"
)
_ALERT: Final = '<p><b>{summary}</b><br>{severity}{facts} · <a href="{path}" style="color:#0b6f99">{open}</a></p>'
_FORM: Final = (
    '<form method="post"><button style="font:inherit;padding:.6em 1.4em;border:0;border-radius:6px;'
    'background:#0b6f99;color:#fff">{}</button></form>'
)


def acknowledge_router(engine: Engine, texts: Catalogue, clock: Callable[[], int]) -> APIRouter:
    """GET shows the alerts and a button; POST takes note, once.

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
    said = "ask" if asks else found.state.value
    if len(found.alerts) > 1 and f"page.{said}_many" in words:
        said = f"{said}_many"
    unlisted = f"<p>{escape(words['page.unlisted'])} {found.unlisted}</p>" if found.unlisted else ""
    page = _PAGE.format(
        language=language,
        alerts="".join(_alert(each, words) for each in found.alerts) + unlisted,
        said=escape(words[f"page.{said}"]),
        form=_FORM.format(escape(words["page.button"])) if asks else "",
    )
    return HTMLResponse(page, _STATUS[found.state], _HEADERS)


def _alert(seen: Seen, words: Mapping[str, str]) -> str:
    facts = [words["stage.resolved"]] if seen.is_over else []
    facts += [f"{words['page.noted_by']} {seen.acknowledged_by}"] if seen.acknowledged_by else []
    return _ALERT.format(
        summary=escape(seen.summary),
        severity=escape(words.get(f"severity.{seen.severity}", seen.severity)),
        facts="".join(f" · {escape(each)}" for each in facts),
        path=escape(alert_path(seen.id)),
        open=escape(words["page.open"]),
    )


def _language(request: Request) -> str:
    """The first language of the browser that we have."""
    for part in request.headers.get("accept-language", "")[:200].split(","):
        tag = part.partition(";")[0].strip().lower()
        if tag.startswith("zh"):
            return "zh-Hant" if any(each in tag for each in ("hant", "tw", "hk", "mo")) else "zh-Hans"
        if tag.startswith("en"):
            return "en"
    return "en"
