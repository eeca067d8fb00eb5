"""What every page has: head, ways to the others, and a content that is brought up to date."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from nicegui import ui

from frostline_cloud.api.sessions import COOKIE
from frostline_cloud.console import links
from frostline_cloud.console.front.screen import Screen
from frostline_cloud.console.front.source import ScreenSource
from frostline_cloud.console.header import Header
from frostline_cloud.console.visit import NotDoneError, Visit
from frostline_cloud.console.wall import Wall
from frostline_core.errors import UnavailableError

EVERY_S: Final = 2.0
"""How often an open page is brought up to date."""

_STYLE = Path(__file__).with_name("style.css")
_ASK = (
    "({zone: Intl.DateTimeFormat().resolvedOptions().timeZone,"
    " theme: localStorage.getItem('frostline-theme') || 'auto'})"
)
_ANSWER_S = 5.0


@dataclass(frozen=True, slots=True)
class Sight:
    """What a content is shown for.

    Attributes:
        screen: The state of the system.
        now_ms: The cloud's clock.
        wall: The reader's time zone.
    """

    screen: Screen
    now_ms: int
    wall: Wall


class Content(Protocol):
    """What a page has below its head."""

    def build(self) -> None:
        """Builds its elements, once; what is in them comes with `show`."""

    async def show(self, sight: Sight) -> None:
        """Brings it up to date.

        Raises:
            NotDoneError: There is nothing to show, for people.
            UnavailableError: SQL or the store does not answer: what is shown is old.
        """


class Frame:
    """One open page."""

    def __init__(self, visit: Visit, source: ScreenSource, content: Content, here: str) -> None:
        self._visit, self._source, self._content, self._here = visit, source, content, here
        self._is_known = False
        self._turn = asyncio.Lock()

    def build(self) -> None:
        """Builds the page; its content comes with the first tick."""
        ui.add_css(_STYLE)
        self._header = Header(self._here, may_log_out=COOKIE in self._visit.request.cookies)
        with ui.element("div").classes("f-page") as self._main:
            self._gone = ui.label().classes("f-verdict doubt").props("role=alert")
            self._gone.visible = False
            with ui.element("div") as self._body:
                self._content.build()
            self._body.visible = False
        ui.skip_link(target=self._main)
        ui.timer(EVERY_S, self.refresh)

    async def refresh(self, *, fresh: bool = False) -> None:
        """Brings the page up to date; `fresh` after something was changed here."""
        async with self._turn:
            try:
                if await self._visit.caller() is None:
                    ui.navigate.to(links.LOGIN)
                    return
                await self._ask()
                screen = await asyncio.to_thread(self._source.now, fresh=fresh)
                self._header.show(screen)
                self._body.visible = not self._gone.visible
                await self._content.show(Sight(screen, self._visit.services.clock(), self._visit.wall))
            except UnavailableError as error:
                self._header.fail(f"{error}; what is shown below is old")
                self._main.classes(add="is-old")
                return
            except NotDoneError as error:
                self._gone.text, self._gone.visible, self._body.visible = str(error), True, False
                return
            self._gone.visible, self._body.visible = False, True
            self._main.classes(remove="is-old")

    async def _ask(self) -> None:
        """The browser's time zone, and the look that was chosen in it; a slow one is asked at each turn."""
        if not self._is_known:
            try:
                told = await ui.run_javascript(_ASK, timeout=_ANSWER_S)
            except TimeoutError:
                told = None
            found = told if isinstance(told, dict) else {}
            self._visit.wall, self._is_known = Wall.of(found.get("zone")), bool(found)
            self._header.wear(str(found.get("theme")), self._visit.wall.name)
