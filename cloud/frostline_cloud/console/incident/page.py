"""The page of one alert."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from nicegui import ui

from frostline_cloud.api.alerts import AlertDetailOut, show_alert
from frostline_cloud.api.oncall import show_escalation
from frostline_cloud.console import links
from frostline_cloud.console.frame import Sight
from frostline_cloud.console.holes import gap_lines
from frostline_cloud.console.incident.acts import Acts
from frostline_cloud.console.incident.chart import chart
from frostline_cloud.console.incident.measured import Measured, measured
from frostline_cloud.console.incident.sheet import facts, handling
from frostline_cloud.console.incident.shelf import Found, Shelf
from frostline_cloud.console.incident.story import newest, story
from frostline_cloud.console.marks import mark_of, show_badges
from frostline_cloud.console.oncall.sheet import steps
from frostline_cloud.console.pairs import show_pairs
from frostline_cloud.console.visit import Visit
from frostline_cloud.console.words import symbol_of, unknown
from frostline_core.errors import UnavailableError


class IncidentPage:
    """Head, what can be done, evidence, and what happened.

    Args:
        visit: Who looks.
        refresh: Brings the page up to date after an act.
        shelf: Evidence that all pages share.
        alert_id: The alert.
    """

    def __init__(self, visit: Visit, refresh: Callable[[], Awaitable[None]], shelf: Shelf, alert_id: str) -> None:
        self._visit, self._shelf, self._id = visit, shelf, alert_id
        self._acts = Acts(visit, refresh, alert_id)
        self._head_shown: object = None
        self._drawn: object = None
        self._told: object = None
        self._called: object = None

    def build(self) -> None:
        """See `Content`."""
        ui.link("All alerts", links.ALERTS).classes("f-back")
        with ui.element("h1").classes("f-title"):
            self._title = ui.label("Alert")
        self._badges = ui.element("div").classes("f-badges").props("aria-live=polite")
        self._where = ui.label().classes("f-verdict")
        self._device = ui.link("", "").classes("f-more")
        self._device.visible = False
        self._acts.build()
        with ui.element("section").props('aria-label="Escalation"') as self._escalates:
            _heading("Who is called next")
            self._steps = ui.element("div").props("aria-live=polite")
        with ui.element("section").props('aria-label="Evidence"'):
            _heading("What was measured")
            self._old = ui.label().classes("f-verdict doubt")
            with ui.element("div").classes("f-chart"):
                self._nothing = ui.label("There are no samples to show: nothing was measured in this time.")
                self._nothing.classes("f-verdict doubt")
                self._chart = ui.echart({}).classes("f-evidence").props("role=img")
            self._nothing.visible = self._chart.visible = False
            self._gaps = ui.element("div")
            self._facts = ui.element("dl").classes("f-facts")
        with ui.element("section").props('aria-label="Handling"') as self._handled:
            _heading("What people made of it")
            self._handling = ui.element("dl").classes("f-facts")
        with ui.element("section").props('aria-label="Timeline"'):
            _heading("What happened")
            self._story = ui.element("div")

    async def show(self, sight: Sight) -> None:
        """See `Content`."""
        alert = await self._visit.read(partial(show_alert, alert_id=self._id))
        self._head(alert, sight)
        await self._acts.show(alert)
        self._tell(alert, sight)
        await self._escalate(sight)
        try:
            found = await self._visit.read(self._shelf.of(alert))
        except UnavailableError as error:
            self._old.text, self._old.visible = f"The evidence cannot be read now: {error}", True
            return
        self._old.visible = False
        self._draw(alert, found, sight)

    def _head(self, alert: AlertDetailOut, sight: Sight) -> None:
        badges = _badges(alert, sight)
        if (alert.summary, badges) == self._head_shown:
            return
        self._head_shown = (alert.summary, badges)
        self._title.text = alert.summary
        place = (alert.site, alert.node, alert.zone, alert.device, alert.metric)
        self._where.text = " · ".join(dict.fromkeys(part for part in place if part))
        self._device.visible = bool(alert.device)
        self._device.text = f"Everything of {alert.device}"
        self._device.props["href"] = links.device_page((alert.site, alert.node, alert.device), alert.metric)
        show_badges(self._badges, badges)

    async def _escalate(self, sight: Sight) -> None:
        """Whom the steps of escalation would reach."""
        found = await self._visit.read(partial(show_escalation, alert_id=self._id))
        lines = steps(found, sight.wall, sight.now_ms)
        if lines == self._called:
            return
        self._called = lines
        self._escalates.visible = bool(lines)
        self._steps.clear()
        with self._steps:
            for line in lines:
                ui.label(line)
            ui.link("Who is on call", links.ON_CALL).classes("f-more")

    def _draw(self, alert: AlertDetailOut, read: Found, sight: Sight) -> None:
        found = measured(read.evidence, read.read_ms, alert.metric)
        about = (found, read.buffered, alert.rule)
        if about == self._drawn:
            return
        self._drawn = about
        lines = gap_lines(found.gaps, sight.wall)
        show_pairs(self._facts, facts(alert, found, sight.wall))
        self._gaps.clear()
        with self._gaps:
            for line in lines:
                with ui.element("div").classes("f-unknown"):
                    ui.icon("help").props("aria-hidden=true")
                    ui.label(line)
        has_points = any(value is not None for _, value in found.points)
        self._nothing.visible, self._chart.visible = not has_points, has_points
        self._chart.props["aria-label"] = _summary(found, lines)
        self._chart.options.clear()
        self._chart.options.update(chart(found, read.buffered))
        self._chart.update()

    def _tell(self, alert: AlertDetailOut, sight: Sight) -> None:
        unit = symbol_of((alert.evidence or {}).get("unit"))
        entries, earlier = newest(story(alert, unit))
        about = (entries, alert.handling, alert.acknowledged_ms)
        if about == self._told:
            return
        self._told = about
        said = handling(alert, sight.wall)
        self._handled.visible = bool(said)
        show_pairs(self._handling, said)
        self._story.clear()
        with self._story:
            if earlier:
                ui.label(f"{earlier} earlier entries are in the export.").classes("f-verdict")
            with ui.element("ol").classes("f-story"):
                for each in entries:
                    with ui.element("li").classes(f"f-entry {each.kind}{' bad' if each.is_bad else ''}"):
                        ui.icon("error" if each.is_bad else each.icon).props("aria-hidden=true")
                        ui.label(sight.wall.text(each.at_ms)).classes("f-when")
                        with ui.element("div"):
                            ui.label(f"{'Failed: ' if each.is_bad else ''}{each.text}")
                            if each.note:
                                ui.label(each.note).classes("f-note")


def _badges(alert: AlertDetailOut, sight: Sight) -> list[tuple[str, str, str]]:
    """Tone, icon and words."""
    icon, word = mark_of(alert.severity)
    found = [(alert.severity, icon, word), ("state", _STATES.get(alert.state, "help"), alert.state)]
    doubt = unknown(alert.no_data_since_ms, sight.now_ms)
    if doubt:
        found.append(("doubt", "help", f"{doubt}; it stays as it was"))
    if alert.retroactive:
        found.append(("info", "history", "found in samples that came late"))
    if alert.category == "compliance":
        found.append(("state", "gavel", "compliance"))
    if alert.handling is not None and alert.handling.muted:
        found.append(("state", "notifications_off", f"not told: {alert.handling.muted}"))
    if alert.handling is not None and alert.handling.closed_ms is not None:
        found.append(("state", "lock", "closed"))
    return found


_STATES = {
    "pending": "hourglass_empty",
    "firing": "notifications_active",
    "clearing": "trending_down",
    "resolved": "check_circle",
}


def _summary(found: Measured, lines: list[str]) -> str:
    evidence, unit = found.evidence, found.unit
    spread = "no samples in its time"
    if evidence.low is not None and evidence.high is not None:
        spread = f"from {evidence.low:.6g} to {evidence.high:.6g} {unit}".rstrip()
    return ". ".join([f"Chart of what was measured: {spread}", *lines])


def _heading(text: str) -> None:
    with ui.element("h2").classes("f-h"):
        ui.label(text)
