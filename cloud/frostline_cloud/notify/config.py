"""The `[[receiver]]` tables of the cloud's config; each kind of receiver is a folder with its own model."""

from __future__ import annotations

from frostline_cloud.notify.receivers.webhook import WebhookConfig

ReceiverConfig = WebhookConfig
"""Any receiver. With a second kind this becomes a union told apart by `type`."""
