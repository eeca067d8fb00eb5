"""How much of each product each zone holds, as a table on the page."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from frostline_cloud.console import links
from frostline_cloud.console.front.card import Stock
from frostline_cloud.console.front.screen import Screen
from frostline_cloud.console.table import Cell, Table
from frostline_cloud.console.words import ago

_COLUMNS = ("Zone", "Product (GTIN)", "Count", "Age")


class StockTable:
    """How much of each product each zone holds; nothing at all where there is no stock."""

    def __init__(self) -> None:
        with ui.element("section").props('aria-label="Stock"') as self._section:
            with ui.element("h2").classes("f-h"):
                ui.label("Stock")
            self._table = Table("Stock", _COLUMNS, "")

    def show(self, screen: Screen) -> None:
        """Shows what a screen says."""
        self._section.visible = bool(screen.stock)
        self._table.show([_row(each) for each in screen.stock])


def _row(line: Stock) -> Sequence[Cell]:
    site, _, device = line.key
    stale = f"stale: {line.count.stale}" if line.count.stale else ""
    return (
        Cell(f"{site} · {line.zone or device}", link=links.device_page(line.key, f"count_{line.item}")),
        Cell(line.item),
        Cell(line.count.text, tone="f-n is-stale" if stale else "f-n"),
        Cell(ago(line.count.age_ms), icon="cloud_off" if stale else "", note=stale),
    )
