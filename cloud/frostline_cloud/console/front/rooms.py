"""The first page in the browser: built once a visit, then changed in place every 2 s."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

from nicegui import ui

from frostline_cloud.console.screen import Card, Need, Screen, Stock, account, verdict
from frostline_cloud.console.values import NO_HISTORY, DeviceKey, History, Shown, ago

_ICONS = {
    "critical": ("report", "Critical"),
    "warning": ("warning", "Warning"),
    "info": ("info", "Info"),
    "silent": ("cloud_off", "Silent"),
}
_UNKNOWN = ("help", "Alert")
_DOTS_BELOW = 3
_NUMERIC = "-0123456789–"  # noqa: RUF001 - what the text of a number, or of none, begins with
_COLUMNS = ("Zone", "Product (GTIN)", "Count", "Age")

_THEMES: dict[str, bool | None] = {"auto": None, "dark": True, "light": False}

Acknowledge = Callable[[str], Awaitable[None]]


class Header:
    """Whether data is taken, how old the oldest is, who is there; and the ways out."""

    def __init__(self, *, may_log_out: bool) -> None:
        self._theme, self._dark = "auto", ui.dark_mode(None)
        with ui.element("header").classes("f-top"):
            with ui.element("div").classes("f-name"):
                ui.icon("ac_unit")
                ui.label("Frostline")
            with ui.element("div").classes("f-state").props("role=status") as self._state:
                self._icon = ui.icon("hourglass_empty")
                self._text = ui.label("reading")
            self._oldest = ui.label().classes("f-fact")
            self._nodes = ui.label().classes("f-fact")
            self._account = ui.label().classes("f-fact")
            with ui.element("nav").classes("f-links"):
                ui.link("API", "/api/docs")
                self._turner = ui.button("Theme: auto", on_click=self._turn, color=None).props("flat dense no-caps")
                if may_log_out:
                    with ui.element("form").props("method=post action=/logout"), ui.element("button"):
                        ui.label("Log out")

    def show(self, screen: Screen) -> None:
        """Shows the state of the system."""
        self._say(screen.fault)
        age = screen.oldest_ms
        self._oldest.text = "no values" if age is None else f"oldest value {ago(age)} old"
        self._nodes.text = f"{screen.nodes_online} of {screen.nodes} gateways online"
        self._account.text = account(screen.delivery)
        _tone(self._account, "fault" if screen.delivery and screen.delivery.unexplained else "", ("fault",))

    def fail(self, reason: str) -> None:
        """Shows that nothing can be read."""
        self._say(reason)

    def _say(self, fault: str) -> None:
        _tone(self._state, "fault" if fault else "well", ("fault", "well"))
        self._icon.name = "error" if fault else "check_circle"
        self._text.text = f"Not taking data: {fault}" if fault else "Taking data"

    def _turn(self) -> None:
        names = list(_THEMES)
        self._theme = names[(names.index(self._theme) + 1) % len(names)]
        self._dark.value = _THEMES[self._theme]
        self._turner.text = f"Theme: {self._theme}"


class Needs:
    """Open alerts and silent gateways; rebuilt when one comes, goes or changes, else only their ages move."""

    def __init__(self, acknowledge: Acknowledge) -> None:
        self._acknowledge = acknowledge
        self._shown: list[object] = []
        self._ages: list[ui.label] = []
        with ui.element("h2").classes("f-h"):
            ui.label("What needs me now")
        self._verdict = ui.label().classes("f-verdict")
        self._list = ui.element("div").classes("f-needs")
        self._more = ui.label().classes("f-verdict")

    def show(self, screen: Screen) -> None:
        """Shows what a screen says."""
        self._verdict.visible = not screen.needs
        self._verdict.text = verdict(screen)
        doubtful = screen.fault or screen.silent or screen.devices == 0 or screen.nodes_online < screen.nodes
        _tone(self._verdict, "doubt" if doubtful else "well", ("doubt", "well"))
        fixed = [(need.alert, need.where, need.state, need.severity, need.seen, need.text) for need in screen.needs]
        if fixed != self._shown:
            self._shown = list(fixed)
            self._build(screen.needs)
        for need, age in zip(screen.needs, self._ages, strict=True):
            age.text = "" if need.age_ms is None else f"for {ago(need.age_ms)}"
        self._more.visible = screen.more_needs > 0
        self._more.text = f"and {screen.more_needs} more, which the API lists"

    def _build(self, needs: Sequence[Need]) -> None:
        self._list.clear()
        self._ages = []
        with self._list:
            for need in needs:
                self._row(need)

    def _row(self, need: Need) -> None:
        icon, word = _ICONS.get(need.severity, _UNKNOWN)
        with ui.element("article").classes(f"f-need {need.severity}"):
            with ui.element("div").classes("f-sev"):
                ui.icon(icon)
                ui.label(word)
            with ui.element("div").classes("f-need-body"):
                ui.label(need.text).classes("f-need-text")
                ui.label(f"{need.where} · {need.state}").classes("f-need-where")
            self._ages.append(ui.label().classes("f-age"))
            with ui.element("div").classes("f-act"):
                if need.alert is None:
                    return
                if need.seen:
                    ui.label(f"seen by {need.seen}").classes("f-seen")
                else:
                    acknowledge = partial(self._acknowledge, need.alert)
                    ui.button("Acknowledge", on_click=acknowledge, color=None).props("outline no-caps dense")


@dataclass
class _CardView:
    """The elements of a card that change."""

    box: ui.element
    number: ui.label
    unit: ui.label
    mark: ui.element
    mark_icon: ui.icon
    mark_text: ui.label
    meta: ui.label
    chart: ui.echart
    low: ui.label
    high: ui.label
    history: History = NO_HISTORY

    def show(self, card: Card) -> None:
        main = card.main
        _tone(self.box, card.severity, ("critical", "warning", "info"))
        _tone(self.box, "is-stale" if main.stale else "", ("is-stale",))
        self.number.text, self.unit.text = main.text, main.unit
        tone, icon, word = _mark(card)
        _tone(self.mark, tone, ("stale", "doubt", "alarm"))
        self.mark.visible = bool(word)
        self.mark_icon.name, self.mark_text.text = icon, word
        parts = [f"{main.name}, {ago(main.age_ms)} ago" if main.age_ms is not None else f"{main.name}: no value yet"]
        if not main.stale:
            parts += [_beside(each.name, each.text, each.unit) for each in card.beside if not each.stale]
        self.meta.text = " · ".join(parts)
        if card.history != self.history:
            self.history = card.history
            self._draw(main)

    def _draw(self, main: Shown) -> None:
        points = self.history.points
        numbers = [value for _, value in points if value is not None]
        self.chart.visible = bool(numbers)
        self.low.text = _range(numbers, main.unit) if main.text[:1] in _NUMERIC else ""
        self.high.text = f"last {ago(self.history.end_ms - self.history.start_ms)}" if numbers else ""
        options: dict[str, Any] = self.chart.options
        line = options["series"][0]
        line["data"] = [[at_ms, value] for at_ms, value in points]
        line["showSymbol"] = len(numbers) < _DOTS_BELOW  # one point makes no line
        line["markLine"]["data"] = [{"yAxis": limit} for limit in self.history.limits]
        options["xAxis"]["min"], options["xAxis"]["max"] = self.history.start_ms, self.history.end_ms
        self.chart.update()


class Rooms:
    """A card for each device, by site and zone; rebuilt when devices come or go, else changed in place."""

    def __init__(self) -> None:
        self._views: dict[DeviceKey, _CardView] = {}
        self._shown: list[object] = []
        self._box = ui.element("div")

    def show(self, screen: Screen) -> None:
        """Shows what a screen says."""
        fixed: list[object] = [(card.key, card.zone, card.kind) for card in screen.cards]
        if fixed != self._shown:
            self._shown = fixed
            self._build(screen.cards, screen.unshown)
        for card in screen.cards:
            self._views[card.key].show(card)

    def _build(self, cards: Sequence[Card], unshown: int) -> None:
        self._box.clear()
        self._views = {}
        with self._box:
            for site, in_site in groupby(sorted(cards, key=_place), key=lambda card: card.key[0]):
                with ui.element("h2").classes("f-h"):
                    ui.label(site)
                with ui.element("div").classes("f-cards"):
                    for card in in_site:
                        self._views[card.key] = _card(card)
            if unshown > 0:
                ui.label(f"and {unshown} more devices, which the API lists").classes("f-verdict")


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


def _card(card: Card) -> _CardView:
    with ui.element("article").classes("f-card") as box:
        box.props["aria-label"] = card.key[2]  # never by `props()`, which parses: a device's id may hold quotes
        with ui.element("div").classes("f-card-top"):
            ui.label(card.key[2]).classes("f-device")
            ui.label(" · ".join(part for part in (card.zone, card.kind) if part not in ("", card.key[2]))).classes(
                "f-kind"
            )
        with ui.element("div").classes("f-value"):
            number, unit = ui.label().classes("f-number"), ui.label().classes("f-unit")
            with ui.element("div").classes("f-mark") as mark:
                icon, text = ui.icon(""), ui.label()
        meta = ui.label().classes("f-meta")
        chart = ui.echart(_sparkline()).classes("f-spark")
        with ui.element("div").classes("f-scale"):
            low, high = ui.label(), ui.label()
    return _CardView(box, number, unit, mark, icon, text, meta, chart, low, high)


def _tone(element: ui.element, tone: str, tones: tuple[str, ...]) -> None:
    """Gives an element one class out of several; `""` is none of them."""
    element.classes(add=tone, remove=" ".join(each for each in tones if each != tone))


def _mark(card: Card) -> tuple[str, str, str]:
    """Tone, icon and word: what must be known of the value before it is read."""
    if card.main.stale:
        return "stale", "cloud_off", f"stale: {card.main.stale}"
    if card.main.doubt:
        return "doubt", "help", f"{card.main.doubt} reading"
    if card.severity:
        icon, word = _ICONS.get(card.severity, _UNKNOWN)
        return "alarm", icon, word
    return "", "", ""


def _beside(name: str, text: str, unit: str) -> str:
    return f"{name} {text} {unit}".rstrip() if text[:1] in _NUMERIC else text


def _range(numbers: Sequence[float], unit: str) -> str:
    if not numbers:
        return "no history"
    low, high = f"{min(numbers):.1f}", f"{max(numbers):.1f}"
    return f"{low} {unit}" if low == high else f"{low} … {high} {unit}"


def _place(card: Card) -> tuple[str, bool, str, str, str]:
    """By site; what stands in a zone before what does not."""
    return card.key[0], not card.zone, card.zone, card.kind, card.key[2]


def _sparkline() -> dict[str, Any]:
    """A bare line, and a dashed one for each limit in reach; a gap in the data is a gap in the line."""
    axis = {"show": False}
    return {
        "animation": False,
        "grid": {"left": 1, "right": 1, "top": 3, "bottom": 3},
        "xAxis": {"type": "time", **axis},
        "yAxis": {"type": "value", "scale": True, **axis},
        "series": [
            {
                "type": "line",
                "data": [],
                "connectNulls": False,
                "showSymbol": False,
                "itemStyle": {"color": "#2b8fb8"},
                "lineStyle": {"width": 1.6, "color": "#2b8fb8"},
                "markLine": {
                    "silent": True,
                    "symbol": "none",
                    "animation": False,
                    "label": {"show": False},
                    "lineStyle": {"type": "dashed", "width": 1, "color": "#c9483f"},
                    "data": [],
                },
                "areaStyle": {"color": "#2b8fb8", "opacity": 0.12, "origin": "start"},
            }
        ],
    }
