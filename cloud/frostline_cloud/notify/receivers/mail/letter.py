"""A notification as an e-mail; pure.

Each has a `Message-ID` made from the notification's id, the same for every attempt, and refers to an id made from the
incident's or group's (RFC 5322 section 3.6.4), so that mail programs show one incident, or one group, as one thread and
drop what they have.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from html import escape
from typing import Any

from frostline_cloud.notify.receivers.mail.config import MailConfig
from frostline_cloud.notify.texts import Text

_LINK = re.compile(r"https?://[^\s<>\"]+")
_COLOURS = {"critical": "#b42318", "warning": "#b54708", "info": "#175cd3"}


def letter(text: Text, body: dict[str, Any], config: MailConfig, now_s: int) -> EmailMessage:
    """The whole message.

    Args:
        text: What people read.
        body: Of the notification.
        config: For the addresses.
        now_s: UTC seconds, for `Date`.
    """
    domain = parseaddr(config.sender)[1].rpartition("@")[2]
    made = EmailMessage(policy=SMTP)
    made["From"] = config.sender
    made["To"] = ", ".join(config.to)
    made["Subject"] = text.subject
    made["Date"] = format_datetime(datetime.fromtimestamp(now_s, UTC))
    made["Message-ID"] = f"<{body['id']}@{domain}>"
    incident = body.get("incident", {})
    group = body.get("group", {}).get("id")
    if "id" in incident or group:
        thread = f"<{f'group.{group}' if group else 'incident.' + incident['id']}@{domain}>"
        made["In-Reply-To"] = thread
        made["References"] = thread
    severity = incident.get("severity") or body.get("severity", "")
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    made["X-Auto-Response-Suppress"] = "All"
    if severity == "critical":
        made["Importance"] = "high"
    made.set_content(text.body + "\n")
    made.add_alternative(_html(text, severity), subtype="html")
    return made


def _html(text: Text, severity: str) -> str:
    lines = "<br>\n".join(_LINK.sub(_anchor, escape(line, quote=False)) for line in text.body.split("\n"))
    colour = _COLOURS.get(severity, "#344054")
    return (
        '<!doctype html>\n<html><body style="margin:0;font:15px/1.5 sans-serif;color:#1d2939">\n'
        f'<div style="border-left:6px solid {colour};padding:12px 16px">\n'
        f'<p style="margin:0 0 12px;font-size:18px;font-weight:bold;color:{colour}">{escape(text.subject)}</p>\n'
        f"<p>{lines}</p>\n</div></body></html>\n"
    )


def _anchor(found: re.Match[str]) -> str:
    shown = found[0]
    return f'<a href="{shown.replace(chr(34), "&quot;")}">{shown}</a>'
