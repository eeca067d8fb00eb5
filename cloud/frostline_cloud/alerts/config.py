"""The `[alerts]` table of cloud.toml."""

from __future__ import annotations

from pydantic import Field

from frostline_core.config import ConfigModel


class AlertsConfig(ConfigModel):
    """What the cloud watches by itself."""

    gateway_offline_after_s: float = Field(
        default=300.0,
        ge=5,
        le=86_400,
        description="A gateway that has been offline for so long is an alert; sooner where something of it is missed.",
    )
    remind_after_s: float = Field(
        default=604_800.0,
        ge=3600,
        le=34_560_000,
        description="What is idle or in maintenance for so long is an alert, told again each time as much has passed.",
    )
