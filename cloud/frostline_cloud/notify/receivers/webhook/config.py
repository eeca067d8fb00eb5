"""The config of a webhook receiver."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from frostline_cloud.notify.receivers.settings import ReceiverSettings


def _as_list(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class WebhookConfig(ReceiverSettings):
    """A `[[receiver]]` table with `type = "webhook"`."""

    type: Literal["webhook"] = Field("webhook", description="The kind of receiver.")
    url: str = Field(
        max_length=2000,
        description="Where to POST. https; plain http only to addresses listed in `allow`.",
    )
    secret: Annotated[tuple[SecretStr, ...], BeforeValidator(_as_list)] = Field(
        min_length=1,
        max_length=5,
        description="`${env:NAME}` or `${file:/path}` of a whsec_ secret; a list while secrets are being changed.",
    )
    allow: tuple[str, ...] = Field(
        (),
        description="Private networks that the url may lead to, for example 10.1.0.0/16. Without it only public "
        "addresses are called, so that nobody can point Frostline at the inside of your network.",
    )
    ca_file: str | None = Field(
        None, description="PEM file of the authority that signed a private receiver's certificate."
    )

    @property
    def target(self) -> str:
        """Where it leads; another target is another chance for a receiver that was gone."""
        return self.url

    @field_validator("allow")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            ip_network(each)
        return value

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise ValueError("must be an https URL with a host")
        if parts.username or parts.password:
            raise ValueError("must not hold a user or a password: anybody who reads the config would have it")
        if parts.fragment:
            raise ValueError("must not have a fragment")
        _ = parts.port  # raises ValueError where it is no port
        return value

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme == "http" and not self._is_allowed(parts.hostname or ""):
            raise ValueError("url: plain http only to addresses listed in `allow`; use https")
        return self

    def _is_allowed(self, host: str) -> bool:
        """Whether the host may be among the allowed networks; names are looked up at each attempt."""
        try:
            address = ip_address(host)
        except ValueError:
            return bool(self.allow)
        return any(address in ip_network(each) for each in self.allow)
