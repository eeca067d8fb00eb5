"""The head of every page: whether data is taken, how old the oldest is, who is there; and the ways out."""

from __future__ import annotations

from nicegui import ui

from frostline_cloud.console import links
from frostline_cloud.console.front.screen import Screen, account
from frostline_cloud.console.marks import tone
from frostline_cloud.console.words import ago

_THEMES: dict[str, bool | None] = {"auto": None, "dark": True, "light": False}


class Header:
    """Whether data is taken, how old the oldest is, who is there; and the ways out."""

    def __init__(self, here: str, *, may_log_out: bool) -> None:
        self._theme, self._dark, self._is_turned = "auto", ui.dark_mode(None), False
        with ui.element("header").classes("f-top"):
            with ui.element("div").classes("f-name"):
                ui.icon("ac_unit").props("aria-hidden=true")
                ui.label("Frostline")
            with ui.element("nav").classes("f-pages") as pages:
                for path, name in links.PAGES:
                    link = ui.link(name, path)
                    if path == here:
                        link.props("aria-current=page")
            pages.props["aria-label"] = "Pages"
            with ui.element("div").classes("f-links"):
                self._zone = ui.label().classes("f-fact")
                ui.link("API", "/api/docs")
                self._turner = ui.button("Theme: auto", on_click=self._turn, color=None).props("flat dense no-caps")
                if may_log_out:
                    with ui.element("form").props("method=post action=/logout"), ui.element("button"):
                        ui.label("Log out")
            with ui.element("div").classes("f-row"):
                with ui.element("div").classes("f-state").props("role=status") as self._state:
                    self._icon = ui.icon("hourglass_empty").props("aria-hidden=true")
                    self._text = ui.label("reading")
                self._oldest = ui.label().classes("f-fact")
                self._nodes = ui.label().classes("f-fact")
                self._account = ui.label().classes("f-fact")

    def show(self, screen: Screen) -> None:
        """Shows the state of the system."""
        self._say(screen.fault)
        age = screen.oldest_ms
        self._oldest.text = "no values" if age is None else f"oldest value {ago(age)} old"
        self._nodes.text = f"{screen.nodes_online} of {screen.nodes} gateways online"
        tone(self._nodes, "doubt" if screen.nodes_online < screen.nodes else "", ("doubt",))
        self._account.text = account(screen.delivery)
        tone(self._account, "fault" if screen.delivery and screen.delivery.unexplained else "", ("fault",))

    def wear(self, theme: str, zone: str) -> None:
        """Takes the look that was chosen in this browser, and says in which time zone times are."""
        self._zone.text = f"times in {zone}"
        if not self._is_turned:
            self._dress(theme if theme in _THEMES else "auto")

    def fail(self, reason: str) -> None:
        """Shows that nothing can be read."""
        self._say(reason)

    def _say(self, fault: str) -> None:
        tone(self._state, "fault" if fault else "well", ("fault", "well"))
        self._icon.name = "error" if fault else "check_circle"
        self._text.text = f"Not taking data: {fault}" if fault else "Taking data"

    def _turn(self) -> None:
        names, self._is_turned = list(_THEMES), True
        self._dress(names[(names.index(self._theme) + 1) % len(names)])
        ui.run_javascript(f"localStorage.setItem('frostline-theme', '{self._theme}')")

    def _dress(self, theme: str) -> None:
        self._theme, self._dark.value = theme, _THEMES[theme]
        self._turner.text = f"Theme: {self._theme}"
