"""Webhooks: JSON by HTTP POST, signed as Standard Webhooks 1.0 says.

What sends them is loaded when it is first asked for: its HTTP library takes a tenth of a second, and the config, which
every start reads, needs it not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from frostline_cloud.notify.receivers.webhook.config import WebhookConfig
from frostline_cloud.notify.receivers.webhook.signature import sign, verify

if TYPE_CHECKING:
    from frostline_cloud.notify.receivers.webhook.sender import Webhook

__all__ = ["Webhook", "WebhookConfig", "sign", "verify"]


def __getattr__(name: str) -> Any:
    """`Webhook`, when it is asked for (PEP 562)."""
    if name != "Webhook":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from frostline_cloud.notify.receivers.webhook import sender

    return sender.Webhook
