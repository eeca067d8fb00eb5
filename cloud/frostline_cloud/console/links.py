"""Where the console's pages are."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlencode

LOGIN: Final = "/login"
FRONT: Final = "/"
ALERTS: Final = "/alerts"
SILENCES: Final = "/silences"
PAUSES: Final = "/pauses"
NOISE: Final = "/noise"
PAGES: Final = (
    (FRONT, "Now"),
    (ALERTS, "Alerts"),
    (SILENCES, "Silences"),
    (PAUSES, "Out of service"),
    (NOISE, "Noise"),
)
"""The ways between the pages, as the head of each shows them."""

TO_CLOSE: Final = "/alerts?show=to-close"


def alert_page(alert_id: str) -> str:
    """The page of one alert."""
    return f"{ALERTS}/{quote(alert_id, safe='')}"


def silence_page(**matchers: str) -> str:
    """The page where a silence is made, with these matchers filled in."""
    return f"{SILENCES}?{urlencode(matchers)}"


def export_of(alert_id: str, form: str = "") -> str:
    """Where the API has an alert as a file: "" is all of it as JSON, ".csv" its samples."""
    return f"/api/v1/alerts/{quote(alert_id, safe='')}/export{form}"
