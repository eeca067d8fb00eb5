"""The HTTP API: the fleet, its series, alerts, rules and account, for people's programs and for the console."""

from frostline_cloud.api.access import Access, Caller
from frostline_cloud.api.app import DOCS, V1, build, build_beside
from frostline_cloud.api.config import HttpConfig
from frostline_cloud.api.services import Services
from frostline_cloud.api.tokens import Role, TokenRecord, create_token, list_tokens, revoke_token

__all__ = [
    "DOCS",
    "V1",
    "Access",
    "Caller",
    "HttpConfig",
    "Role",
    "Services",
    "TokenRecord",
    "build",
    "build_beside",
    "create_token",
    "list_tokens",
    "revoke_token",
]
