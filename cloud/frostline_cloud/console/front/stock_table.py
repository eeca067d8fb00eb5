"""How much of each product each zone holds, as a table on the page."""

from __future__ import annotations

from nicegui import ui

from frostline_cloud.console.front.card import Stock
from frostline_cloud.console.front.screen import Screen
from frostline_cloud.console.words import ago

_COLUMNS = ("Zone", "Product (GTIN)", "Count", "Age")


class StockTable:
    """How much of each product each zone holds."""

    def __init__(self) -> None:
        self._shown: tuple[Stock, ...] = ()
        self._box = ui.element("div")

    def show(self, screen: Screen) -> None:
        """Shows what a screen says."""
        if screen.stock == self._shown:
            return
        self._shown = screen.stock
        self._box.clear()
        if not screen.stock:
            return
        with self._box:
            with ui.element("h2").classes("f-h"):
                ui.label("Stock")
            with ui.element("table").classes("f-table"):
                with ui.element("tr"):
                    for name in _COLUMNS:
                        _cell("th", name)
                for line in screen.stock:
                    _stock_line(line)


def _stock_line(line: Stock) -> None:
    with ui.element("tr").classes("is-stale" if line.count.stale else ""):
        site, _, device = line.key
        _cell("td", f"{site} · {line.zone or device}")
        _cell("td", line.item)
        _cell("td", line.count.text)
        _cell("td", ago(line.count.age_ms) + (f" (stale: {line.count.stale})" if line.count.stale else ""))


def _cell(tag: str, text: str) -> None:
    with ui.element(tag):
        ui.label(text)
