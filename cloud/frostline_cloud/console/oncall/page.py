"""The page of who is on call: each rotation with its coming two weeks, overrides, and a form for a new one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from nicegui import ui

from frostline_cloud.api import Caller, Services
from frostline_cloud.api.oncall import (
    OverrideIn,
    OverrideOut,
    OverridesOut,
    RotationOut,
    create_override,
    finish_override,
    list_overrides,
    list_rotations,
)
from frostline_cloud.console.form import Form, begin_ms, choice, field, moment, said
from frostline_cloud.console.frame import Sight
from frostline_cloud.console.oncall.sheet import duty_row, headline, override_row
from frostline_cloud.console.table import Cell, Table
from frostline_cloud.console.visit import NotDoneError, Visit
from frostline_cloud.console.wall import Wall

_DUTIES: Final = ("Who", "From", "Why")
_OVERRIDES: Final = ("Rotation", "On call", "In the place of", "From", "Until", "Why", "By", "")
_EVERY_MS: Final = 10_000  # a calendar of a year is a tenth of a second's work
_WHOEVER: Final = "Whoever's turn it is"


class OnCallPage:
    """The rotations, a list of overrides, and a form.

    Args:
        visit: Who looks.
        refresh: Brings the page up to date after an act.
    """

    def __init__(self, visit: Visit, refresh: Callable[[], Awaitable[None]]) -> None:
        self._visit, self._refresh = visit, refresh
        self._rotations = {each.name: each for each in visit.services.plan.rotations}
        self._read_ms = 0
        self._heads: dict[str, ui.label] = {}
        self._calendars: dict[str, Table] = {}

    def build(self) -> None:
        """See `Content`."""
        with ui.element("h1").classes("f-title"):
            ui.label("On call")
        if not self._rotations:
            ui.label(
                "Nobody takes turns: there is no [[rotation]] in cloud.toml. Routes tell the receivers that they name."
            ).classes("f-verdict")
            return
        ui.label(
            "Where a route or a step of escalation names a rotation, whoever is on call at that moment is told. "
            "Times are those on the clock of the rotation."
        ).classes("f-verdict")
        for name, rotation in self._rotations.items():
            with ui.element("section"):
                with ui.element("h2").classes("f-h"):
                    ui.label(name)
                    with ui.element("small"):
                        ui.label(f"hands over {rotation.config.hand_over}, {rotation.config.time_zone}")
                self._heads[name] = ui.label().classes("f-now").props("aria-live=polite")
                self._calendars[name] = Table(
                    f"The coming two weeks of {name}", _DUTIES, "Not read yet.", is_tight=True
                )
        with ui.element("h2").classes("f-h"):
            ui.label("Overrides in force and to come")
        self._table = Table("Overrides in force and to come", _OVERRIDES, "Nobody covers for anybody.")
        with ui.element("section").classes("f-two"), ui.element("div"):
            with ui.element("h2").classes("f-h"):
                ui.label("Somebody else for a while")
            self._build_form()

    def _build_form(self) -> None:
        form = Form("Make override", self._make)
        names, receivers = list(self._rotations), self._visit.services.plan.receivers
        with form.fields():
            self._rotation = choice("Rotation", {each: each for each in names}, names[0]).on_value_change(self._choose)
            self._who = choice("Who is on call", {each: each for each in receivers})
            self._instead = choice("In the place of", {}, None)
            with ui.element("div").classes("f-pairs"):
                self._begins, self._ends = moment("Begins"), moment("Ends")
            self._reason = field("Why", hint="For whoever asks why somebody else was called.")
        self._choose()

    def _choose(self) -> None:
        """Offers what belongs to the rotation, on whose clock times are."""
        config = self._rotations[str(self._rotation.value)].config
        self._instead.set_options({"": _WHOEVER} | {each: each for each in config.people}, value="")
        self._begins.props["hint"] = f"Empty is now. On the clock of {config.time_zone}."
        self._ends.props["hint"] = f"On the clock of {config.time_zone}."
        self._begins.update()
        self._ends.update()

    async def show(self, sight: Sight) -> None:
        """See `Content`."""
        if not self._rotations or 0 <= sight.now_ms - self._read_ms < _EVERY_MS:
            return
        rotations, made = await self._visit.read(_read)
        for each in rotations:
            self._heads[each.rotation].text = headline(each)
            zone = each.time_zone
            self._calendars[each.rotation].show([duty_row(duty, zone, sight.wall) for duty in each.duties])
        rows = [self._row(each, sight) for each in made.items]
        self._table.show(rows, [(each.model_dump(), each.from_ms <= sight.now_ms) for each in made.items])
        self._read_ms = sight.now_ms

    def _row(self, override: OverrideOut, sight: Sight) -> Sequence[Cell]:
        rotation = self._rotations.get(override.rotation)
        zone = "UTC" if rotation is None else rotation.config.time_zone
        name = f"End: {override.who} in {override.rotation}, override {override.id}"
        button = Cell("End", act=partial(self._end, override.id), name=name) if override.id else Cell("")
        return (*override_row(override, zone, sight.wall, sight.now_ms), button)

    async def _make(self) -> str:
        rotation = self._rotations[str(self._rotation.value)].name
        wall = Wall.of(self._rotations[rotation].config.time_zone)
        if not self._who.value:
            raise NotDoneError("Who is on call then? Choose somebody.")
        if not (self._ends.value or "").strip():
            raise NotDoneError("When does it end?")
        now_ms = self._visit.services.clock()
        wanted = {
            "rotation": rotation,
            "who": str(self._who.value),
            "instead_of": str(self._instead.value or ""),
            "from_ms": begin_ms(self._begins.value, wall, now_ms),
            "to_ms": begin_ms(self._ends.value, wall, now_ms),
            "reason": said(self._reason.value, "Why? Whoever asks why somebody else was called wants to know."),
        }
        await self._visit.act(
            lambda services, caller: create_override(services, caller, OverrideIn.model_validate(wanted))
        )
        self._who.value = None
        for each in (self._begins, self._ends, self._reason):
            each.value = ""
        await self._again()
        return "The override is made"

    async def _end(self, number: int) -> None:
        try:
            await self._visit.act(partial(finish_override, override_id=number))
        except NotDoneError as error:
            ui.notify(str(error), type="warning")
            return
        ui.notify("The override has ended", type="positive")
        await self._again()

    async def _again(self) -> None:
        self._read_ms = 0
        await self._refresh()


def _read(services: Services, caller: Caller) -> tuple[list[RotationOut], OverridesOut]:
    return list_rotations(services, caller), list_overrides(services, caller)
