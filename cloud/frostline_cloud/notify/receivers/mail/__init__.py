"""E-mail by SMTP: text and HTML, one thread for each incident."""

from frostline_cloud.notify.receivers.mail.config import MailConfig, Security
from frostline_cloud.notify.receivers.mail.sender import Mail

__all__ = ["Mail", "MailConfig", "Security"]
