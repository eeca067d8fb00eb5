"""The tables of cloud.toml that notify reads: `[[receiver]]`, `[[route]]`, `[[rotation]]`, `[notify]` and `[canary]`.

Each kind of receiver is a folder with its own model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Discriminator, Field, Tag, field_validator

from frostline_cloud.notify.oncall import RotationConfig
from frostline_cloud.notify.receivers.chat.config import ChatConfig
from frostline_cloud.notify.receivers.mail.config import MailConfig
from frostline_cloud.notify.receivers.webhook.config import WebhookConfig
from frostline_cloud.notify.routing.config import RouteConfig
from frostline_core.config import ConfigModel, nearest


def _kind(table: Any) -> str | None:
    """The tag of a table; one without `type` is a webhook."""
    found = table.get("type", "webhook") if isinstance(table, Mapping) else getattr(table, "type", None)
    return f"tagged-{found}"


ReceiverConfig = Annotated[
    Annotated[WebhookConfig, Tag("tagged-webhook")]
    | Annotated[MailConfig, Tag("tagged-mail")]
    | Annotated[ChatConfig, Tag("tagged-chat")],
    Discriminator(
        _kind,
        custom_error_type="receiver_type",
        custom_error_message="type must be webhook, mail or chat",
    ),
]
"""Any receiver, told apart by `type`."""


class NotifyConfig(ConfigModel):
    """The `[notify]` table of cloud.toml."""

    templates: Path | None = Field(default=None, description="Folder with texts of your own in the place of ours.")
    public_url: str = Field(
        default="",
        max_length=500,
        description="Where people reach the console, for example https://frostline.example.com; messages then carry "
        "links to the alert's page and to take note of it.",
    )
    link_hours: float = Field(default=24.0, gt=0, le=168, description="How long an acknowledge link works.")

    @field_validator("public_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment):
            raise ValueError("must be an https URL without ? and #")
        if parts.username or parts.password:
            raise ValueError("must not hold a user or a password")
        return value.rstrip("/")


class CanaryConfig(ConfigModel):
    """The `[canary]` table of cloud.toml: a made-up excursion through the real path, on a schedule."""

    to: str = Field(max_length=100, description="The receiver that the canary's alert goes to.")
    alarm: str = Field(max_length=100, description="Another receiver, which is told when the canary did not arrive.")
    every_hours: float = Field(24.0, ge=0.001, le=168, description="Hours from one to the next.")
    timeout_s: float = Field(120.0, ge=1, le=3600, description="It has failed when it is not delivered by then.")
    site: str = Field("frostline-canary", pattern=r"^[A-Za-z0-9_.-]{1,100}$", description="Sparkplug group it uses.")
    node: str = Field("canary", pattern=r"^[A-Za-z0-9_.-]{1,100}$", description="Sparkplug node it is.")


def faults_of(
    receivers: Sequence[ReceiverConfig],
    routes: Sequence[RouteConfig],
    canary: CanaryConfig | None,
    rotations: Sequence[RotationConfig] = (),
) -> list[str]:
    """What does not fit together among the tables, a sentence each."""
    names = [each.name for each in receivers]
    known = names + [each.name for each in rotations]
    faults = [f"names of receivers and rotations must be unique; twice: {name}" for name in _twice(known)]
    faults += [f"route names must be unique; twice: {name}" for name in _twice([each.name for each in routes])]
    routed = [(f"route '{route.name}'", name) for route in routes for name in route.names]
    meant = [(f"rotation '{each.name}'", name) for each in rotations for name in each.receivers]
    meant += [(f"receiver '{each.name}': fallback", each.fallback) for each in receivers if each.fallback]
    if canary is not None:
        meant += [("canary: to", canary.to), ("canary: alarm", canary.alarm)]
        if canary.to == canary.alarm:
            faults.append("canary: alarm must be another receiver than the one that is tried")
    faults += [f"{who}: no receiver '{name}'{nearest(name, names)}" for who, name in meant if name not in names]
    faults += [
        f"{who}: no receiver or rotation '{name}'{nearest(name, known)}" for who, name in routed if name not in known
    ]
    faults += [f"receiver '{each.name}': its fallback is itself" for each in receivers if each.fallback == each.name]
    return faults


def _twice(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
