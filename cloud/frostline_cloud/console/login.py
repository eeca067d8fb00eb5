"""The log-in page: one field for a token, plain HTML, works without script."""

from __future__ import annotations

import re
from html import escape
from typing import Annotated
from urllib.parse import urlencode

from fastapi import FastAPI, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from frostline_cloud.api import Access
from frostline_cloud.api.access import same_origin
from frostline_cloud.api.sessions import COOKIE
from frostline_cloud.console import links
from frostline_cloud.console.links import LOGIN as PATH

_OWN_PAGE = re.compile(r"/(?![/\\])[\x21-\x7e]{0,500}")
"""A page of ours, and nothing that a browser takes for another site."""

_STYLE = """
:root{color-scheme:light dark;--back:#f3f6f8;--card:#fff;--line:#d5dde3;--text:#14202b;--soft:#566573;--ice:#0b6f99}
@media(prefers-color-scheme:dark){:root{
--back:#0d1319;--card:#151e27;--line:#2a3743;--text:#e4ecf3;--soft:#93a4b3;--ice:#63c3ea}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--back);color:var(--text);
font:16px/1.5 system-ui,sans-serif}
form{width:min(24rem,calc(100vw - 2rem));background:var(--card);border:1px solid var(--line);border-radius:12px;
padding:1.75rem}
h1{margin:0 0 1rem;font-size:1.3rem;letter-spacing:-.01em}h1 span{color:var(--ice)}
label{display:block;font-weight:600;font-size:.9rem}
input{width:100%;margin:.35rem 0 1rem;padding:.6rem .7rem;font:inherit;border:1px solid var(--line);border-radius:8px;
background:var(--back);color:inherit}
button{width:100%;padding:.6rem;font:inherit;font-weight:600;border:0;border-radius:8px;background:var(--ice);
color:var(--card);cursor:pointer}
p{margin:1rem 0 0;color:var(--soft);font-size:.85rem}code{font-size:.9em}
[role=alert]{margin:0 0 1rem;padding:.5rem .7rem;border-left:3px solid #c62828;background:#c6282818;color:inherit}
"""


def install(app: FastAPI) -> None:
    """Adds the log-in page, what it sends to, and the log-out."""

    @app.get(PATH, include_in_schema=False, response_class=HTMLResponse)
    def show(to: str = "") -> HTMLResponse:
        return HTMLResponse(_page("", to))

    @app.post(PATH, include_in_schema=False)
    def log_in(
        request: Request, token: Annotated[str, Form(max_length=200)] = "", to: Annotated[str, Form()] = ""
    ) -> Response:
        return _log_in(request, token.strip(), to)

    @app.post("/logout", include_in_schema=False)
    def log_out(request: Request) -> Response:
        answer = RedirectResponse(PATH, 303)
        if same_origin(request):
            answer.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=request.url.scheme == "https")
        return answer


def then(path: str, query: str) -> str:
    """The log-in page that leads on to a page of ours."""
    wanted = f"{path}?{query}" if query else path
    return PATH if wanted == links.FRONT else f"{PATH}?{urlencode({'to': wanted})}"


def _log_in(request: Request, token: str, to: str) -> Response:
    if not same_origin(request):
        return HTMLResponse(_page("This comes from a page of another site.", ""), 403)
    access: Access = request.app.state.access
    try:
        record = access.check(request, token)
    except HTTPException as error:
        fault = f"{error.detail[:1].upper()}{error.detail[1:]}."
        return HTMLResponse(_page(fault, to), error.status_code, error.headers)
    value, lasts_s = access.session(record)
    answer = RedirectResponse(to if _OWN_PAGE.fullmatch(to) else links.FRONT, 303)
    answer.set_cookie(
        COOKIE, value, max_age=lasts_s, httponly=True, samesite="lax", secure=request.url.scheme == "https"
    )
    return answer


def _page(fault: str, to: str) -> str:
    alarm = f"<div role=alert>{escape(fault)}</div>" if fault else ""
    on = f'<input type=hidden name=to value="{escape(to)}">' if to else ""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>Frostline: log in</title><style>{_STYLE}</style><main><form method=post action={PATH}>"
        f"<h1><span>❄</span> Frostline</h1>{alarm}<label for=token>Token</label>"
        "<input id=token name=token type=password autocomplete=current-password required autofocus>"
        f"{on}<button>Log in</button><p>A token comes from whoever runs this system: "
        "<code>frostline cloud token create NAME --role viewer</code></p></form></main></html>"
    )
