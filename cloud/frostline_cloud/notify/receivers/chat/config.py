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


class ChatConfig(PeopleSettings):
    """A `[[receiver]]` table with `type = "chat"`."""

    type: Literal["chat"] = Field(description="The kind of receiver.")
    service: Service = Field(description="wecom, dingtalk, feishu, lark, slack or teams.")
    url: SecretStr = Field(
        description="`${env:NAME}` or `${file:/path}` of the service's Apprise URL, or of its webhook URL: it holds "
        "the token of the chat, so that it is a secret."
    )

    @property
    def target(self) -> str:
        """Where it leads; another target is another chance for a receiver that was gone."""
        return f"{self.service} {self.url.get_secret_value()}"
