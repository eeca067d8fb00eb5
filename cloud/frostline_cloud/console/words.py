"""Times, spans and numbers as people read them."""

from __future__ import annotations

from frostline_core.units import UNITS


def ago(age_ms: int | None) -> str:
    """An age in words: `12 s`, `3 min`, `2 h 5 min`, `4 d`."""
    if age_ms is None:
        return "never"
    seconds = age_ms // 1000
    if seconds < 60:
        return f"{seconds} s"
    minutes, hours = seconds // 60, seconds // 3600
    if minutes < 60:
        return f"{minutes} min"
    if hours < 48:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{hours // 24} d"


def unknown(since_ms: int | None, now_ms: int) -> str:
    """That nothing is known of what an alert watches; "" while samples come."""
    return "" if since_ms is None else f"unknown: no data for {ago(max(0, now_ms - since_ms))}"


def span(length_ms: int) -> str:
    """A length of time: `45 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    seconds = max(0, length_ms) // 1000
    parts = (
        (seconds // 86_400, "d"),
        (seconds % 86_400 // 3600, "h"),
        (seconds % 3600 // 60, "min"),
        (seconds % 60, "s"),
    )
    first = next((number for number, (amount, _) in enumerate(parts) if amount), len(parts) - 1)
    said = [f"{amount} {unit}" for amount, unit in parts[first : first + 2] if amount]
    return " ".join(said) or "0 s"


def symbol_of(unit: str | None) -> str:
    """The symbol of a UCUM unit; the code itself where nobody here knows it."""
    return UNITS[unit].symbol if unit in UNITS else unit or ""


def number(value: float | None, unit: str) -> str:
    """A number of a few digits with the symbol of its unit."""
    if value is None:
        return "not known"
    text = f"{value:,.2f}".rstrip("0").rstrip(".") if 0.1 <= abs(value) < 1e6 or value == 0 else f"{value:.4g}"
    return f"{text} {unit}".rstrip()
