"""The page of one device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from nicegui import ui

from frostline_cloud.api import Caller, Services
from frostline_cloud.api.alerts import AlertOut, StateFilter, list_alerts
from frostline_cloud.api.fleet import DeviceOut, ValueOut, known_device, show_device
from frostline_cloud.api.series import NUMERIC
from frostline_cloud.console import links
from frostline_cloud.console.device.past import Past, Pasts, Range, Wanted
from frostline_cloud.console.device.picture import facts, gaps, picture
from frostline_cloud.console.form import choice
from frostline_cloud.console.frame import Sight
from frostline_cloud.console.front.screen import Screen
from frostline_cloud.console.front.values import NO_HISTORY, DeviceKey, metric_of
from frostline_cloud.console.holes import gap_lines
from frostline_cloud.console.marks import mark_of, show_badges
from frostline_cloud.console.pairs import show_pairs
from frostline_cloud.console.table import Cell, Table
from frostline_cloud.console.visit import NotDoneError, Visit
from frostline_cloud.console.words import ago, span, symbol_of
from frostline_cloud.sql.registry import Scope
from frostline_core.errors import UnavailableError
from frostline_core.rules.buffer import SETTLED
from frostline_core.rules.derived import TAU_MS, measured

_RANGES: Final = {
    Range.HOUR: "the last hour",
    Range.HOURS: "the last 6 hours",
    Range.DAY: "the last day",
    Range.WEEK: "the last 7 days",
    Range.MONTH: "the last 30 days",
}
_COLUMNS: Final = ("Metric", "Value", "Measured", "Quality")
_TEMPERATURES: Final = frozenset({"Cel", "K", "[degF]"})


@dataclass(slots=True)
class _Drawn:
    """What the page shows; None is nothing yet."""

    head: object = None
    alerts: object = None
    past: object = None


class DevicePage:
    """Head, one metric over time with its virtual buffer, and every value now.

    Args:
        visit: Who looks.
        pasts: What all pages share.
        key: Site, gateway and id.
        metric: What is looked at first; "" for what matters most.
    """

    def __init__(self, visit: Visit, pasts: Pasts, key: DeviceKey, metric: str) -> None:
        self._visit, self._pasts, self._key, self._first = visit, pasts, key, measured(metric) or metric
        self._numbers: frozenset[str] = frozenset()
        self._drawn = _Drawn()

    def build(self) -> None:
        """See `Content`."""
        site, node, device = self._key
        ui.link(f"Gateway {node}", links.gateway_page(site, node)).classes("f-back")
        with ui.element("h1").classes("f-title"):
            ui.label(device)
        self._badges = ui.element("div").classes("f-badges")
        self._where = ui.label().classes("f-verdict")
        self._alerts = ui.element("div").classes("f-alerts")
        with ui.element("section").props('aria-label="Over time"'):
            self._build_chart()
        with ui.element("section").props('aria-label="Now"'):
            with ui.element("h2").classes("f-h"):
                ui.label("Now")
            empty = "It has no metric yet: nothing was ever told of it."
            self._table = Table("Newest values", _COLUMNS, empty, is_tight=True)
        with ui.element("div").classes("f-acts"):
            ui.link("Silence this device", links.silence_page(site=site, device=device))
            ui.link("Take it out of service", links.PAUSES)
            ui.link("As JSON", links.api_of(self._key))

    def _build_chart(self) -> None:
        with ui.element("h2").classes("f-h"):
            ui.label("Over time")
        with ui.element("div").classes("f-choices"):
            self._metric = choice("Metric", {}).on_value_change(self._again)
            self._range = choice("Of", {str(key): text for key, text in _RANGES.items()}, str(Range.DAY))
            self._range.on_value_change(self._again)
            self._with_buffer = ui.checkbox("Virtual buffer").on_value_change(self._again)
        self._about = ui.label().classes("f-note")
        self._old = ui.label().classes("f-verdict doubt").props("role=status")
        with ui.element("div").classes("f-chart"):
            self._nothing = ui.label("No number was measured in this time.").classes("f-verdict doubt")
            self._chart = ui.echart({}).classes("f-evidence").props("role=img")
        self._old.visible = self._nothing.visible = self._chart.visible = False
        self._holes = ui.element("div")
        self._facts = ui.element("dl").classes("f-facts")

    def _again(self) -> None:
        """The next tick shows what was chosen."""
        self._drawn.past = None

    async def show(self, sight: Sight) -> None:
        """See `Content`."""
        found, self._numbers = await self._visit.read(self._read)
        self._head(found, sight.screen)
        self._table.show([_row(each, self._key, self._numbers) for each in found.values])
        await self._show_alerts()
        await self._show_past(found, sight)

    def _read(self, services: Services, caller: Caller) -> tuple[DeviceOut, frozenset[str]]:
        """The device, and which of its metrics have a series."""
        site, node, device = self._key
        known = known_device(services, Scope(site, node, device)).description
        numbers = frozenset(each.name for each in known.metrics if each.datatype in NUMERIC)
        return show_device(services, caller, site, node, device), numbers

    def _head(self, found: DeviceOut, screen: Screen) -> None:
        badges = _badges(found)
        zone = [found.zone] if found.zone else []
        labels = [f"{name}: {value}" for name, value in found.labels.items()]
        where = " · ".join([found.site, found.node, *zone, found.kind.replace("_", " "), *labels])
        numbers = {each.metric: each.metric.replace("_", " ") for each in found.values if each.metric in self._numbers}
        about = (badges, where, numbers)
        if about == self._drawn.head:
            return
        self._drawn.head = about
        self._where.text = where
        show_badges(self._badges, badges)
        self._choose(found, numbers, screen)

    def _choose(self, found: DeviceOut, numbers: dict[str, str], screen: Screen) -> None:
        """Fills the choice of metrics; what is chosen stays. A young device begins with its last hour."""
        chosen = self._metric.value or self._first
        if chosen not in numbers:
            chosen = metric_of(found.kind, list(numbers)) or next(iter(numbers), None)
        if self._metric.value is None and chosen is not None:
            self._with_buffer.set_value(_unit(found, chosen) in _TEMPERATURES)
            history = next((each.history for each in screen.cards if each.key == self._key), NO_HISTORY)
            shown_ms = history.end_ms - history.start_ms or screen.at_ms - found.birth_ms
            if shown_ms <= Range.HOUR.length_ms:
                self._range.set_value(str(Range.HOUR))
        self._metric.set_options(numbers, value=chosen)

    async def _show_alerts(self) -> None:
        site, node, device = self._key
        asked = partial(list_alerts, site=site, node=node, device=device, state=StateFilter.OPEN, limit=20)
        page = await self._visit.read(asked)
        about = [(each.id, each.revision) for each in page.items]
        if about == self._drawn.alerts:
            return
        self._drawn.alerts = about
        self._alerts.clear()
        with self._alerts:
            for each in page.items:
                _alert(each)

    async def _show_past(self, found: DeviceOut, sight: Sight) -> None:
        if not self._metric.value:
            self._nothing.visible, self._chart.visible = True, False
            return
        metric = str(self._metric.value)
        self._with_buffer.visible = bool(symbol_of(_unit(found, metric)))  # a switch or a count has no lag worth a line
        with_buffer = bool(self._with_buffer.visible and self._with_buffer.value)
        wanted = Wanted(self._key, metric, Range(self._range.value), with_buffer)
        try:
            past = await self._visit.read(self._pasts.of(wanted))
        except (UnavailableError, NotDoneError) as error:
            self._old.text, self._old.visible = f"The past cannot be read now: {error}", True
            return
        self._old.visible = False
        if past is self._drawn.past:
            return
        self._drawn.past = past
        self._about.text, self._about.visible = _about(found, past), with_buffer
        self._draw(past, sight)

    def _draw(self, past: Past, sight: Sight) -> None:
        lines = gap_lines(gaps(past), sight.wall)
        self._nothing.visible, self._chart.visible = not past.series.points, bool(past.series.points)
        said = facts(past)
        self._chart.props["aria-label"] = ". ".join(
            [f"Chart of {past.series.metric.replace('_', ' ')}", *(f"{name}: {value}" for name, value in said), *lines]
        )
        self._chart.options.clear()
        self._chart.options.update(picture(past))
        self._chart.update()
        show_pairs(self._facts, said)
        self._holes.clear()
        with self._holes:
            for line in lines:
                with ui.element("div").classes("f-unknown"):
                    ui.icon("help").props("aria-hidden=true")
                    ui.label(line)


def _about(found: DeviceOut, past: Past) -> str:
    """What the second line is, or why there is none."""
    if past.doubt:
        return f"No virtual buffer: {past.doubt}."
    tau_ms = TAU_MS if found.buffer_s is None else found.buffer_s * 1000
    said = f"The virtual buffer follows what was measured with a lag of {span(tau_ms)}, as goods do"
    if not any(value is not None for _, value in past.buffered):
        return f"{said}. It has no value here: it takes {span(SETTLED * tau_ms)} without a gap to settle."
    return f"{said}; it is derived when looked at, and never stored."


def _badges(found: DeviceOut) -> list[tuple[str, str, str]]:
    """Tone, icon and words."""
    if found.retired:
        return [("state", "inventory_2", "gone for good")]
    made = (
        [("state", "sensors", "online")]
        if found.online
        else [("doubt", "sensors_off", "offline: nothing is known of it")]
    )
    return [*made, ("state", "upload_file", "history from files")] if found.imported else made


def _unit(found: DeviceOut, metric: str) -> str:
    return next((each.unit for each in found.values if each.metric == metric), "")


def _row(value: ValueOut, key: DeviceKey, numbers: frozenset[str]) -> Sequence[Cell]:
    text = "–" if value.value is None else _said(value)  # noqa: RUF001 - what people read as "no value"
    stale = f"stale: {value.stale_reason}" if value.stale else ""
    quality = value.quality or "never measured"
    name, is_number = value.metric.replace("_", " "), value.metric in numbers
    return (
        Cell(name, link=links.device_page(key, value.metric) if is_number else ""),
        Cell(text, tone=f"{'f-n' if is_number else 'f-text'}{' is-stale' if value.stale else ''}"),
        Cell("never" if value.age_ms is None else f"{ago(value.age_ms)} ago", note=stale),
        Cell(quality, icon="" if quality == "good" else "help"),
    )


def _said(value: ValueOut) -> str:
    if isinstance(value.value, bool):
        return "yes" if value.value else "no"
    if isinstance(value.value, float):
        return f"{value.value:,.6g} {symbol_of(value.unit)}".rstrip()
    return f"{str(value.value)[:200]} {symbol_of(value.unit)}".rstrip()


def _alert(alert: AlertOut) -> None:
    icon, word = mark_of(alert.severity)
    with ui.element("div").classes(f"f-alert {alert.severity}"):
        ui.icon(icon).props("aria-hidden=true")
        ui.label(word).classes("f-hidden")
        ui.link(alert.summary, links.alert_page(alert.id))
        ui.label(alert.state).classes("f-note")
