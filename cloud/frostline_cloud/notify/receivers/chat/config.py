"""The config of a chat receiver."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from frostline_cloud.notify.receivers.chat.limits import LIMITS, Service
from frostline_cloud.notify.receivers.settings import PeopleSettings

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

    @model_validator(mode="after")
    def _is_taken(self) -> Self:
        """Critical alerts pass every budget; what is left of the service's own is for them."""
        most = LIMITS[self.service].per_minute
        if self.budget.per_minute is None or self.budget.per_minute > most:
            raise ValueError(f"budget: per_minute: {self.service} takes {most} messages a minute")
        return self

    @property
    def target(self) -> str:
        """Where it leads; another target is another chance for a receiver that was gone."""
        return f"{self.service} {self.url.get_secret_value()}"
