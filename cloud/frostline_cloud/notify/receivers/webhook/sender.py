"""Sends one webhook, once: resolved, pinned, signed, without redirects, within its time and size."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from importlib.metadata import version
from ipaddress import IPv6Address, ip_network
from typing import Final

import httpx

from frostline_cloud.notify.receivers.receiver import Attempt, Message, Verdict
from frostline_cloud.notify.receivers.webhook.address import Address, Lookup, resolve, system_lookup
from frostline_cloud.notify.receivers.webhook.config import WebhookConfig
from frostline_cloud.notify.receivers.webhook.signature import key, sign
from frostline_core.config import secret
from frostline_core.errors import ConfigError, UnavailableError

MOST_ANSWER_BYTES: Final = 256 * 1024
"""What a receiver says of a failure is read up to here; what lies beyond is not waited for."""

_SHOWN_CHARACTERS: Final = 200
_CONNECT_S: Final = 3.0  # leaves time for the next address
_CONNECTING = (httpx.ConnectError, httpx.ConnectTimeout)


class Webhook:
    """A webhook receiver. One client with at most ten connections; `close` ends it.

    Raises:
        ConfigError: A secret or the `ca_file` cannot be used.
    """

    def __init__(self, config: WebhookConfig, lookup: Lookup = system_lookup) -> None:
        source = f"receiver '{config.name}'"
        self.name = config.name
        self.types = tuple(each.value for each in config.types)
        self.severities = tuple(each.value for each in config.severities)
        self.timeout_s = config.timeout_s
        self._keys = [key(secret(each, source), source) for each in config.secret]
        self._allow = [ip_network(each) for each in config.allow]
        self._url = _url(config.url, source)
        self._lookup = lookup
        self._client = httpx.AsyncClient(
            verify=_trust(config.ca_file, source),
            timeout=httpx.Timeout(config.timeout_s, connect=min(_CONNECT_S, config.timeout_s / 2)),
            limits=httpx.Limits(max_connections=10, max_keepalive_connections=2),
            follow_redirects=False,
            trust_env=False,  # a proxy would look the name up again
            headers={"user-agent": f"frostline/{version('frostline')}"},
        )

    async def send(self, message: Message, now_s: int) -> Attempt:
        """Tries once.

        2xx is delivered and 410 is gone. Everything else is worth a retry: even 401 or 404 is often a receiver that is
        being mended, and giving up at once would lose an alert that people wait for.
        """
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self._send(message, now_s)
        except TimeoutError:
            return Attempt(Verdict.RETRY, error=f"no answer within {self.timeout_s:g} s")
        except UnavailableError as error:
            return Attempt(Verdict.RETRY, error=str(error))
        except (httpx.HTTPError, ssl.SSLError, OSError) as error:
            return Attempt(Verdict.RETRY, error=f"{type(error).__name__}: {error}"[:_SHOWN_CHARACTERS])

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def _send(self, message: Message, now_s: int) -> Attempt:
        port = self._url.port or (443 if self._url.scheme == "https" else 80)
        allow = self._allow
        addresses = await resolve(self._url.host, port, allow, self._lookup)
        if self._url.scheme == "http":
            addresses = [each for each in addresses if any(each in network for network in allow)]
        if not addresses:
            raise UnavailableError(f"{self._url.host}: plain http only to addresses listed in `allow`")
        body = message.body.encode()
        headers = sign(message.id, now_s, body, self._keys) | {"content-type": "application/json"}
        return await self._first(addresses, headers, body)

    async def _first(self, addresses: Sequence[Address], headers: dict[str, str], body: bytes) -> Attempt:
        """Sends to the first address that takes a connection."""
        for address in addresses[:-1]:
            try:
                return await self._post(address, headers, body)
            except _CONNECTING:
                continue
        return await self._post(addresses[-1], headers, body)

    async def _post(self, address: Address, headers: dict[str, str], body: bytes) -> Attempt:
        """Sends to that address, with the name in Host and in TLS."""
        host = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
        pinned = self._url.copy_with(host=host)
        named = headers | {"host": self._url.netloc.decode("ascii")}
        extensions = {"sni_hostname": self._url.host}
        async with self._client.stream("POST", pinned, content=body, headers=named, extensions=extensions) as answer:
            if answer.is_success:  # delivered, whatever follows
                return Attempt(Verdict.DELIVERED, answer.status_code)
            if answer.status_code == HTTPStatus.GONE:
                return Attempt(Verdict.GONE, answer.status_code, "410: the receiver wants nothing any more")
            said = await _read(answer)
        return Attempt(Verdict.RETRY, answer.status_code, _excerpt(answer.status_code, said), _retry_after_s(answer))


async def _read(answer: httpx.Response) -> bytes:
    said = b""
    async for part in answer.aiter_raw():
        said += part
        if len(said) > MOST_ANSWER_BYTES:
            break
    return said[:MOST_ANSWER_BYTES]


def _excerpt(status: int, said: bytes) -> str:
    text = said[:_SHOWN_CHARACTERS].decode("utf-8", "replace")
    return f"HTTP {status} {''.join(c if c.isprintable() else ' ' for c in text)}".strip()


def _retry_after_s(answer: httpx.Response) -> float | None:
    """Seconds; or a date, which is measured against the answer's own Date (RFC 9110 section 10.2.3)."""
    given = answer.headers.get("retry-after", "").strip()
    if given.isascii() and given.isdigit() and len(given) < 10:
        return float(given)
    try:
        until, now = (parsedate_to_datetime(text) for text in (given, answer.headers.get("date", "")))
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):
        return None


def _url(text: str, source: str) -> httpx.URL:
    try:
        return httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ConfigError(f"{source}: url: {error}") from error


def _trust(ca_file: str | None, source: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{source}: ca_file {ca_file}: {error}") from error
