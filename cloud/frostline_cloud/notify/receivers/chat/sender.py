"""Sends one chat message, once, through Apprise on a thread of its own."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, Final

from frostline_cloud.notify.receivers.chat.answers import Ear
from frostline_cloud.notify.receivers.chat.config import SCHEMES, ChatConfig
from frostline_cloud.notify.receivers.chat.fit import fitted
from frostline_cloud.notify.receivers.chat.limits import LIMITS
from frostline_cloud.notify.receivers.receiver import Attempt, Message, Verdict
from frostline_cloud.notify.texts import Catalogue
from frostline_core.config import secret
from frostline_core.errors import ConfigError

THREADS: Final = 4
_CONNECT_S: Final = 3.0
_SHOWN_CHARACTERS: Final = 200
_SECRET_PART: Final = re.compile(r"[A-Za-z0-9_%-]{8,}")


class Chat:
    """A chat receiver.

    Success is what Apprise calls success and the service's own answer does not deny. 410 is gone; everything else is
    worth a retry. Redirects are not followed.

    Raises:
        ConfigError: Apprise is not installed, the URL is not one of that service, or there are no texts in the
            language.
    """

    def __init__(self, config: ChatConfig, texts: Catalogue) -> None:
        source = f"receiver '{config.name}'"
        self.name = config.name
        self.types = tuple(each.value for each in config.types)
        self.severities = tuple(each.value for each in config.severities)
        self.timeout_s = config.timeout_s
        texts.check(config.language, source)
        self._config, self._texts = config, texts
        url = secret(config.url, source)
        self._secrets = sorted(set(_SECRET_PART.findall(url)), key=len, reverse=True)
        self._ear = Ear()
        self._plugin = _plugin(config, url, source)
        self._ear.listen(type(self._plugin).__module__)
        self._threads = ThreadPoolExecutor(THREADS, f"chat {config.name}")

    async def send(self, message: Message, now_s: int) -> Attempt:
        """Tries once."""
        body = json.loads(message.body)
        full = self._texts.render(body, self.name, self._config.language, self._config.time_zone)
        limit, words = LIMITS[self._config.service], self._texts.words[self._config.language]
        text = fitted(full, limit.text_bytes, words["left_out"], limit.size)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.timeout_s):
                return await loop.run_in_executor(self._threads, self._submit, text.subject, text.body)
        except TimeoutError:
            return Attempt(Verdict.RETRY, error=f"no answer within {self.timeout_s:g} s")

    async def close(self) -> None:
        """Lets go of the threads; what they do ends by itself within its time."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _submit(self, subject: str, body: str) -> Attempt:
        self._ear.forget()
        try:
            sent = bool(self._plugin.notify(body=body, title=subject, body_format="text"))
        except (TypeError, OSError, RecursionError) as error:  # the last: of an answer that the library reads
            return Attempt(Verdict.RETRY, error=self._clean(f"{type(error).__name__}: {error}"))
        answer = self._ear.newest
        if answer is None:
            return Attempt(Verdict.DELIVERED) if sent else Attempt(Verdict.RETRY, error="no connection, or no answer")
        if answer.status == HTTPStatus.GONE:
            return Attempt(Verdict.GONE, answer.status, "410: the chat wants nothing any more")
        fault = answer.fault
        if sent and not fault:
            return Attempt(Verdict.DELIVERED, answer.status)
        said = fault or answer.body[:_SHOWN_CHARACTERS].decode("utf-8", "replace")
        return Attempt(Verdict.RETRY, answer.status, self._clean(f"HTTP {answer.status} {said}"))

    def _clean(self, text: str) -> str:
        """Without the URL's secrets, on one line."""
        for each in self._secrets:
            text = text.replace(each, "***")
        return "".join(c if c.isprintable() else " " for c in text)[:_SHOWN_CHARACTERS].strip()


def _plugin(config: ChatConfig, url: str, source: str) -> Any:
    try:
        import apprise  # optional, and heavy: only who chats needs it
    except ImportError as error:
        raise ConfigError(
            f"{source}: chat needs the library Apprise; install it with: pip install 'frostline[chat]'"
        ) from error
    made = apprise.Apprise.instantiate(url, asset=apprise.AppriseAsset(http_redirects=False, secure_logging=True))
    schemes = SCHEMES[config.service]
    if made is None or not _has_scheme(made, schemes):
        raise ConfigError(f"{source}: the URL is none of {config.service}; it begins with {schemes[0]}://")
    made.socket_connect_timeout = min(_CONNECT_S, config.timeout_s / 2)
    made.socket_read_timeout = config.timeout_s
    made.request_rate_per_sec = 0  # it would sleep between messages; the receiver's budget is what limits them
    return made


def _has_scheme(plugin: Any, schemes: Sequence[str]) -> bool:
    """By the plug-in, since Apprise also understands the services' own https URLs."""
    known = plugin.secure_protocol
    return bool(set([known] if isinstance(known, str) else known) & set(schemes))
