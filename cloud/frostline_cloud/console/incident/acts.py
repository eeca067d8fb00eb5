"""What somebody can do with an alert: buttons, and the forms behind them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from nicegui import ui

from frostline_cloud.alerts.evidence import Disposition
from frostline_cloud.api import Caller, Role, Services
from frostline_cloud.api.alerts import AlertDetailOut, acknowledge_alert
from frostline_cloud.api.closing import CloseIn, close_alert
from frostline_cloud.api.handling import (
    AssignIn,
    CommentIn,
    ShelveIn,
    assign_alert,
    comment_alert,
    shelve_alert,
    unshelve_alert,
)
from frostline_cloud.console import links
from frostline_cloud.console.form import Dialog, choice, field, length_ms, said, words
from frostline_cloud.console.visit import NotDoneError, Visit

_OPEN: Final = ("firing", "clearing")
_HOURS: Final = {"30m": "30 minutes", "1h": "1 hour", "2h": "2 hours", "4h": "4 hours", "8h": "8 hours", "24h": "1 day"}
_GOODS: Final = {
    Disposition.RELEASE.value: "Release: the goods may be used",
    Disposition.QUARANTINE.value: "Quarantine: kept apart until it is decided",
    Disposition.DESTROY.value: "Destroy",
}


@dataclass(frozen=True, slots=True)
class _Act:
    """A button: its words, what it does, and whether it is the one that matters most now."""

    name: str
    does: Callable[[], object]
    is_first: bool = False


class Acts:
    """The buttons that make sense now; the forms are built once, so that news does not empty them."""

    def __init__(self, visit: Visit, refresh: Callable[[], Awaitable[None]], alert_id: str) -> None:
        self._visit, self._refresh, self._id = visit, refresh, alert_id
        self._shown: object = None
        self._alert: AlertDetailOut | None = None

    def build(self) -> None:
        """Builds the place for the buttons, and the forms."""
        self._bar = ui.element("div").classes("f-acts").props('role=group aria-label="What can be done"')
        self._why = ui.label().classes("f-verdict")
        self._assigning = Dialog("Assign", "Assign", self._assign)
        with self._assigning.fields():
            self._assignee = field("To whom", hint="A name; empty is nobody. Nobody is told.").props("autofocus")
        self._commenting = Dialog("Comment", "Add comment", self._comment)
        with self._commenting.fields():
            self._remark = words("Comment", hint="Stands on the timeline for good.").props("autofocus")
        self._shelving = Dialog("Shelve", "Shelve", self._shelve)
        with self._shelving.fields():
            self._length = choice("For how long", _HOURS, "4h").props("autofocus")
            self._reason = words("Why", hint="Nobody is told until then; a higher severity is told at once.")
        self._closing = Dialog("Close", "Close alert", self._close)
        with self._closing.fields():
            self._need = ui.label().classes("f-verdict")
            self._cause = words("Cause", hint="Why it happened.").props("autofocus")
            self._goods = choice("What becomes of the goods", {"": "Nothing is said"} | _GOODS, "")

    async def show(self, alert: AlertDetailOut) -> None:
        """Shows what can be done with it now, by whoever looks."""
        self._alert = alert
        caller = await self._visit.caller()
        may = caller is not None and caller.role.may(Role.OPERATOR)
        acts = self._possible(alert) if may else ()
        why = _why_not(alert, caller)
        about = (why, [(each.name, each.is_first) for each in acts])
        if about == self._shown:
            return
        self._shown = about
        self._why.text, self._why.visible = why, bool(why)
        self._bar.clear()
        with self._bar:
            for each in acts:
                button = ui.button(each.name, on_click=each.does, color=None).props("no-caps")
                button.props("unelevated" if each.is_first else "outline").classes(
                    "f-do" if each.is_first else "f-act-b"
                )
            if may:
                matchers = {"site": alert.site, "device": alert.device, "rule": alert.rule}
                ui.link("Silence what is like this", links.silence_page(**{k: v for k, v in matchers.items() if v}))
            ui.link("Everything as JSON", links.export_of(alert.id))
            ui.link("Samples as CSV", links.export_of(alert.id, ".csv"))

    def _possible(self, alert: AlertDetailOut) -> Sequence[_Act]:
        handled = alert.handling
        found = []
        if alert.state in _OPEN:
            if alert.acknowledged_ms is None:
                found.append(_Act("Acknowledge", self._acknowledge, is_first=True))
            if handled is not None and handled.shelved_until_ms is not None:
                found.append(_Act("Take from the shelf", self._unshelve))
            else:
                found.append(_Act("Shelve…", self._shelving.open))
        if alert.state == "resolved" and (handled is None or handled.closed_ms is None):
            found.append(_Act("Close…", self._open_closing, is_first=True))
        found.append(_Act("Assign…", self._assigning.open))
        found.append(_Act("Comment…", self._commenting.open))
        return found

    def _open_closing(self) -> None:
        decides = self._alert is not None and self._alert.category == "compliance"
        self._need.text = (
            "This rule is about compliance: it needs a cause and a decision about the goods. Both stay as they are."
            if decides
            else "Freezes the evidence. Cause and decision may be left out."
        )
        self._closing.open()

    async def _acknowledge(self) -> None:
        try:
            await self._visit.act(partial(acknowledge_alert, alert_id=self._id))
        except NotDoneError as error:
            ui.notify(str(error), type="warning")
            return
        await self._refresh()

    async def _unshelve(self) -> None:
        try:
            await self._visit.act(partial(unshelve_alert, alert_id=self._id))
        except NotDoneError as error:
            ui.notify(str(error), type="warning")
            return
        await self._refresh()

    async def _assign(self) -> str:
        to = (self._assignee.value or "").strip()
        await self._done(lambda services, caller: assign_alert(services, caller, self._id, AssignIn(to=to)))
        return f"Assigned to {to}" if to else "Assigned to nobody"

    async def _comment(self) -> str:
        text = said(self._remark.value, "What is there to say?")
        await self._done(lambda services, caller: comment_alert(services, caller, self._id, CommentIn(text=text)))
        self._remark.value = ""
        return "The comment is on the timeline"

    async def _shelve(self) -> str:
        reason = said(self._reason.value, "Why is it shelved? Whoever looks at it next wants to know.")
        until_ms = self._visit.services.clock() + length_ms(self._length.value)
        wanted = ShelveIn(until_ms=until_ms, reason=reason)
        await self._done(lambda services, caller: shelve_alert(services, caller, self._id, wanted))
        self._reason.value = ""
        return f"Shelved for {_HOURS[str(self._length.value)]}"

    async def _close(self) -> str:
        cause, goods = (self._cause.value or "").strip(), self._goods.value
        wanted = CloseIn(cause=cause, disposition=Disposition(goods) if goods else None)
        await self._done(lambda services, caller: close_alert(services, caller, self._id, wanted))
        return "Closed; its evidence is frozen"

    async def _done(self, call: Callable[[Services, Caller], AlertDetailOut]) -> None:
        await self._visit.act(call)
        await self._refresh()


def _why_not(alert: AlertDetailOut, caller: Caller | None) -> str:
    """Why there are no other buttons."""
    if caller is None or not caller.role.may(Role.OPERATOR):
        return f"You may look, not act: that needs a token with the role {Role.OPERATOR}."
    if alert.handling is not None and alert.handling.closed_ms is not None:
        return "It is closed: a new excursion is a new alert."
    return "" if alert.state == "resolved" else "It can be closed when it is over."
