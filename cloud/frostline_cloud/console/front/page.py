"""The first page as a content."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from nicegui import ui

from frostline_cloud.api.alerts import acknowledge_alert
from frostline_cloud.console.frame import Sight
from frostline_cloud.console.front.needs_list import Needs
from frostline_cloud.console.front.rooms import Rooms
from frostline_cloud.console.front.stock_table import StockTable
from frostline_cloud.console.visit import NotDoneError, Visit


class Front:
    """What needs somebody now, rooms, stock."""

    def __init__(self, visit: Visit, refresh: Callable[[], Awaitable[None]]) -> None:
        self._visit, self._refresh = visit, refresh

    def build(self) -> None:
        """See `Content`."""
        with ui.element("h1").classes("f-hidden"):
            ui.label("Now")
        self._needs, self._rooms, self._stock = Needs(self._acknowledge), Rooms(), StockTable()

    async def show(self, sight: Sight) -> None:
        """See `Content`."""
        for part in (self._needs, self._rooms, self._stock):
            part.show(sight.screen)

    async def _acknowledge(self, alert_id: str) -> None:
        try:
            await self._visit.act(partial(acknowledge_alert, alert_id=alert_id))
        except NotDoneError as error:
            ui.notify(str(error), type="warning")
            return
        await self._refresh()
