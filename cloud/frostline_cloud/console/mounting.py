"""Puts the console on the API's application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from html import escape
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from nicegui import app as pages
from nicegui import ui

from frostline_cloud.api import Services
from frostline_cloud.console import links, login
from frostline_cloud.console.alert_list import AlertList, Show
from frostline_cloud.console.device.page import DevicePage
from frostline_cloud.console.device.past import Pasts
from frostline_cloud.console.frame import Content, Frame
from frostline_cloud.console.front.page import Front
from frostline_cloud.console.front.source import ScreenSource
from frostline_cloud.console.gateways.one import GatewayPage
from frostline_cloud.console.gateways.page import GatewaysPage
from frostline_cloud.console.incident.page import IncidentPage
from frostline_cloud.console.incident.shelf import Shelf
from frostline_cloud.console.noise import NoisePage
from frostline_cloud.console.oncall.page import OnCallPage
from frostline_cloud.console.quiet.pauses import PausesPage
from frostline_cloud.console.quiet.silences import SilencesPage
from frostline_cloud.console.visit import Visit
from frostline_core.errors import UnavailableError

_ICON = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><rect width='16' height='16' rx='4' fill='#0b6f99'/>"
    "<path d='M8 2v12M3 5l10 6M13 5L3 11' stroke='#fff' stroke-width='1.4' stroke-linecap='round'/></svg>"
)
_LATER = (
    "<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=5><title>Frostline</title>"
    "<p>Nothing can be shown now: {}. This page tries again by itself.</html>"
)
_NOWHERE = (
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    "<title>Frostline</title><h1>There is no such page</h1><p>These are: {}.</html>"
)
Refresh = Callable[[], Awaitable[None]]
Make = Callable[[Visit, Refresh], Content]
"""Makes a page's content; it is handed what brings the page up to date at once."""


def mount(app: FastAPI, services: Services) -> None:
    """Adds the console to the application of `frostline_cloud.api.build`; once in a process.

    Adds the pages of `links`, and everything that they load: nothing comes from the internet.
    """
    opening = Opening(app, services)
    login.install(app)
    pages.add_exception_handler(HTTPStatus.NOT_FOUND, _nowhere)
    _pages_of_things(opening)
    _pages_of_handling(opening)
    ui.run_with(
        app, show_welcome_message=False, dark=None, binding_refresh_interval=None, tailwind=False, language="en-US"
    )


def _pages_of_things(opening: Opening) -> None:
    """What there is, and what happens to it."""

    @ui.page(links.FRONT, title="Frostline", favicon=_ICON)
    async def front(request: Request) -> Response | None:
        return await opening.open(request, Front, links.FRONT)

    @ui.page(links.ALERTS, title="Alerts - Frostline", favicon=_ICON)
    async def alerts(request: Request, show: str = "", before: str = "") -> Response | None:
        wanted = Show(show) if show in set(Show) else Show.OPEN
        return await opening.open(request, lambda visit, _: AlertList(visit, wanted, before), links.ALERTS)

    @ui.page(links.ALERTS + "/{alert_id}", title="Alert - Frostline", favicon=_ICON)
    async def alert(request: Request, alert_id: str) -> Response | None:
        return await opening.open(request, lambda visit, refresh: IncidentPage(visit, refresh, opening.shelf, alert_id))

    @ui.page(links.GATEWAYS, title="Gateways - Frostline", favicon=_ICON)
    async def gateways(request: Request, after: str = "") -> Response | None:
        return await opening.open(request, lambda visit, _: GatewaysPage(visit, after), links.GATEWAYS)

    @ui.page(links.GATEWAYS + "/{site}/{node}", title="Gateway - Frostline", favicon=_ICON)
    async def gateway(request: Request, site: str, node: str) -> Response | None:
        return await opening.open(request, lambda visit, _: GatewayPage(visit, site, node))

    @ui.page(links.DEVICES + "/{site}/{node}/{device}", title="Device - Frostline", favicon=_ICON)
    async def device(request: Request, site: str, node: str, device: str, metric: str = "") -> Response | None:
        key = (site, node, device)
        return await opening.open(request, lambda visit, _: DevicePage(visit, opening.pasts, key, metric))


def _pages_of_handling(opening: Opening) -> None:
    """Who is told, and of what nobody is."""

    @ui.page(links.SILENCES, title="Silences - Frostline", favicon=_ICON)
    async def silences(request: Request) -> Response | None:
        return await opening.open(request, SilencesPage, links.SILENCES)

    @ui.page(links.PAUSES, title="Out of service - Frostline", favicon=_ICON)
    async def pauses(request: Request) -> Response | None:
        return await opening.open(request, PausesPage, links.PAUSES)

    @ui.page(links.ON_CALL, title="On call - Frostline", favicon=_ICON)
    async def on_call(request: Request) -> Response | None:
        return await opening.open(request, OnCallPage, links.ON_CALL)

    @ui.page(links.NOISE, title="Noisiest rules - Frostline", favicon=_ICON)
    async def noise(request: Request) -> Response | None:
        return await opening.open(request, lambda visit, _: NoisePage(visit), links.NOISE)


async def _nowhere(_request: Request, _error: Exception) -> Response:
    """A way on for whoever follows an old or a mistyped link."""
    ways = ", ".join(f'<a href="{path}">{name}</a>' for path, name in links.PAGES)
    return HTMLResponse(_NOWHERE.format(ways), HTTPStatus.NOT_FOUND)


class Opening:
    """Opens pages, and holds what they share."""

    def __init__(self, app: FastAPI, services: Services) -> None:
        self._app, self._services = app, services
        self._source = ScreenSource(services)
        self.shelf: Final = Shelf()
        self.pasts: Final = Pasts()

    async def open(self, request: Request, make: Make, here: str = "") -> Response | None:
        """Builds a page for whoever is logged in; sends others to log in, and back here then."""
        visit = Visit(self._app.state.access, self._services, request)
        try:
            if await visit.caller() is None:
                return RedirectResponse(login.then(request.url.path, request.url.query), 303)
        except UnavailableError as error:
            return HTMLResponse(_LATER.format(escape(str(error))), 503)
        frame: list[Frame] = []

        async def refresh() -> None:
            await frame[0].refresh(fresh=True)

        frame.append(Frame(visit, self._source, make(visit, refresh), here))
        frame[0].build()
        return None
