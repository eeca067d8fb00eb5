"""A card for each device on the page: built when devices come or go, else changed in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from nicegui import ui

from frostline_cloud.console import links, plot
from frostline_cloud.console.front.card import Card
from frostline_cloud.console.front.screen import Screen
from frostline_cloud.console.front.values import NO_HISTORY, DeviceKey, History, Shown
from frostline_cloud.console.marks import mark_of, tone
from frostline_cloud.console.words import ago

_DOTS_BELOW = 3
_NUMERIC = "-0123456789–"  # noqa: RUF001 - what the text of a number, or of none, begins with


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
    range: ui.label
    span: ui.label
    history: History = NO_HISTORY

    def show(self, card: Card) -> None:
        main = card.main
        tone(self.box, card.severity, ("critical", "warning", "info"))
        tone(self.box, "is-stale" if main.stale else "", ("is-stale",))
        self.number.text, self.unit.text = main.text, main.unit
        look, icon, word = _mark(card)
        tone(self.mark, look, ("stale", "doubt", "alarm"))
        self.mark.visible = bool(word)
        self.mark_icon.name, self.mark_text.text = icon, word
        name = "" if main.is_flag else f"{main.name}, "  # "door closed" needs no "door open" below it
        parts = [f"{name}{ago(main.age_ms)} ago" if main.age_ms is not None else f"{main.name}: no value yet"]
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
        self.range.text = _range(self.history.extremes, main) if main.text[:1] in _NUMERIC else ""
        self.span.text = f"last {ago(self.history.end_ms - self.history.start_ms)}" if numbers else ""
        options: dict[str, Any] = self.chart.options
        line = options["series"][0]
        line["data"] = [[at_ms, value] for at_ms, value in points]
        line["step"] = "end" if main.is_flag or main.is_whole else False
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


def _card(card: Card) -> _CardView:
    with ui.element("article").classes("f-card") as box:
        box.props["aria-label"] = card.key[2]  # never by `props()`, which parses: a device's id may hold quotes
        with ui.element("div").classes("f-card-top"):
            ui.link(card.key[2], links.device_page(card.key)).classes("f-device")
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
            spread, span = ui.label(), ui.label()
    return _CardView(box, number, unit, mark, icon, text, meta, chart, spread, span)


def _mark(card: Card) -> tuple[str, str, str]:
    """Tone, icon and word: what must be known of the value before it is read."""
    if card.main.stale:
        return "stale", "cloud_off", f"stale: {card.main.stale}"
    if card.main.doubt:
        return "doubt", "help", f"{card.main.doubt} reading"
    if card.severity:
        icon, word = mark_of(card.severity)
        return "alarm", icon, word
    return "", "", ""


def _beside(name: str, text: str, unit: str) -> str:
    return f"{name} {text} {unit}".rstrip() if text[:1] in _NUMERIC else text


def _range(extremes: tuple[float, float] | None, main: Shown) -> str:
    if extremes is None:
        return "no history"
    digits = 0 if main.is_whole else 1
    low, high = (f"{each:.{digits}f}" for each in extremes)
    return (low if low == high else f"{low} … {high}") + (f" {main.unit}" if main.unit else "")


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
                "itemStyle": {"color": plot.LINE},
                "lineStyle": {"width": 1.6, "color": plot.LINE},
                "markLine": {
                    "silent": True,
                    "symbol": "none",
                    "animation": False,
                    "label": {"show": False},
                    "lineStyle": {"type": "dashed", "width": 1, "color": plot.LIMIT},
                    "data": [],
                },
                "areaStyle": {"color": plot.LINE, "opacity": 0.12, "origin": "start"},
            }
        ],
    }
