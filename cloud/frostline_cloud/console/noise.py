"""The page of the rules that call most often."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from nicegui import ui

from frostline_cloud.alerts.noise import DAY_MS
from frostline_cloud.api.noise import NoiseOut, list_noise
from frostline_cloud.console import links
from frostline_cloud.console.form import choice
from frostline_cloud.console.frame import Sight
from frostline_cloud.console.table import Cell, Table
from frostline_cloud.console.visit import Visit

_EVERY_MS: Final = 30_000
_FLAPS: Final = 0.3  # from here on more than every third alert is the same one again
_DAYS: Final = {"1": "the last day", "7": "the last 7 days", "30": "the last 30 days"}
_COLUMNS = ("Rule", "Alerts", "Notifications", "Seen", "Flap score", "Most by", "What helps")


class NoisePage:
    """A table, and of how many days."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._read_ms = 0

    def build(self) -> None:
        """See `Content`."""
        with ui.element("h1").classes("f-title"):
            ui.label("Noisiest rules")
        ui.label(
            "The flap score is the part of a rule's alerts that fire within 30 minutes after the end of the one before."
        ).classes("f-verdict")
        with ui.element("div").classes("f-choices"):
            self._days = choice("Of", _DAYS, "7").on_value_change(self._again)
        self._table = Table("Noisiest rules", _COLUMNS, "No alert has fired in this time.")

    def _again(self) -> None:
        self._read_ms = 0

    async def show(self, sight: Sight) -> None:
        """See `Content`."""
        if 0 <= sight.now_ms - self._read_ms < _EVERY_MS:
            return
        since_ms = sight.now_ms - int(self._days.value or "7") * DAY_MS
        found = await self._visit.read(partial(list_noise, since=since_ms))
        self._read_ms = sight.now_ms
        self._table.show([_row(each) for each in found.items])


def _row(noise: NoiseOut) -> Sequence[Cell]:
    flaps = noise.flap_score >= _FLAPS
    unseen = noise.alerts - noise.seen
    return (
        Cell(noise.rule, link=links.silence_page(rule=noise.rule)),
        Cell(f"{noise.alerts:,}", tone="f-n"),
        Cell(f"{noise.notifications:,}", tone="f-n"),
        Cell(f"{noise.seen:,}", tone="f-n", note=f"{unseen:,} by nobody" if unseen else ""),
        Cell(
            f"{noise.flap_score:.2f}",
            icon="repeat" if flaps else "",
            tone="f-n",
            note=f"{noise.flaps:,} again and again" if noise.flaps else "",
        ),
        Cell(noise.noisiest_series, note=f"{noise.noisiest_count:,} of {noise.alerts:,}"),
        Cell("hysteresis, for or clear_for" if flaps else _advice(noise)),
    )


def _advice(noise: NoiseOut) -> str:
    if noise.noisiest_count > noise.alerts / 2 and noise.alerts > 1:
        return "a look at that device"
    return "–"  # noqa: RUF001 - nothing
