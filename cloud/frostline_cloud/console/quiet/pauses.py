"""The page of what is out of service: maintenance and idle equipment, and a form for more of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from nicegui import ui

from frostline_cloud.api import Caller, Services
from frostline_cloud.api.pauses import PauseIn, PauseKind, PauseOut, create_pause, finish_pause, list_pauses
from frostline_cloud.console.form import Form, begin_ms, choice, field, length_ms, moment, said
from frostline_cloud.console.frame import Sight
from frostline_cloud.console.table import Cell, Table
from frostline_cloud.console.visit import NotDoneError, Visit
from frostline_cloud.console.words import span
from frostline_cloud.sql import registry
from frostline_cloud.sql.registry import Scope

_COLUMNS = ("What", "Why it is out", "Reason", "Who", "From", "Until", "")
_KINDS: Final = {
    PauseKind.MAINTENANCE.value: "Maintenance: being worked on, 30 days at most",
    PauseKind.IDLE.value: "Idle: not in use, 400 days at most",
}
_MOST_DEVICES: Final = 2_000
_EVERY_MS: Final = 30_000  # how often it is looked for new devices
_ALL: Final = ""
Place = tuple[str, str, str]


class PausesPage:
    """A list and a form.

    Args:
        visit: Who looks.
        refresh: Brings the page up to date after an act.
    """

    def __init__(self, visit: Visit, refresh: Callable[[], Awaitable[None]]) -> None:
        self._visit, self._refresh = visit, refresh
        self._known: Sequence[Place] = ()
        self._read_ms = 0

    def build(self) -> None:
        """See `Content`."""
        with ui.element("h1").classes("f-title"):
            ui.label("Out of service")
        ui.label(
            "Rules open nothing for devices that are out of service, except hard limits; what is open stays open. "
            "Every pause has an end. To keep rules going and only tell nobody, make a silence."
        ).classes("f-verdict")
        self._table = Table("What is out of service, and will be", _COLUMNS, "Everything is in service.")
        with ui.element("section").classes("f-two"), ui.element("div"):
            with ui.element("h2").classes("f-h"):
                ui.label("Take out of service")
            self._build_form()

    def _build_form(self) -> None:
        form = Form("Take out of service", self._make)
        with form.fields():
            self._kind = choice("Why it is out", _KINDS, PauseKind.MAINTENANCE.value)
            self._site = choice("Site", {}).on_value_change(self._choose)
            self._node = choice("Gateway", {_ALL: "Every gateway of the site"}, _ALL).on_value_change(self._choose)
            self._device = choice("Device", {_ALL: "Every device"}, _ALL).on_value_change(self._count)
            self._covers = ui.label().classes("f-verdict").props("aria-live=polite")
            with ui.element("div").classes("f-pairs"):
                self._begins = moment("Begins", hint="Empty is now.")
                self._length = field("For how long", "4h", hint="90m, 8h, 3d")
            self._reason = field("Reason", hint="For whoever asks why nobody was called.")

    async def show(self, sight: Sight) -> None:
        """See `Content`."""
        found = await self._visit.read(partial(list_pauses, since=sight.now_ms))
        rows = [self._row(each, sight) for each in found.items]
        self._table.show(rows, [each.model_dump() for each in found.items] + [sight.wall.text(sight.now_ms)[:16]])
        if not 0 <= sight.now_ms - self._read_ms < _EVERY_MS:
            self._read_ms = sight.now_ms
            known = await self._visit.read(_places)
            if known != self._known:
                self._known = known
                self._choose()

    def _row(self, pause: PauseOut, sight: Sight) -> Sequence[Cell]:
        what = " · ".join(part for part in (pause.site, pause.node, pause.device) if part)
        part = "" if pause.device else "every device" if pause.node else "every gateway"
        waits = pause.from_ms > sight.now_ms
        return (
            Cell(what, note=part),
            Cell(pause.state, icon="build" if pause.state == PauseKind.MAINTENANCE.value else "bedtime"),
            Cell(pause.reason),
            Cell(pause.author),
            Cell(sight.wall.short(pause.from_ms, sight.now_ms), note="has not begun" if waits else ""),
            Cell(sight.wall.short(pause.to_ms, sight.now_ms), note=span(pause.to_ms - pause.from_ms)),
            Cell("End", act=partial(self._end, pause.id), name=f"End: {pause.state} of {what}"),
        )

    def _choose(self) -> None:
        """Offers what belongs to the site, and to the gateway."""
        sites = dict.fromkeys(each[0] for each in self._known)
        self._site.set_options({each: each for each in sites})
        if self._site.value is None and len(sites) == 1:
            self._site.value = next(iter(sites))
        mine = [each for each in self._known if each[0] == self._site.value]
        nodes = {_ALL: "Every gateway of the site"} | {each[1]: each[1] for each in mine if each[1]}
        node = self._node.value if self._node.value in nodes else _ALL
        self._node.set_options(nodes, value=node)
        here = [each for each in mine if each[1] == node and each[2]]
        devices = {_ALL: "Every device"} | {each[2]: each[2] for each in here}
        device = self._device.value if self._device.value in devices else _ALL
        self._device.set_options(devices, value=device)
        self._count()

    def _count(self) -> None:
        if not self._site.value:
            self._covers.text = ""
            return
        wanted = (self._site.value, self._node.value or _ALL, self._device.value or _ALL)
        hit = [
            each for each in self._known if each[2] and all(w in (_ALL, e) for w, e in zip(wanted, each, strict=True))
        ]
        many = "1 device" if len(hit) == 1 else f"{len(hit)} devices"
        self._covers.text = f"Takes {many} out of service."

    async def _make(self) -> str:
        if not self._site.value:
            raise NotDoneError("What is out of service? Choose a site.")
        now_ms = self._visit.services.clock()
        from_ms = begin_ms(self._begins.value, self._visit.wall, now_ms)
        lasts_ms = length_ms(self._length.value)
        reason = said(self._reason.value, "Why? Whoever asks why nobody was called wants to know.")
        wanted = {
            "state": PauseKind(str(self._kind.value)),
            "site": str(self._site.value),
            "node": str(self._node.value or _ALL),
            "device": str(self._device.value or _ALL),
        }
        await self._visit.act(
            lambda services, caller: create_pause(
                services,
                caller,
                PauseIn.model_validate(wanted | {"from_ms": from_ms, "to_ms": from_ms + lasts_ms, "reason": reason}),
            )
        )
        self._reason.value, self._begins.value = "", ""
        await self._refresh()
        return "Taken out of service"

    async def _end(self, number: int) -> None:
        try:
            await self._visit.act(partial(finish_pause, pause_id=number))
        except NotDoneError as error:
            ui.notify(str(error), type="warning")
            return
        ui.notify("In service again", type="positive")
        await self._refresh()


def _places(services: Services, _caller: Caller) -> Sequence[Place]:
    """Gateways (with the device "") and devices."""
    with services.reading() as connection:
        nodes = [(each.site, each.node, "") for each in registry.nodes(connection, Scope(), most=500)]
        devices = registry.devices(connection, Scope(), most=_MOST_DEVICES)
    return nodes + [(each.site, each.node, each.description.id) for each in devices]
