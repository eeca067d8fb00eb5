"""Where the console's pages are."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlencode

LOGIN: Final = "/login"
FRONT: Final = "/"
ALERTS: Final = "/alerts"
SILENCES: Final = "/silences"
PAUSES: Final = "/pauses"
ON_CALL: Final = "/oncall"
NOISE: Final = "/noise"
DEVICES: Final = "/devices"
GATEWAYS: Final = "/gateways"
PAGES: Final = (
    (FRONT, "Now"),
    (ALERTS, "Alerts"),
    (GATEWAYS, "Gateways"),
    (ON_CALL, "On call"),
    (SILENCES, "Silences"),
    (PAUSES, "Out of service"),
    (NOISE, "Noise"),
)
"""The ways between the pages, as the head of each shows them."""

TO_CLOSE: Final = "/alerts?show=to-close"


def alert_page(alert_id: str) -> str:
    """The page of one alert."""
    return f"{ALERTS}/{quote(alert_id, safe='')}"


def device_page(key: tuple[str, str, str], metric: str = "") -> str:
    """The page of a device: site, gateway and id; of the metric that matters most, or of this one."""
    asked = f"?{urlencode({'metric': metric})}" if metric else ""
    return f"{DEVICES}/{_path(*key)}{asked}"


def api_of(key: tuple[str, str, str]) -> str:
    """Where the API has a device: site, gateway and id."""
    return f"/api/v1/devices/{_path(*key)}"


def losses_of(site: str, node: str) -> str:
    """Where the API lists what a gateway lost."""
    return f"/api/v1/losses?{urlencode({'site': site, 'node': node})}"


def gateway_page(site: str, node: str) -> str:
    """The page of a gateway."""
    return f"{GATEWAYS}/{_path(site, node)}"


def _path(*parts: str) -> str:
    return "/".join(quote(part, safe="") for part in parts)


def silence_page(**matchers: str) -> str:
    """The page where a silence is made, with these matchers filled in."""
    return f"{SILENCES}?{urlencode(matchers)}"


def export_of(alert_id: str, form: str = "") -> str:
    """Where the API has an alert as a file: "" is all of it as JSON, ".csv" its samples."""
    return f"/api/v1/alerts/{quote(alert_id, safe='')}/export{form}"
