"""The page of silences: those in force and to come, a form for a new one, and what that would cover."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final

from nicegui import ui

from frostline_cloud.alerts.silences import LABEL
from frostline_cloud.api.silences import (
    ReachIn,
    ReachOut,
    SilenceIn,
    SilenceOut,
    create_silence,
    finish_silence,
    list_silences,
    preview_silence,
)
from frostline_cloud.console import links
from frostline_cloud.console.form import Form, begin_ms, choice, field, length_ms, moment, said
from frostline_cloud.console.frame import Sight
from frostline_cloud.console.marks import mark_of
from frostline_cloud.console.table import Cell, Table
from frostline_cloud.console.visit import NotDoneError, Visit
from frostline_core.errors import UnavailableError

_COLUMNS = ("Covers", "Why", "Who", "From", "Until", "")
_FIELDS: Final = {
    "site": "Site",
    "node": "Gateway",
    "device": "Device",
    "metric": "Metric",
    "rule": "Rule",
}
_SEVERITIES: Final = {"": "Any severity", "critical": "Critical", "warning": "Warning", "info": "Info"}
_SHOWN: Final = 20
_LOOK_S: Final = 0.5
_AGAIN_MS: Final = 30_000  # what a silence would cover changes by itself too
_NO_MATCHER: Final = "Name at least a site, a device or a rule."


class SilencesPage:
    """A list, a form, and a preview that follows what is typed.

    Args:
        visit: Who looks; the page's query fills matchers in.
        refresh: Brings the page up to date after an act.
    """

    def __init__(self, visit: Visit, refresh: Callable[[], Awaitable[None]]) -> None:
        self._visit, self._refresh = visit, refresh
        self._tried: Mapping[str, str] = {}
        self._tried_ms = 0

    def build(self) -> None:
        """See `Content`."""
        with ui.element("h1").classes("f-title"):
            ui.label("Silences")
        ui.label(
            "What a silence covers goes on being evaluated, recorded and shown, but nobody is told of it. "
            "What still fires at its end is told then."
        ).classes("f-verdict")
        self._table = Table("Silences in force and to come", _COLUMNS, "Nothing is silenced.")
        with ui.element("section").classes("f-two"):
            with ui.element("div"):
                with ui.element("h2").classes("f-h"):
                    ui.label("New silence")
                self._build_form()
            with ui.element("div").props("aria-live=polite"):
                with ui.element("h2").classes("f-h"):
                    ui.label("What it would cover")
                self._covers = ui.label(_NO_MATCHER).classes("f-verdict")
                self._hits = ui.element("div")
        ui.timer(_LOOK_S, self._look)

    def _build_form(self) -> None:
        query = self._visit.request.query_params
        form = Form("Make silence", self._make)
        with form.fields():
            ui.label("All that is filled in must fit; * stands for anything, ? for one character.").classes("f-note")
            self._names = {name: field(label, query.get(name, "")[:200]) for name, label in _FIELDS.items()}
            severity = query.get("severity", "")
            self._severity = choice("Severity", _SEVERITIES, severity if severity in _SEVERITIES else "")
            with ui.element("div").classes("f-pairs"):
                self._key = field("Label", hint="for example product")
                self._pattern = field("Its value")
            with ui.element("div").classes("f-pairs"):
                self._begins = moment("Begins", hint="Empty is now.")
                self._length = field("For how long", "8h", hint="90m, 8h, 3d; at most 30d")
            self._reason = field("Why", hint="For whoever asks why nobody was called.")

    async def show(self, sight: Sight) -> None:
        """See `Content`."""
        found = await self._visit.read(partial(list_silences, since=sight.now_ms))
        rows = [self._row(each, sight) for each in found.items]
        self._table.show(rows, [each.model_dump() for each in found.items] + [_day(sight)])
        if self._tried and not 0 <= sight.now_ms - self._tried_ms < _AGAIN_MS:
            await self._try(self._tried)

    def _row(self, silence: SilenceOut, sight: Sight) -> Sequence[Cell]:
        fits = ", ".join(f"{name} = {pattern}" for name, pattern in silence.matchers.items())
        waits = "" if silence.from_ms <= sight.now_ms else "has not begun"
        return (
            Cell(fits),
            Cell(silence.reason),
            Cell(silence.author),
            Cell(sight.wall.short(silence.from_ms, sight.now_ms), note=waits),
            Cell(sight.wall.short(silence.to_ms, sight.now_ms)),
            Cell("End", act=partial(self._end, silence.id), name=f"End: silence {silence.id}, {fits}"),
        )

    def _matchers(self) -> dict[str, str]:
        found = {name: (each.value or "").strip() for name, each in self._names.items()}
        found["severity"] = str(self._severity.value or "")
        key = (self._key.value or "").strip()
        if key:
            found[f"{LABEL}{key}"] = (self._pattern.value or "").strip() or "*"
        return {name: pattern for name, pattern in found.items() if pattern}

    async def _look(self) -> None:
        """Follows what is typed."""
        matchers = self._matchers()
        if matchers == self._tried:
            return
        self._tried = matchers
        try:
            await self._try(matchers)
        except UnavailableError as error:
            self._covers.text, self._tried = f"Not known now: {error}", {}

    async def _try(self, matchers: Mapping[str, str]) -> None:
        """Shows what these matchers would cover."""
        self._tried_ms = self._visit.services.clock()
        said, found = _NO_MATCHER, None
        if matchers:
            try:
                wanted = ReachIn(matchers=dict(matchers))
                found = await self._visit.read(lambda services, caller: preview_silence(services, caller, wanted))
                said = covers(found)
            except NotDoneError as error:
                said = f"No silence: {str(error)[:1].lower()}{str(error)[1:]}"
        self._covers.text = said
        self._hits.clear()
        if found is not None:
            with self._hits:
                _hits(found)

    async def _make(self) -> str:
        matchers = self._matchers()
        if not matchers:
            raise NotDoneError(f"What is to be silenced? {_NO_MATCHER}")
        now_ms = self._visit.services.clock()
        from_ms = begin_ms(self._begins.value, self._visit.wall, now_ms)
        lasts_ms = length_ms(self._length.value)
        reason = said(self._reason.value, "Why? Whoever asks why nobody was called wants to know.")
        await self._visit.act(
            lambda services, caller: create_silence(
                services,
                caller,
                SilenceIn(matchers=matchers, from_ms=from_ms, to_ms=from_ms + lasts_ms, reason=reason),
            )
        )
        for each in (*self._names.values(), self._key, self._pattern, self._begins, self._reason):
            each.value = ""
        self._severity.value = ""
        await self._refresh()
        return "The silence is made"

    async def _end(self, number: int) -> None:
        try:
            await self._visit.act(partial(finish_silence, silence_id=number))
        except NotDoneError as error:
            ui.notify(str(error), type="warning")
            return
        ui.notify("The silence has ended; what still fires is told", type="positive")
        await self._refresh()


def covers(found: ReachOut) -> str:
    """What a preview says, in a sentence."""
    if not found.open_count + found.week_count + found.device_count:
        return "Covers nothing that is known: is a name mistyped?"
    alerts = "1 open alert" if found.open_count == 1 else f"{found.open_count} open alerts"
    part = " (of a part: there is more than was looked at)" if found.is_cut else ""
    return (
        f"Covers {alerts}, {found.week_count} of the last 7 days, "
        f"and {found.device_count} of {found.device_total} devices{part}."
    )


def _hits(found: ReachOut) -> None:
    with ui.element("ul").classes("f-hits"):
        for each in found.open[:_SHOWN]:
            icon, word = mark_of(each.severity)
            with ui.element("li"):
                ui.icon(icon).props("aria-hidden=true").classes(each.severity)
                ui.label(word).classes(f"f-sev {each.severity}")
                ui.link(each.summary, links.alert_page(each.id))
    names = [" / ".join(each) for each in found.devices[:_SHOWN]]
    more = found.device_count - len(names)
    if names:
        ui.label(f"Devices: {', '.join(names)}{f' and {more} more' if more > 0 else ''}").classes("f-note")


def _day(sight: Sight) -> str:
    """Changes when times are written otherwise."""
    return sight.wall.text(sight.now_ms)[:16]
