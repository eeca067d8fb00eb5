"""Where a server is: URLs of brokers and databases, checked once and alike wherever a config holds one. Pure.

Faults are ValueErrors, which a config model turns into the message that names file and key.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

BROKER: Final[Mapping[str, int]] = MappingProxyType({"mqtts": 8883, "mqtt": 1883})
"""Schemes of a broker and their ports (IANA: secure-mqtt, mqtt)."""

WEB: Final[Mapping[str, int]] = MappingProxyType({"https": 443, "http": 80})
"""Schemes of a server that speaks HTTP, and their ports."""

_ENCRYPTED: Final = ("mqtts", "https")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server on the network.

    Attributes:
        scheme: `mqtt`, `mqtts`, `http` or `https`.
        host: Name or address, without brackets.
        port: As the URL says, or the scheme's own.
    """

    scheme: str
    host: str
    port: int

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme in _ENCRYPTED

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port

    @property
    def exposed(self) -> bool:
        """Whether others can read what is said: it is not encrypted and leaves this machine."""
        return not self.tls and not is_loopback(self.host)


def broker(url: str) -> Endpoint:
    """The broker behind mqtts://host[:port] or mqtt://host[:port].

    Raises:
        ValueError: It is no such URL, or holds more: user and password have keys of their own.
    """
    return _bare(url, "a broker", BROKER)


def database(url: str, what: str) -> Endpoint:
    """The server behind https://host[:port][/path] or http://...; `what` begins the message.

    Raises:
        ValueError: It is no such URL, or holds a user or password.
    """
    return _parsed(url, what, WEB)


def check_exposed(endpoint: Endpoint, *, insecure: bool) -> None:
    """Refuses plain text across a network, unless somebody has said that it is wanted.

    Raises:
        ValueError: Others can read what is said.
    """
    if endpoint.exposed and not insecure:
        raise ValueError(
            f"{endpoint.scheme}:// to {endpoint.host}, another machine, can be read by everybody on the way: "
            f"use {endpoint.scheme}s://, or say insecure = true"
        )


def check_certificate(cert_file: object, key_file: object) -> None:
    """A certificate is of use only with its key.

    Raises:
        ValueError: One is there without the other.
    """
    if (cert_file is None) is not (key_file is None):
        raise ValueError("cert_file and key_file go together")


def is_loopback(host: str) -> bool:
    """Whether a host name or address, with or without brackets, is this machine for sure."""
    name = host.strip("[]")
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _bare(url: str, what: str, schemes: Mapping[str, int]) -> Endpoint:
    endpoint, parts = _parsed(url, what, schemes), urlsplit(url)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"the URL of {what} has neither path, query nor fragment")
    return endpoint


def _parsed(url: str, what: str, schemes: Mapping[str, int]) -> Endpoint:
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.hostname or any(each.isspace() for each in url):
        forms = " or ".join(f"{scheme}://host[:port]" for scheme in schemes)
        raise ValueError(f"{what} is {forms}")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"the URL of {what} has neither user nor password: others read configs; use their own keys")
    try:
        port = parts.port
    except ValueError as error:
        raise ValueError(f"the port of {what} is a number from 1 to 65535") from error
    if port == 0:
        raise ValueError(f"the port of {what} is a number from 1 to 65535")
    return Endpoint(parts.scheme, parts.hostname, port or schemes[parts.scheme])
