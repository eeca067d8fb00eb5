"""What `check` and `status` show a person. Apart from the commands, so that a running gateway does not load it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from frostline_core.reading import Quality
from frostline_core.units import UNITS
from frostline_gateway.trial import Found


def show_trial(found: Mapping[str, Found]) -> None:
    """A table of every device: its values, or why there are none."""
    Console().print(_table(found))


def show_status(found: Mapping[str, Any]) -> None:
    """The status document in a few lines."""
    _print_status(Console(soft_wrap=True), found)


def _table(found: Mapping[str, Found]) -> Table:
    table = Table("device", "metric", "value", "unit", "quality")
    for device, each in sorted(found.items()):
        if each.error:
            table.add_row(device, "", f"[red]{escape(each.error)}[/red]", "", "")
        for name, reading in sorted(each.readings.items()):
            metric = each.description.metric(name) if each.description else None
            unit = UNITS[metric.unit].symbol if metric and metric.unit in UNITS else ""
            value = f"{reading.value:g}" if isinstance(reading.value, float) else str(reading.value)
            mark = "" if reading.quality is Quality.GOOD else "[yellow]"
            table.add_row(
                device, name, "-" if reading.value is None else escape(value), unit, f"{mark}{reading.quality.name}"
            )
    return table


def _print_status(console: Console, found: Mapping[str, Any]) -> None:
    console.print(f"{found['site']}/{found['node']}: " + ("running" if found["running"] else "not running"))
    spool, account = found["spool"], found["account"]
    if spool.get("error"):
        console.print(f"  spool    [red]{escape(spool['error'])}[/red]")
    if "rows" in spool:
        oldest = "" if spool["oldest_ms"] is None else f", oldest from {_utc(spool['oldest_ms'])}"
        console.print(f"  spool    {spool['rows']} rows, {spool['bytes']} of {spool['budget_bytes']} bytes{oldest}")
    if account:
        words = ("read", "kept", "filtered", "rejected", "committed", "pending", "lost")
        console.print("  account  " + ", ".join(f"{word} {account[word]}" for word in words))
        for reason, count in account["lost_by_reason"].items():
            console.print(f"           lost {count}: {escape(reason)}")
    if "uplink" in found:
        _print_running(console, found)


def _print_running(console: Console, found: Mapping[str, Any]) -> None:
    uplink = found["uplink"]
    state = [word for word in ("connected", "born", "host_online") if uplink[word]]
    console.print(f"  uplink   {', '.join(state) or 'not connected'} {escape(uplink['last_error'] or uplink['error'])}")
    for driver in found["drivers"]:
        console.print(f"  driver   {driver['name']} ({driver['type']}): {escape(driver['error'] or 'works')}")
    for device in found["devices"]:
        state_of = "answers" if device["online"] else f"[red]{escape(device['reason'])}[/red]"
        console.print(f"  device   {device['id']} ({device['kind']}): {state_of}")


def _utc(at_ms: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(at_ms / 1000))
