"""The config of an e-mail receiver."""

from __future__ import annotations

from email.headerregistry import Address
from email.utils import parseaddr
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from frostline_cloud.notify.receivers.settings import PeopleSettings
from frostline_core.endpoint import is_loopback


class Security(StrEnum):
    """How the connection to the mail server is protected.

    STARTTLS: it begins in clear and must switch (port 587). TLS: from the first byte (port 465). NONE: in clear.
    """

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


_PORTS = {Security.STARTTLS: 587, Security.TLS: 465, Security.NONE: 25}


def _mailbox(value: str) -> str:
    _, address = parseaddr(value)
    user, at, domain = address.rpartition("@")
    if not (user and at and domain) or any(c.isspace() for c in address) or any(ord(c) < 32 for c in value):
        raise ValueError("must be a mail address, for example Frostline <frostline@example.com>")
    Address(addr_spec=address)  # raises ValueError subclasses where it is none
    return value


Mailbox = Annotated[str, Field(max_length=300), AfterValidator(_mailbox)]


class MailConfig(PeopleSettings):
    """A `[[receiver]]` table with `type = "mail"`."""

    type: Literal["mail"] = Field(description="The kind of receiver.")
    host: str = Field(min_length=1, max_length=253, description="The mail server that takes our messages.")
    port: int | None = Field(None, ge=1, le=65535, description="587 for starttls, 465 for tls, 25 for none.")
    security: Security = Field(
        Security.STARTTLS, description="starttls, tls, or none (only on loopback, or with insecure = true)."
    )
    insecure: bool = Field(False, description="Allow security = none across a network; only for a closed test bench.")
    ca_file: Path | None = Field(None, description="PEM file of the authority that signed the server's certificate.")
    username: str = Field("", max_length=300, description="Empty: no log-in.")
    password: SecretStr | None = Field(None, description="`${env:NAME}` or `${file:/path}`.")
    sender: Mailbox = Field(description="Who it comes from.")
    to: tuple[Mailbox, ...] = Field(min_length=1, max_length=50, description="Who it goes to.")
    timeout_s: float = Field(30.0, gt=0, le=60, description="The longest that one attempt may take, in seconds.")

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if bool(self.username) != bool(self.password):
            raise ValueError("username and password belong together")
        if self.security is Security.NONE and not (self.insecure or is_loopback(self.host)):
            raise ValueError("security = none sends mail and password in clear; use starttls or tls")
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the server."""
        return self.host, self.port or _PORTS[self.security]

    @property
    def target(self) -> str:
        """Where it leads; another target is another chance for a receiver that was gone."""
        return f"{self.host} {' '.join(self.to)}"
