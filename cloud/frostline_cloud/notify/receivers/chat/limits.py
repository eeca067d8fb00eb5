"""What each chat service takes: how long a message may be, and how many a minute. Each number with where it is from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from frostline_cloud.notify.receivers.chat.fit import json_size, utf8_size


class Service(StrEnum):
    """The services, as the config names them."""

    WECOM = "wecom"
    DINGTALK = "dingtalk"
    FEISHU = "feishu"
    LARK = "lark"
    SLACK = "slack"
    TEAMS = "teams"


@dataclass(frozen=True, slots=True)
class Limit:
    """What a service takes.

    Attributes:
        most_bytes: Of a message.
        room_bytes: Of these what is left free for what the library and the service put around the text.
        size: What counts as a byte: WeCom counts the text, the others the request, which the library writes in ASCII.
        per_minute: Messages; what is beyond is refused.
        source: Where the numbers are from.
    """

    most_bytes: int
    room_bytes: int
    size: Callable[[str], int]
    per_minute: int
    source: str

    @property
    def text_bytes(self) -> int:
        """Of subject and text together."""
        return self.most_bytes - self.room_bytes


_FEISHU: Final = Limit(
    20_000, 6_000, json_size, 100, "https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot"
)

LIMITS: Final[dict[Service, Limit]] = {
    Service.WECOM: Limit(2_048, 48, utf8_size, 20, "https://developer.work.weixin.qq.com/document/path/91770"),
    # The page names 20 a minute (then nothing for 10 minutes), and no size: that one is Apprise's.
    Service.DINGTALK: Limit(
        20_000, 6_000, json_size, 20, "https://open.dingtalk.com/document/group/custom-robot-access"
    ),
    Service.FEISHU: _FEISHU,  # 20 KB of request, 5 a second, 100 a minute
    Service.LARK: _FEISHU,  # the same system under another name
    # 1 message a second; a text of more than 40,000 characters is cut
    # (https://api.slack.com/changelog/2018-04-truncating-really-long-messages).
    Service.SLACK: Limit(40_000, 6_000, json_size, 60, "https://docs.slack.dev/apis/web-api/rate-limits"),
    # 28 KB and 4 requests a second; senders report refusals from half of that on, as if each character had two bytes.
    Service.TEAMS: Limit(
        14_000,
        6_000,
        json_size,
        240,
        "https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook",
    ),
}
"""The limits of each service, as its own pages say where nothing else is said."""
