"""A rotation of two by turns of a day, and a route that calls it: for the API, the console, and who looks at them."""

from __future__ import annotations

from datetime import date
from typing import Any

from frostline_cloud.notify import Plan, RouteConfig
from frostline_cloud.notify.oncall import Rotation, RotationConfig
from frostline_core.config import parse

TABLE: dict[str, Any] = {
    "name": "cold",
    "members": ["wang", "ben"],
    "begin": date(2026, 9, 21),
    "every": "day",
    "hand_over": "08:00",
    "time_zone": "Asia/Shanghai",
}
ROUTE: dict[str, Any] = {"name": "all", "to": ["ops"], "escalate": [{"after_minutes": 10, "to": ["cold"]}]}


def plan(**keys: Any) -> Plan:
    """Ops is told, and after ten minutes whoever is on call; li may cover. `keys` change the rotation."""
    rotation = Rotation.of(parse(TABLE | keys, RotationConfig, "test"))
    return Plan(("wang", "ben", "li", "ops"), (parse(ROUTE, RouteConfig, "test"),), (), "", (rotation,))
