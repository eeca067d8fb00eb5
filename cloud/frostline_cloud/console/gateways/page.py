"""The page of all gateways."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from nicegui import ui

from frostline_cloud.api.fleet import NodeOut, list_nodes
from frostline_cloud.console import links
from frostline_cloud.console.frame import Sight
from frostline_cloud.console.gateways.sheet import doubts, lost, state
from frostline_cloud.console.table import Cell, Table
from frostline_cloud.console.visit import Visit
from frostline_cloud.console.words import ago

_EVERY_MS: Final = 5_000
_COLUMNS: Final = ("Gateway", "State", "Received", "Listed as lost", "What to look at")


class GatewaysPage:
    """A table, by pages of 100.

    Args:
        visit: Who looks.
        after: Cursor of a later page; "" for the first.
    """

    def __init__(self, visit: Visit, after: str) -> None:
        self._visit, self._after = visit, after
        self._read_ms = 0

    def build(self) -> None:
        """See `Content`."""
        with ui.element("h1").classes("f-title"):
            ui.label("Gateways")
        ui.label("What each has sent, over all time, and what became of it.").classes("f-verdict")
        empty = "No gateway was ever heard. Give one this broker and start it: frostline gateway run."
        self._table = Table("Gateways", _COLUMNS, empty)
        self._more = ui.link("More gateways", "").classes("f-more")
        self._more.visible = False

    async def show(self, sight: Sight) -> None:
        """See `Content`."""
        if 0 <= sight.now_ms - self._read_ms < _EVERY_MS:
            return
        page = await self._visit.read(partial(list_nodes, cursor=self._after or None))
        self._read_ms = sight.now_ms
        self._table.show([_row(each, sight.now_ms) for each in page.items])
        self._more.visible = page.next is not None
        self._more.props["href"] = f"{links.GATEWAYS}?after={page.next or ''}"


def _row(node: NodeOut, now_ms: int) -> Sequence[Cell]:
    return (
        Cell(node.node, link=links.gateway_page(node.site, node.node), note=node.site),
        Cell(
            state(node, now_ms),
            icon="check_circle" if node.online else "sensors_off",
            note=f"newest birth {ago(max(0, now_ms - node.birth_ms))} ago" if node.online else "",
        ),
        Cell(f"{node.account.received:,}", tone="f-n"),
        Cell(lost(node)),
        Cell(", ".join(doubts(node)) or "nothing"),
    )
