"""The uplink's configuration: where the broker is, how we prove who we are, and what counts as delivered."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from frostline_core import endpoint
from frostline_core.config import ConfigModel
from frostline_core.endpoint import check_certificate, check_exposed


class UplinkConfig(ConfigModel):
    """`[uplink]` of the gateway's config."""

    url: str = Field(
        default="mqtt://127.0.0.1:1883", description="Broker: mqtts://host[:port], or mqtt:// on the same machine."
    )
    insecure: bool = Field(default=False, description="Allow mqtt:// without TLS to another machine.")
    host_id: str = Field(
        default="frostline",
        description="Sparkplug host whose STATE is waited for before anything is sent.",
        min_length=1,
    )
    client_id: str = Field(default="", description="MQTT client id; empty means frostline-<site>-<node>.")
    username: str = Field(default="", description="User at the broker; empty means none.")
    password: SecretStr = Field(default=SecretStr(""), description="Its password: ${env:NAME} or ${file:/path}.")
    ca_file: Path | None = Field(default=None, description="Certificates that the broker's is checked with (PEM).")
    cert_file: Path | None = Field(default=None, description="Our own certificate for mutual TLS (PEM).")
    key_file: Path | None = Field(default=None, description="Its private key (PEM).")
    keepalive_s: int = Field(
        default=30, ge=5, le=600, description="A dead connection is noticed after one and a half times this."
    )
    proof: Literal["commit", "none"] = Field(
        default="commit",
        description="commit: rows leave the spool when the cloud's database has them. none: when the broker took them; "
        "only for a Sparkplug host of another make.",
    )
    backlog_messages_per_s: float = Field(
        default=100.0, gt=0, le=10_000, description="How fast what piled up during an outage is sent."
    )

    compression: Literal["none", "deflate"] = Field(
        default="none",
        description="deflate: messages of about a dozen values and more are sent compressed as Eclipse Tahu does it,"
        " at half the bytes or less. Frostline's cloud reads it; other Sparkplug hosts may not.",
    )
    burst_s: float = Field(
        default=0.0,
        ge=0,
        le=600,
        description="On a link that is paid by the byte: samples wait so long on the disk and go out together; events"
        " go out at once. Alerts on samples come that much later; 15 minutes late they are history. 0: no waiting.",
    )

    @field_validator("url")
    @classmethod
    def _known(cls, url: str) -> str:
        endpoint.broker(url)
        return url

    @model_validator(mode="after")
    def _safe(self) -> Self:
        check_exposed(endpoint.broker(self.url), insecure=self.insecure)
        check_certificate(self.cert_file, self.key_file)
        if not self.tls and (self.ca_file or self.cert_file):
            raise ValueError("certificates need mqtts://")
        if self.password.get_secret_value() and not self.username:
            raise ValueError("a password needs a username")
        return self

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return endpoint.broker(self.url).tls

    @property
    def host(self) -> str:
        """The broker's name or address."""
        return endpoint.broker(self.url).host

    @property
    def port(self) -> int:
        """The broker's port; 1883 or 8883 unless the URL says another."""
        return endpoint.broker(self.url).port
