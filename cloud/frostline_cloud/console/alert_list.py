"""The page of alerts: open ones, those that wait to be closed, and all; by pages of 100."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

from nicegui import ui

from frostline_cloud.api.alerts import AlertOut, StateFilter, list_alerts
from frostline_cloud.console import links
from frostline_cloud.console.frame import Sight
from frostline_cloud.console.marks import mark_of
from frostline_cloud.console.table import Cell, Table
from frostline_cloud.console.visit import Visit
from frostline_cloud.console.words import ago, span, unknown
from frostline_core.rules.rule import Category

_EVERY_MS: Final = 10_000  # the whole table may have to be looked through
_COLUMNS = ("Severity", "What", "Category", "State", "Began", "Lasted", "Handled")


class Show(StrEnum):
    """Which alerts."""

    OPEN = "open"
    TO_CLOSE = "to-close"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class _View:
    """One of the lists: its words, and what it asks the API for."""

    name: str
    about: str
    empty: str
    state: StateFilter | None = None
    closed: bool | None = None
    category: Category | None = None


_VIEWS: Final = {
    Show.OPEN: _View(
        "Open",
        "What fires, or has not been back for long enough.",
        "No alert is open. The first page says what is silent.",
        StateFilter.OPEN,
    ),
    Show.TO_CLOSE: _View(
        "To close",
        "About compliance, over, and not yet closed with cause and disposition.",
        "Nothing waits to be closed.",
        StateFilter.RESOLVED,
        closed=False,
        category=Category.COMPLIANCE,
    ),
    Show.ALL: _View("All", "Every alert that is kept, newest first.", "There has been no alert."),
}


class AlertList:
    """A list of alerts.

    Args:
        visit: Who looks.
        wanted: Which.
        before: Cursor of an earlier page; "" for the newest.
    """

    def __init__(self, visit: Visit, wanted: Show, before: str) -> None:
        self._visit, self._wanted, self._before = visit, wanted, before
        self._read_ms = 0

    def build(self) -> None:
        """See `Content`."""
        view = _VIEWS[self._wanted]
        with ui.element("h1").classes("f-title"):
            ui.label("Alerts")
        with ui.element("nav").classes("f-tabs") as tabs:
            for show, each in _VIEWS.items():
                link = ui.link(each.name, f"{links.ALERTS}?show={show.value}")
                if show is self._wanted:
                    link.props("aria-current=page")
        tabs.props["aria-label"] = "Which alerts"
        ui.label(view.about).classes("f-verdict")
        self._table = Table(f"{view.name} alerts", _COLUMNS, view.empty)
        self._older = ui.link("Older alerts", "").classes("f-more")
        self._older.visible = False

    async def show(self, sight: Sight) -> None:
        """See `Content`."""
        if self._wanted is not Show.OPEN and 0 <= sight.now_ms - self._read_ms < _EVERY_MS:
            return
        view = _VIEWS[self._wanted]
        page = await self._visit.read(
            partial(
                list_alerts,
                cursor=self._before or None,
                state=view.state,
                closed=view.closed,
                category=view.category,
            )
        )
        self._read_ms = sight.now_ms
        self._table.show([_row(each, sight) for each in page.items])
        self._older.visible = page.next is not None
        self._older.props["href"] = f"{links.ALERTS}?show={self._wanted.value}&before={page.next or ''}"


def _row(alert: AlertOut, sight: Sight) -> Sequence[Cell]:
    icon, word = mark_of(alert.severity)
    where = " · ".join(dict.fromkeys(part for part in (alert.site, alert.zone, alert.device or alert.node) if part))
    end_ms = sight.now_ms if alert.resolved_ms is None else alert.resolved_ms
    began_ms = alert.fired_ms or alert.opened_ms
    return (
        Cell(word, icon=icon, tone=f"f-sev {alert.severity}"),
        Cell(alert.summary, link=links.alert_page(alert.id), note=where),
        Cell(alert.category or "not known", icon="gavel" if alert.category == Category.COMPLIANCE else ""),
        Cell(alert.state, note=unknown(alert.no_data_since_ms, sight.now_ms)),
        Cell(sight.wall.short(began_ms, sight.now_ms), note="found in late samples" if alert.retroactive else ""),
        Cell(span(end_ms - began_ms) if alert.resolved_ms is not None else f"for {ago(end_ms - began_ms)}"),
        Cell(_handled(alert)),
    )


def _handled(alert: AlertOut) -> str:
    about = alert.handling
    said = [f"seen by {alert.acknowledged_by}"] if alert.acknowledged_by else []
    if about is not None:
        said += [f"assigned to {about.assignee}"] if about.assignee else []
        said += [f"not told: {about.muted}"] if about.muted else []
        said += [f"closed by {about.closed_by}"] if about.closed_by else []
        said += [f"goods: {about.disposition}"] if about.disposition else []
    return ", ".join(said) or "nobody yet"
