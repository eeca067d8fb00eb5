"""Routing: who is told of what, and who next when nobody takes note; pure."""

from frostline_cloud.notify.routing.choice import Choice, choose, matches
from frostline_cloud.notify.routing.config import EscalateConfig, RouteConfig, WindowConfig
from frostline_cloud.notify.routing.coverage import gaps
from frostline_cloud.notify.routing.facts import Facts, facts_of

__all__ = [
    "Choice",
    "EscalateConfig",
    "Facts",
    "RouteConfig",
    "WindowConfig",
    "choose",
    "facts_of",
    "gaps",
    "matches",
]
