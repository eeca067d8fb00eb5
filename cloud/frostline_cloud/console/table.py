"""Tables of texts and links: rebuilt when what they show changes, and only then.

On a narrow screen the style makes each row a block of lines, each with its column's name before it; the roles keep it a
table for screen readers then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nicegui import ui


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    Attributes:
        text: What it says.
        icon: Before the text; "" for none.
        link: Where the text leads; "" for nowhere.
        tone: A class of the style; "" for none.
        note: A second line; "" for none.
        act: On a button with the text, instead of the text; None for no button.
        name: The button's name for screen readers, beginning with its text.
    """

    text: str
    icon: str = ""
    link: str = ""
    tone: str = ""
    note: str = ""
    act: Callable[[], object] | None = None
    name: str = ""


class Table:
    """A table with a caption for screen readers.

    Args:
        caption: What it lists.
        columns: Heads; "" for a column of buttons.
        empty: What is said instead where there are no rows.
        is_tight: On a narrow screen a row is two lines, without the names of columns.
    """

    def __init__(self, caption: str, columns: Sequence[str], empty: str, *, is_tight: bool = False) -> None:
        self._caption, self._columns, self._empty = caption, tuple(columns), empty
        self._tight = " is-tight" if is_tight else ""
        self._shown: object = None
        self._box = ui.element("div").classes("f-scroll")

    def show(self, rows: Sequence[Sequence[Cell]], fixed: object = None) -> None:
        """Shows rows; `fixed` is what they are compared by, where their cells hold functions."""
        about = fixed if fixed is not None else [tuple(row) for row in rows]
        if about == self._shown:
            return
        self._shown = about
        self._box.clear()
        with self._box:
            if not rows:
                ui.label(self._empty).classes("f-verdict")
                return
            self._build(rows)

    def _build(self, rows: Sequence[Sequence[Cell]]) -> None:
        with ui.element("table").classes(f"f-table{self._tight}").props("role=table"):
            with ui.element("caption").classes("f-hidden"):
                ui.label(self._caption)
            with ui.element("thead").props("role=rowgroup"), ui.element("tr").props("role=row"):
                for name in self._columns:
                    with ui.element("th").props("scope=col role=columnheader"):
                        ui.label(name) if name else ui.label("Action").classes("f-hidden")
            with ui.element("tbody").props("role=rowgroup"):
                for row in rows:
                    with ui.element("tr").props("role=row"):
                        for name, cell in zip(self._columns, row, strict=True):
                            _cell(name, cell)


def _cell(name: str, cell: Cell) -> None:
    is_empty = cell.act is None and not (cell.text or cell.note)
    with ui.element("td").props("role=cell").classes(f"{cell.tone}{' is-empty' if is_empty else ''}") as made:
        made.props["data-label"] = name
        if cell.act is not None:
            button = (
                ui.button(cell.text, on_click=cell.act, color=None).props("outline no-caps dense").classes("f-act-b")
            )
            button.props["aria-label"] = cell.name or cell.text
            return
        with ui.element("div").classes("f-cell"):
            if cell.icon:
                ui.icon(cell.icon).props("aria-hidden=true")
            if cell.link:
                ui.link(cell.text, cell.link)
            elif cell.text:
                ui.label(cell.text)
        if cell.note:
            ui.label(cell.note).classes("f-note")
