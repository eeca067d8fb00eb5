"""The `[http]` table of cloud.toml."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator, model_validator

from frostline_core.config import ConfigModel
from frostline_core.endpoint import check_certificate, is_loopback


class HttpConfig(ConfigModel):
    """Where API and console listen, and who may use them."""

    listen: str = Field(
        default="127.0.0.1:8080",
        description="Address and port; beyond loopback use cert_file or a proxy with TLS. Port 0 takes a free one.",
    )
    cert_file: Path | None = Field(
        default=None, description="Our certificate (PEM), for HTTPS without a proxy in front; with key_file."
    )
    key_file: Path | None = Field(default=None, description="Its private key (PEM).")
    demo_open: bool = Field(
        default=False,
        description="Let everybody on this machine in as operator, without a token; only where listen is loopback.",
    )
    session_hours: float = Field(default=12.0, description="How long a log-in to the console lasts.", gt=0, le=24 * 30)
    stale_after_s: float = Field(
        default=600.0,
        description="A value older than this is shown as stale; twice the longest silence that a gateway keeps.",
        ge=1,
    )

    @field_validator("listen")
    @classmethod
    def _address(cls, value: str) -> str:
        host, port = _split(value)
        if not host or not port.isdecimal() or int(port) > 65535:
            raise ValueError("listen is host:port, for example 127.0.0.1:8080 or [::]:8080")
        return value

    @model_validator(mode="after")
    def _closed(self) -> HttpConfig:
        if self.demo_open and not self.loopback:
            raise ValueError(f"demo_open needs a loopback address, and {self.listen} is reachable from the network")
        check_certificate(self.cert_file, self.key_file)
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Host (without brackets) and port."""
        host, port = _split(self.listen)
        return host, int(port)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach us."""
        return is_loopback(self.address[0])


def _split(listen: str) -> tuple[str, str]:
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), port
