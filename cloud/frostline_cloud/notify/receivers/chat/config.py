"""The config of a chat receiver."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field, SecretStr

from frostline_cloud.notify.receivers.settings import PeopleSettings


class Service(StrEnum):
    """The services, and by what their Apprise URLs begin."""

    WECOM = "wecom"
    DINGTALK = "dingtalk"
    FEISHU = "feishu"
    LARK = "lark"
    SLACK = "slack"
    TEAMS = "teams"


SCHEMES: dict[Service, tuple[str, ...]] = {
    Service.WECOM: ("wecombot",),
    Service.DINGTALK: ("dingtalk",),
    Service.FEISHU: ("feishu",),
    Service.LARK: ("lark",),
    Service.SLACK: ("slack",),
    Service.TEAMS: ("workflows", "workflow"),
}
"""The beginning of the Apprise URL of each service."""

MOST_BYTES: dict[Service, int] = {
    Service.WECOM: 2048,
    Service.DINGTALK: 20_000,
    Service.FEISHU: 20_000,
    Service.LARK: 20_000,
    Service.SLACK: 40_000,
    Service.TEAMS: 28_000,
}
"""What a service takes in one message. WeCom: 2,048 bytes of text (developer.work.weixin.qq.com/document/path/91770);
DingTalk, Feishu, Lark: 20 KB; Slack: 40,000 characters; Teams: 28 KB, what surrounds the text included.
"""

ROOM_BYTES = {Service.WECOM: 48}
"""Of these what we leave free for what the library and the service put around the text; 6,000 where none is named."""


class ChatConfig(PeopleSettings):
    """A `[[receiver]]` table with `type = "chat"`."""

    type: Literal["chat"] = Field(description="The kind of receiver.")
    service: Service = Field(description="wecom, dingtalk, feishu, lark, slack or teams.")
    url: SecretStr = Field(
        description="`${env:NAME}` or `${file:/path}` of the service's Apprise URL, or of its webhook URL: it holds "
        "the token of the chat, so that it is a secret."
    )

    @property
    def most_bytes(self) -> int:
        """Bytes of subject and text that the service takes."""
        return MOST_BYTES[self.service] - ROOM_BYTES.get(self.service, 6_000)

    @property
    def target(self) -> str:
        """Where it leads; another target is another chance for a receiver that was gone."""
        return f"{self.service} {self.url.get_secret_value()}"
