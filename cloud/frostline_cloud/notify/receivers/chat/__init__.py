"""Chat services through the Apprise library: WeCom, DingTalk, Feishu and Lark, Slack, Teams."""

from frostline_cloud.notify.receivers.chat.config import ChatConfig
from frostline_cloud.notify.receivers.chat.limits import Service
from frostline_cloud.notify.receivers.chat.sender import Chat

__all__ = ["Chat", "ChatConfig", "Service"]
