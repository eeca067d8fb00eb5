"""Puts the console on the API's application."""

from __future__ import annotations

import asyncio
from html import escape
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from nicegui import ui

from frostline_cloud.alerts import acknowledge
from frostline_cloud.api import Access, Caller, Role, Services
from frostline_cloud.api.sessions import COOKIE
from frostline_cloud.console import login
from frostline_cloud.console.page import Header, Needs, Rooms, StockTable
from frostline_cloud.console.source import ScreenSource
from frostline_core.errors import UnavailableError

EVERY_S: Final = 2.0
"""How often an open page is brought up to date."""

_STYLE = Path(__file__).with_name("style.css")
_ICON = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><rect width='16' height='16' rx='4' fill='#0b6f99'/>"
    "<path d='M8 2v12M3 5l10 6M13 5L3 11' stroke='#fff' stroke-width='1.4' stroke-linecap='round'/></svg>"
)
_LATER = (
    "<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=5><title>Frostline</title>"
    "<p>Nothing can be shown now: {}. This page tries again by itself.</html>"
)


def mount(app: FastAPI, services: Services) -> None:
    """Adds the console to the application of `frostline_cloud.api.build`; once in a process.

    Adds `/` and `/login`, and everything that their pages load: nothing comes from the internet.
    """
    source = ScreenSource(services)
    login.install(app)

    @ui.page("/", title="Frostline", favicon=_ICON)
    async def first(request: Request) -> Response | None:
        visit = Visit(app.state.access, services, source, request)
        try:
            if await visit.caller() is None:
                return RedirectResponse(login.PATH, 303)
        except UnavailableError as error:
            return HTMLResponse(_LATER.format(escape(str(error))), 503)
        visit.build()
        return None

    ui.run_with(app, show_welcome_message=False, dark=None, binding_refresh_interval=None, tailwind=False)


class Visit:
    """One open page: who looks, and what they see."""

    def __init__(self, access: Access, services: Services, source: ScreenSource, request: Request) -> None:
        self._access, self._services, self._source, self._request = access, services, source, request

    async def caller(self) -> Caller | None:
        """Who looks, asked anew each time: a revoked token closes open pages too.

        Raises:
            UnavailableError: SQL does not answer.
        """
        return await asyncio.to_thread(self._access.caller, self._request)

    def build(self) -> None:
        """Builds the page; its content comes with the first tick."""
        ui.add_css(_STYLE)
        self._header = Header(may_log_out=COOKIE in self._request.cookies)
        with ui.element("main").classes("f-page") as self._main:
            self._needs = Needs(self._acknowledge)
            self._rooms = Rooms()
            self._stock = StockTable()
        ui.timer(EVERY_S, self._tick)

    async def _tick(self, *, fresh: bool = False) -> None:
        try:
            if await self.caller() is None:
                ui.navigate.to(login.PATH)
                return
            screen = await asyncio.to_thread(self._source.now, fresh=fresh)
        except UnavailableError as error:
            self._header.fail(f"{error}; what is shown below is old")
            self._main.classes(add="is-old")
            return
        self._main.classes(remove="is-old")
        for part in (self._header, self._needs, self._rooms, self._stock):
            part.show(screen)

    async def _acknowledge(self, alert: str) -> None:
        try:
            caller = await self.caller()
            if caller is None or not caller.role.may(Role.OPERATOR):
                ui.notify("This needs the role operator.", type="warning")
                return
            await asyncio.to_thread(self._note, alert, caller.name)
        except UnavailableError as error:
            ui.notify(f"Not noted: {error}", type="negative")
            return
        await self._tick(fresh=True)

    def _note(self, alert: str, who: str) -> None:
        with self._services.writing() as connection:
            acknowledge(connection, alert, who, self._services.clock())
