"""What needs somebody now, as a list on the page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from nicegui import ui

from frostline_cloud.console.front.need import Need
from frostline_cloud.console.front.screen import Screen, verdict
from frostline_cloud.console.marks import mark_of, tone
from frostline_cloud.console.words import ago

Acknowledge = Callable[[str], Awaitable[None]]


class Needs:
    """Open alerts and silent gateways; rebuilt when one comes, goes or changes, else only their ages move."""

    def __init__(self, acknowledge: Acknowledge) -> None:
        self._acknowledge = acknowledge
        self._shown: list[object] = []
        self._ages: list[ui.label] = []
        self._doubts: list[ui.label] = []
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
        tone(self._verdict, "doubt" if doubtful else "well", ("doubt", "well"))
        fixed = [
            (need.alert, need.where, need.state, need.severity, need.seen, need.text, need.unknown != "")
            for need in screen.needs
        ]
        if fixed != self._shown:
            self._shown = list(fixed)
            self._build(screen.needs)
        for need, age, doubt in zip(screen.needs, self._ages, self._doubts, strict=True):
            age.text = "" if need.age_ms is None else f"for {ago(need.age_ms)}"
            doubt.text = need.unknown
        self._more.visible = screen.more_needs > 0
        self._more.text = f"and {screen.more_needs} more, on the page of alerts"

    def _build(self, needs: Sequence[Need]) -> None:
        self._list.clear()
        self._ages, self._doubts = [], []
        with self._list:
            for need in needs:
                self._row(need)

    def _row(self, need: Need) -> None:
        icon, word = mark_of(need.severity)
        with ui.element("article").classes(f"f-need {need.severity}"):
            with ui.element("div").classes("f-sev"):
                ui.icon(icon)
                ui.label(word)
            with ui.element("div").classes("f-need-body"):
                if need.link:
                    ui.link(need.text, need.link).classes("f-need-text")
                else:
                    ui.label(need.text).classes("f-need-text")
                with ui.element("div").classes("f-need-where"):
                    ui.label(f"{need.where} · {need.state}")
                    with ui.element("div").classes("f-unknown") as doubt:
                        ui.icon("help").props("aria-hidden=true")
                        self._doubts.append(ui.label(need.unknown))
                doubt.visible = bool(need.unknown)
            self._ages.append(ui.label().classes("f-age"))
            with ui.element("div").classes("f-act"):
                if need.alert is None:
                    return
                if need.seen:
                    ui.label(f"seen by {need.seen}").classes("f-seen")
                else:
                    acknowledge = partial(self._acknowledge, need.alert)
                    button = ui.button("Acknowledge", on_click=acknowledge, color=None).props("outline no-caps dense")
                    button.props["aria-label"] = f"Acknowledge: {need.text}"
