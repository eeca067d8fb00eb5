"""Notify: carries notifications from the outbox to receivers until they are delivered or given up."""

from frostline_cloud.notify.config import ReceiverConfig
from frostline_cloud.notify.worker import NotifyWorker

__all__ = ["NotifyWorker", "ReceiverConfig"]
