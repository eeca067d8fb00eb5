"""Names and values beside each other, as a list of definitions."""

from __future__ import annotations

from collections.abc import Iterable

from nicegui import ui


def show_pairs(box: ui.element, said: Iterable[tuple[str, str]]) -> None:
    """Fills a `dl` anew."""
    box.clear()
    with box:
        for name, value in said:
            with ui.element("div").classes("f-pair"):
                with ui.element("dt"):
                    ui.label(name)
                with ui.element("dd"):
                    ui.label(value)
