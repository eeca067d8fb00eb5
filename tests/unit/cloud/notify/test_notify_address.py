"""Where webhooks may be sent."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

import pytest

from frostline_cloud.notify.receivers.webhook.address import Lookup, RefusedError, refusal, resolve, system_lookup
from frostline_core.errors import UnavailableError

REFUSED = [
    "127.0.0.1",
    "127.255.0.3",
    "0.0.0.0",  # noqa: S104 - looked at, not bound
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
]


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_inside_is_refused(address: str) -> None:
    assert refusal(ip_address(address), []) is not None


@pytest.mark.parametrize("address", ["1.1.1.1", "172.32.0.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_a_public_address_may_be_called(address: str) -> None:
    assert refusal(ip_address(address), []) is None


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3"])
def test_a_private_address_may_be_called_where_the_config_allows_it(address: str) -> None:
    assert refusal(ip_address(address), [ip_network("10.1.0.0/16")]) is None


def test_allowing_one_network_allows_no_other() -> None:
    assert refusal(ip_address("10.2.0.1"), [ip_network("10.1.0.0/16")]) == "a private address"


def answering(*addresses: str) -> Lookup:
    async def lookup(host: str, port: int) -> Sequence[str]:
        return addresses

    return lookup


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["::1", "127.0.0.1"], ["fe80::1%eth0"]])
async def test_a_name_that_leads_inside_is_refused(addresses: list[str]) -> None:
    with pytest.raises(RefusedError, match=r"hooks\.example leads to"):
        await resolve("hooks.example", 443, [], answering(*addresses))


async def test_of_several_addresses_only_the_public_ones_are_called() -> None:
    found = await resolve("hooks.example", 443, [], answering("10.0.0.1", "1.1.1.1", "1.1.1.1", "169.254.169.254"))

    assert found == [ip_address("1.1.1.1")]


async def test_a_name_with_very_many_addresses_is_not_tried_at_all_of_them() -> None:
    found = await resolve("hooks.example", 443, [], answering(*(f"1.1.1.{n}" for n in range(1, 99))))

    assert len(found) == 4


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "::1", "localhost"])
async def test_loopback_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises(RefusedError):
        await resolve(host, 80, [], system_lookup)


@pytest.mark.parametrize("host", ["x" * 70 + ".example", "a..b"])
async def test_a_name_that_is_none_is_unavailable(host: str) -> None:
    with pytest.raises(UnavailableError, match="cannot be looked up"):
        await resolve(host, 80, [], system_lookup)


async def test_a_name_without_an_address_is_unavailable() -> None:
    with pytest.raises(UnavailableError, match="has no address"):
        await resolve("hooks.example", 443, [], answering())
