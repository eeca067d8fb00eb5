"""How severities and doubts look: an icon and a word each, so that nothing is only a colour."""

from __future__ import annotations

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
