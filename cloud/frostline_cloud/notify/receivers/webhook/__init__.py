"""Webhooks: JSON by HTTP POST, signed as Standard Webhooks 1.0 says."""

from frostline_cloud.notify.receivers.webhook.config import WebhookConfig
from frostline_cloud.notify.receivers.webhook.sender import Webhook
from frostline_cloud.notify.receivers.webhook.signature import sign, verify

__all__ = ["Webhook", "WebhookConfig", "sign", "verify"]
