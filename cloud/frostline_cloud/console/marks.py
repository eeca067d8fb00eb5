"""How severities and doubts look: an icon and a word each, so that nothing is only a colour."""

from __future__ import annotations

from collections.abc import Iterable

from nicegui import ui

ICONS = {
    "critical": ("report", "Critical"),
    "warning": ("warning", "Warning"),
    "info": ("info", "Info"),
    "silent": ("cloud_off", "Silent"),
}
UNKNOWN = ("help", "Alert")


def mark_of(severity: str) -> tuple[str, str]:
    """Icon and word of a severity."""
    return ICONS.get(severity, UNKNOWN)


def tone(element: ui.element, tone: str, tones: tuple[str, ...]) -> None:
    """Gives an element one class out of several; `""` is none of them."""
    element.classes(add=tone, remove=" ".join(each for each in tones if each != tone))


def show_badges(box: ui.element, found: Iterable[tuple[str, str, str]]) -> None:
    """Fills a box anew with badges: tone, icon and words of each."""
    box.clear()
    with box:
        for look, icon, text in found:
            with ui.element("span").classes(f"f-badge {look}"):
                ui.icon(icon).props("aria-hidden=true")
                ui.label(text)
