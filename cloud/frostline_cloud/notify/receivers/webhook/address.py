"""Which addresses a webhook may be sent to: public ones, and private ones that the config allows by name.

A webhook URL is an instruction to this server to send a request, so a URL that leads inside (loopback, the office
network, a cloud's metadata service) must not work by accident or by malice. The name is looked up once and the
connection goes to that very address, so that a second look-up cannot lead elsewhere.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from frostline_core.errors import UnavailableError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to addresses as text, best first."""

MOST_ADDRESSES = 4
"""More addresses of one name are not tried."""

_NAT64 = ip_network("64:ff9b::/96")
_REFUSED: tuple[tuple[Network, str], ...] = (
    (ip_network("168.63.129.16/32"), "a metadata address"),  # Azure's wire server is a public address
    (ip_network("192.0.0.0/24"), "a reserved address"),  # RFC 6890; older Pythons know only its first eight
    (ip_network("64:ff9b:1::/48"), "a translated private address"),  # RFC 8215
    (ip_network("fec0::/10"), "a site-local address"),  # RFC 3879
)


class RefusedError(UnavailableError):
    """The name leads to an address that must not be called."""


async def system_lookup(host: str, port: int) -> Sequence[str]:
    """The system's resolver; it also reads `2130706433` and `0x7f.1` as the addresses that they are."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


async def resolve(host: str, port: int, allow: Sequence[Network], lookup: Lookup = system_lookup) -> list[Address]:
    """The addresses of a host that may be called, at most four.

    Raises:
        UnavailableError: The name is not known.
        RefusedError: Every address of it is refused; the message says why.
    """
    try:
        texts = await lookup(host, port)
    except (OSError, UnicodeError) as error:
        raise UnavailableError(f"{host}: cannot be looked up: {error}") from error
    addresses = list(dict.fromkeys(ip_address(text.partition("%")[0]) for text in texts))
    allowed = [address for address in addresses if refusal(address, allow) is None]
    if addresses and not allowed:
        raise RefusedError(f"{host} leads to {addresses[0]}, {refusal(addresses[0], allow)}; see `allow`")
    if not allowed:
        raise UnavailableError(f"{host}: has no address")
    return allowed[:MOST_ADDRESSES]


def refusal(address: Address, allow: Sequence[Network]) -> str | None:
    """Why an address must not be called; None if it may be."""
    if any(address in network for network in allow):
        return None
    inner = _inner(address)
    if inner is not None:
        return refusal(inner, allow)
    for network, why in _REFUSED:
        if address in network:
            return why
    return _kind(address)


def _kind(address: Address) -> str | None:
    kinds = (
        (address.is_loopback, "a loopback address"),
        (address.is_link_local, "a link-local address"),
        (address.is_multicast, "a multicast address"),
        (address.is_unspecified, "no address"),
        (address.is_private, "a private address"),
        (address.is_reserved or not address.is_global, "a reserved address"),
    )
    return next((why for found, why in kinds if found), None)


def _inner(address: Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for: mapped, 6to4, Teredo, NAT64."""
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.teredo is not None:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour
