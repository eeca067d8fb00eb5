"""The HTTP API: the fleet, its series, alerts, rules and account, for people's programs and for the console.

What needs the web framework (half a second to import) is loaded when it is first asked for: neither the config nor
ingest needs it to start.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from frostline_cloud.api.config import HttpConfig
from frostline_cloud.api.tokens import Role, TokenRecord, create_token, list_tokens, revoke_token

if TYPE_CHECKING:
    from frostline_cloud.api.access import Access, Caller
    from frostline_cloud.api.app import DOCS, V1, build, build_beside
    from frostline_cloud.api.services import Services

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

_LATER = {
    "Access": "access",
    "Caller": "access",
    "DOCS": "app",
    "V1": "app",
    "build": "app",
    "build_beside": "app",
    "Services": "services",
}


def __getattr__(name: str) -> Any:
    """A name of `_LATER`, when it is asked for (PEP 562)."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
