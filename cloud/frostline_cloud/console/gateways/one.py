"""The page of one gateway: its account, its losses, runs in doubt, local rules, and what it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from nicegui import ui

from frostline_cloud.api import Caller, Services
from frostline_cloud.api.account import DayOut, LossOut, list_account, list_losses
from frostline_cloud.api.fleet import DoubtOut, NodeOut, show_node
from frostline_cloud.api.paging import Page
from frostline_cloud.console import links
from frostline_cloud.console.frame import Sight
from frostline_cloud.console.gateways.sheet import account, badges, local_rules, newest_told, own
from frostline_cloud.console.marks import show_badges
from frostline_cloud.console.pairs import show_pairs
from frostline_cloud.console.table import Cell, Table
from frostline_cloud.console.visit import Visit
from frostline_cloud.console.wall import Wall
from frostline_cloud.sql import registry
from frostline_cloud.sql.ledger import Span
from frostline_cloud.sql.registry import KnownDevice, Scope

_EVERY_MS: Final = 5_000
_MOST_LOSSES: Final = 20
_MOST_DEVICES: Final = 200


@dataclass(frozen=True, slots=True)
class _Read:
    """What the page is made of."""

    node: NodeOut
    told: DayOut | None
    losses: Page[LossOut]
    devices: Sequence[KnownDevice]


class GatewayPage:
    """A gateway.

    Args:
        visit: Who looks.
        site: Its site.
        node: Its name.
    """

    def __init__(self, visit: Visit, site: str, node: str) -> None:
        self._visit, self._site, self._node = visit, site, node
        self._read_ms = 0
        self._shown: object = None

    def build(self) -> None:
        """See `Content`."""
        ui.link("All gateways", links.GATEWAYS).classes("f-back")
        with ui.element("h1").classes("f-title"):
            ui.label(self._node)
        self._badges = ui.element("div").classes("f-badges")
        self._where = ui.label().classes("f-verdict")
        _heading("What became of its samples in the cloud")
        self._account = ui.element("dl").classes("f-facts")
        _heading("What it says itself")
        self._told = ui.label().classes("f-verdict")
        self._own = ui.element("dl").classes("f-facts")
        with ui.element("section").props('aria-label="Runs in doubt"') as self._doubtful:
            _heading("Runs in doubt")
            ui.label(
                "The gateway no longer has them, and nobody knows whether they came to their end. If nothing will come "
                "any more (a destroyed card), give them up with frostline cloud write-off."
            ).classes("f-verdict")
            self._doubts = Table("Runs in doubt", ("Run", "In doubt from batch", "Highest batch told of"), "")
        with ui.element("section").props('aria-label="Local rules"') as self._local:
            _heading("Rules that it evaluates itself")
            self._rules = ui.element("dl").classes("f-facts")
        _heading("What it reads")
        self._devices = Table("Devices", ("Device", "Kind", "Zone", "State"), "It has told of no device yet.")
        _heading("What is lost")
        columns = ("Listed", "Why", "Samples", "Measured", "Stored after all")
        self._losses = Table("Losses", columns, "Nothing of it is listed as lost.")
        self._more = ui.link(f"The newest {_MOST_LOSSES}; all of them as JSON", links.losses_of(self._site, self._node))
        self._more.classes("f-more")

    async def show(self, sight: Sight) -> None:
        """See `Content`."""
        if 0 <= sight.now_ms - self._read_ms < _EVERY_MS:
            return
        found = await self._visit.read(self._read)
        self._read_ms = sight.now_ms
        self._head(found.node, sight)
        self._where.text = f"site {self._site} · newest birth {sight.wall.text(found.node.birth_ms)}"
        show_pairs(self._account, account(found.node))
        self._told.text, told = own(found.told, sight.now_ms)
        show_pairs(self._own, told)
        self._doubtful.visible = bool(found.node.in_doubt)
        self._doubts.show([_doubt(each) for each in found.node.in_doubt])
        said = local_rules(found.node, sight.wall)
        self._local.visible = bool(said)
        show_pairs(self._rules, said)
        self._devices.show([_device(each) for each in found.devices if each.description.id])
        self._losses.show([_loss(each, sight.wall) for each in found.losses.items])
        self._more.visible = found.losses.next is not None

    def _read(self, services: Services, caller: Caller) -> _Read:
        node = show_node(services, caller, self._site, self._node)
        told = newest_told(list_account(services, caller, site=self._site, node=self._node).items)
        losses = list_losses(services, caller, Span(self._site, self._node, most=_MOST_LOSSES + 1))
        with services.reading() as connection:
            devices = registry.devices(connection, Scope(self._site, self._node), most=_MOST_DEVICES)
        return _Read(node, told, losses, devices)

    def _head(self, node: NodeOut, sight: Sight) -> None:
        found = badges(node, sight.now_ms)
        if found == self._shown:
            return
        self._shown = found
        show_badges(self._badges, found)


def _heading(text: str) -> None:
    with ui.element("h2").classes("f-h"):
        ui.label(text)


def _doubt(doubt: DoubtOut) -> Sequence[Cell]:
    return Cell(doubt.run), Cell(f"{doubt.first:,}", tone="f-n"), Cell(f"{doubt.announced:,}", tone="f-n")


def _device(known: KnownDevice) -> Sequence[Cell]:
    about = known.description
    there = known.online and known.node_online
    icon, text = ("check_circle", "online") if there else ("sensors_off", "offline")
    if known.retired:
        icon, text = "inventory_2", "gone for good"
    return (
        Cell(about.id, link=links.device_page((known.site, known.node, about.id))),
        Cell(about.kind.replace("_", " ")),
        Cell(about.zone),
        Cell(text, icon=icon),
    )


def _loss(loss: LossOut, wall: Wall) -> Sequence[Cell]:
    return (
        Cell(wall.text(loss.at_ms)),
        Cell(loss.reason, note=f"run {loss.run}" if loss.run else ""),
        Cell("nobody knows" if loss.samples is None else f"{loss.samples:,}", tone="f-n"),
        Cell(_when(loss, wall)),
        Cell("" if loss.recovered_ms is None else wall.text(loss.recovered_ms)),
    )


def _when(loss: LossOut, wall: Wall) -> str:
    if loss.from_ms is None or loss.to_ms is None:
        return "not known"
    return f"{wall.text(loss.from_ms)} to {wall.text(loss.to_ms)}"
