"""Forms: fields, one button, and a place for what was wrong; by keyboard, and with a name for every field."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from nicegui import ui

from frostline_cloud.console.visit import NotDoneError
from frostline_cloud.console.wall import Wall
from frostline_core.rules import duration

Send = Callable[[], Awaitable[str]]
"""Does what the form is for; returns what to say then."""

_FIELD: Final = "outlined dense hide-bottom-space"


class Form:
    """A form; `send` raises NotDoneError with what was wrong, and the form stays as it is filled in."""

    def __init__(self, verb: str, send: Send, cancel: Callable[[], None] | None = None) -> None:
        self._verb, self._send, self._cancel = verb, send, cancel

    @contextmanager
    def fields(self) -> Iterator[None]:
        """Around the fields; what is wrong and the buttons come below them."""
        with ui.element("form").classes("f-form").on("submit.prevent", self._submit):
            yield
            self.fault = ui.label().classes("f-fault").props("role=alert")
            self.fault.visible = False
            with ui.element("div").classes("f-buttons"):
                if self._cancel is not None:
                    ui.button("Cancel", on_click=self._cancel, color=None).props("flat no-caps type=button")
                self._button = ui.button(self._verb, color=None).props("unelevated no-caps type=submit")
                self._button.classes("f-do")

    async def _submit(self) -> None:
        if not self._button.enabled:
            return
        self._button.disable()
        try:
            said = await self._send()
        except NotDoneError as error:
            self.say(str(error))
        else:
            self.say("")
            ui.notify(said, type="positive", position="bottom")
        finally:
            self._button.enable()

    def say(self, fault: str) -> None:
        """Shows what is wrong; "" for nothing."""
        self.fault.text, self.fault.visible = fault, bool(fault)


class Dialog:
    """A form that comes up over the page: Escape and `Cancel` leave everything as it is.

    Args:
        title: What it is for; also its name for screen readers.
        verb: On its button.
        send: As of `Form`; the dialog closes when it is done.
    """

    def __init__(self, title: str, verb: str, send: Send) -> None:
        self._title, self._wanted = title, send
        self.form = Form(verb, self._do, self._close)
        with ui.dialog() as self._dialog:
            self._dialog.props["aria-label"] = title

    @contextmanager
    def fields(self) -> Iterator[None]:
        """Around the fields."""
        with self._dialog, ui.element("div").classes("f-dialog"):
            with ui.element("h2").classes("f-h"):
                ui.label(self._title)
            with self.form.fields():
                yield

    def open(self) -> None:
        """Shows it."""
        self.form.say("")
        self._dialog.open()

    def _close(self) -> None:
        self._dialog.close()

    async def _do(self) -> str:
        said = await self._wanted()
        self._dialog.close()
        return said


def field(label: str, value: str = "", hint: str = "") -> ui.input:
    """One line of text."""
    made = ui.input(label, value=value).props(_FIELD)
    _hint(made, hint)
    return made


def words(label: str, hint: str = "") -> ui.textarea:
    """Several lines of text."""
    made = ui.textarea(label).props(f"{_FIELD} autogrow")
    _hint(made, hint)
    return made


def choice(label: str, options: dict[str, str], value: str | None = None) -> ui.select:
    """One of several."""
    return ui.select(options, label=label, value=value).props(_FIELD)


def moment(label: str, hint: str = "") -> ui.input:
    """A date and time on the reader's wall."""
    return field(label, hint=hint).props("type=datetime-local stack-label")


def _hint(made: ui.input | ui.textarea, hint: str) -> None:
    if hint:
        made.props["hint"] = hint


def length_ms(text: str | None) -> int:
    """A length of time from a field.

    Raises:
        NotDoneError: It is none.
    """
    try:
        found = duration.parse((text or "").strip())
    except ValueError as error:
        raise NotDoneError(f"For how long? {error}.") from error
    if found <= 0:
        raise NotDoneError("For how long? It must be more than nothing.")
    return found


def begin_ms(text: str | None, wall: Wall, now_ms: int) -> int:
    """An instant from a field; empty is now.

    Raises:
        NotDoneError: It is none.
    """
    if not (text or "").strip():
        return now_ms
    try:
        return wall.read(str(text).strip())
    except (ValueError, OverflowError) as error:
        raise NotDoneError(f"When does it begin? {error}.") from error


def said(text: str | None, question: str) -> str:
    """A text that must not be empty.

    Raises:
        NotDoneError: It is.
    """
    found = (text or "").strip()
    if not found:
        raise NotDoneError(question)
    return found
