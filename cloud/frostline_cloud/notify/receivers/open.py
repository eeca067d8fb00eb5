"""From a `[[receiver]]` table to the receiver."""

from __future__ import annotations

from frostline_cloud.notify.config import ReceiverConfig
from frostline_cloud.notify.receivers.chat import Chat, ChatConfig
from frostline_cloud.notify.receivers.mail import Mail, MailConfig
from frostline_cloud.notify.receivers.receiver import Receiver
from frostline_cloud.notify.texts import Catalogue


def open_receiver(config: ReceiverConfig, texts: Catalogue) -> Receiver:
    """Makes the receiver of a table.

    Raises:
        ConfigError: A secret or certificate cannot be used, a library is absent, or the language has no texts.
    """
    if isinstance(config, MailConfig):
        return Mail(config, texts)
    if isinstance(config, ChatConfig):
        return Chat(config, texts)
    from frostline_cloud.notify.receivers.webhook import Webhook  # with its library

    return Webhook(config)
