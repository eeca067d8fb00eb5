"""What the demo shows in the terminal: sites with their values, and a line for each thing that happens."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table

from frostline_sim.demo.story import Account

_SHOWN = {
    "cold_room": ("air_temperature", "door_open", "compressor_running", "setpoint"),
    "compressor_rack": ("suction_pressure", "discharge_pressure", "capacity"),
    "power_meter": ("power_total", "energy_import"),
    "stock_zone": ("count_00003700065423", "count_80614141123458"),
    "door": ("door_open",),
    "ambient": ("temperature", "humidity"),
    "rfid_reader": ("reads_per_second", "tags_present"),
}
_SYMBOLS = {"Cel": "°C", "kW": "kW", "W": "W", "kW.h": "kWh", "bar": "bar", "%": "%", "/s": "1/s"}


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
        table.add_row(device["site"], device["device"], device["zone"], "  ".join(texts) or "[dim]no value yet[/dim]")
    return table


def _value(value: dict[str, Any]) -> str:
    name = value["metric"].removeprefix("count_")
    number = value["value"]
    text = f"{number:.1f}" if isinstance(number, float) and not number.is_integer() else f"{number:g}"
    unit = _SYMBOLS.get(value["unit"], "")
    shown = f"{name} [bold]{text}[/bold]{f' {unit}' if unit else ''}"
    return f"[dim]{shown} (stale)[/dim]" if value["stale"] else shown


def alert_line(alert: dict[str, Any]) -> str:
    """One line for an alert's transition."""
    colour = "red" if alert["state"] == "firing" else "green"
    return f"{_clock(alert['at'])}  [{colour}]alert {alert['state']}[/{colour}]  {alert['rule']} at {alert['device']}"


def webhook_line(webhook: dict[str, Any]) -> str:
    """One line for a webhook."""
    proof = "[green]signature verified[/green]" if webhook["verified"] else "[red]BAD SIGNATURE[/red]"
    return f"{_clock(time.time() * 1000)}  webhook received  {webhook['type']}  {proof}"


def summary(console: Console, account: Account) -> None:
    """The account, for a person."""
    console.print()
    console.print(
        f"readings {account.readings}   kept {account.kept}   committed {account.committed}   "
        f"written {account.written}   lost {account.lost}   residue {account.residue}",
        soft_wrap=True,
    )
    if account.residue or account.lost:
        console.print("[red]Something is not accounted for: the logs are in the folder named above.[/red]")
    else:
        console.print("[green]Every reading is accounted for.[/green]")


def _clock(at_ms: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at_ms / 1000))
