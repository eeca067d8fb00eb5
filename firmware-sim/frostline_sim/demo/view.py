"""What the demo shows in the terminal: sites with their values, and a line for each thing that happens."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from frostline_core.units import UNITS
from frostline_sim.demo.story import Account

_COUNT = "count_"
_WIDTH = 42
"""Of the column of values, so that the table fits into a terminal of 80; only between two values a line ends."""

_SHOWN = {
    "cold_room": ("air_temperature", "door_open", "compressor_running", "setpoint"),
    "compressor_rack": ("suction_pressure", "discharge_pressure", "capacity"),
    "power_meter": ("power_total", "energy_import"),
    "stock_zone": ("count_00003700065423", "count_80614141123458"),
    "door": ("door_open",),
    "ambient": ("temperature", "humidity"),
    "rfid_reader": ("reads_per_second", "tags_present"),
}
_FLAGS = {"door_open": ("door open", "door closed"), "compressor_running": ("compressor on", "compressor off")}


def values_table(devices: Iterable[dict[str, Any]]) -> Table:
    """Sites, devices and their newest values; what is stale says so."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("site", "device", "zone", "values"):
        table.add_column(heading)
    for device in devices:
        wanted = _SHOWN.get(device["kind"])
        if wanted is None:
            continue
        values = {each["metric"]: each for each in device["values"]}
        texts = [_value(values[name]) for name in wanted if name in values and values[name]["value"] is not None]
        table.add_row(device["site"], device["device"], device["zone"], _lines(texts))
    return table


def _lines(values: Iterable[str]) -> Text:
    """Values in as many lines as they need, each in one piece."""
    shown, used = Text(), 0
    for value in map(Text.from_markup, values):
        if used:
            fits = used + 2 + value.cell_len <= _WIDTH
            shown.append("  " if fits else "\n")
            used = used + 2 if fits else 0
        shown.append_text(value)
        used += value.cell_len
    return shown if used else Text("no value yet", style="dim")


def _value(value: dict[str, Any]) -> str:
    metric, number = value["metric"], value["value"]
    if metric in _FLAGS:
        on, off = _FLAGS[metric]
        shown = f"[bold]{on if number else off}[/bold]"
    else:
        text = f"{number:.1f}" if isinstance(number, float) and not number.is_integer() else f"{number:g}"
        unit = "pieces" if metric.startswith(_COUNT) else _symbol(value["unit"])
        shown = f"{metric.removeprefix(_COUNT)} [bold]{text}[/bold]{f' {unit}' if unit else ''}"
    return f"[dim]{shown} (stale)[/dim]" if value["stale"] else shown


def _symbol(unit: str) -> str:
    return UNITS[unit].symbol if unit in UNITS else unit


def alert_line(alert: dict[str, Any]) -> str:
    """One line for an alert's transition."""
    colour = "red" if alert["state"] == "firing" else "green"
    return f"{_clock(alert['at'])}  [{colour}]alert {alert['state']}[/{colour}]  {alert['rule']} at {alert['device']}"


def webhook_line(webhook: dict[str, Any]) -> str:
    """One line for a webhook."""
    proof = "[green]signature verified[/green]" if webhook["verified"] else "[red]BAD SIGNATURE[/red]"
    said = webhook["body"].get("summary", "") if isinstance(webhook["body"], dict) else ""
    return f"{_clock(time.time() * 1000)}  webhook {webhook['type']}  {proof}  {escape(said)}".rstrip()


def summary(console: Console, account: Account) -> None:
    """The account, for a person."""
    console.print()
    console.print(
        f"readings {account.readings} = kept {account.kept} + nothing new {account.filtered}"
        f" + rejected {account.rejected}\n"
        f"kept {account.kept}   committed {account.committed}   written {account.written}   lost {account.lost}   "
        f"residue {account.residue}",
        soft_wrap=True,
    )
    if account.residue or account.lost:
        console.print("[red]Something is not accounted for: the logs are in the folder named above.[/red]")
    else:
        console.print("[green]Every reading is accounted for.[/green]")


def _clock(at_ms: float) -> str:
    return time.strftime("%H:%M:%S UTC", time.gmtime(at_ms / 1000))
