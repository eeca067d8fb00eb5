"""Sends one e-mail, once, on a thread of its own, within its time."""

from __future__ import annotations

import asyncio
import json
import smtplib
import ssl
import time
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Final

from frostline_cloud.notify.receivers.mail.config import MailConfig, Security
from frostline_cloud.notify.receivers.mail.letter import letter
from frostline_cloud.notify.receivers.receiver import Attempt, Message, Verdict
from frostline_cloud.notify.texts import Catalogue
from frostline_core.config import secret
from frostline_core.errors import ConfigError

THREADS: Final = 4
_SHOWN_CHARACTERS: Final = 200
_REMEMBERED: Final = 1000
"""Messages that reached some addresses and not others; beyond, the oldest may reach the former twice."""


class Mail:
    """An e-mail receiver.

    4xx and every trouble of the connection are worth a retry, and so is a refused log-in: a person mends it, and the
    alert must not be lost by then. 5xx to the sender, to every address, or to the message is final. Where the server
    takes some addresses and not others, only the others are tried again.

    Raises:
        ConfigError: The password or the `ca_file` cannot be used, or there are no texts in the language.
    """

    def __init__(self, config: MailConfig, texts: Catalogue) -> None:
        source = f"receiver '{config.name}'"
        self.name = config.name
        self.types = tuple(each.value for each in config.types)
        self.severities = tuple(each.value for each in config.severities)
        self.timeout_s = config.timeout_s
        texts.check(config.language, source)
        self._config, self._texts = config, texts
        self._password = "" if config.password is None else secret(config.password, source)
        self._trust = _trust(config, source)
        self._threads = ThreadPoolExecutor(THREADS, f"mail {config.name}")
        self._reached: OrderedDict[str, set[str]] = OrderedDict()

    async def send(self, message: Message, now_s: int) -> Attempt:
        """Tries once."""
        body = json.loads(message.body)
        text = self._texts.render(body, self.name, self._config.language, self._config.time_zone)
        made = letter(text, body, self._config, now_s)
        todo = [each for each in self._addresses() if each not in self._reached.get(message.id, ())]
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.timeout_s):
                refused = await loop.run_in_executor(self._threads, self._submit, made, todo)
        except TimeoutError:
            return Attempt(Verdict.RETRY, error=f"no answer within {self.timeout_s:g} s")
        except smtplib.SMTPRecipientsRefused as error:
            refused = error.recipients
        except smtplib.SMTPResponseException as error:
            return _refused(error)
        except (smtplib.SMTPException, OSError) as error:  # TLS errors are OSErrors
            return Attempt(Verdict.RETRY, error=f"{type(error).__name__}: {error}"[:_SHOWN_CHARACTERS])
        return self._judge(message.id, todo, refused)

    async def close(self) -> None:
        """Lets go of the threads; what they do ends by itself within its time."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _addresses(self) -> list[str]:
        return [parseaddr(each)[1] for each in self._config.to]

    def _submit(self, made: EmailMessage, to: list[str]) -> Mapping[str, tuple[int, bytes]]:
        """One SMTP session; returns the addresses that were refused, if not all were."""
        until = time.monotonic() + self.timeout_s
        host, port = self._config.address
        session: smtplib.SMTP
        if self._config.security is Security.TLS:
            session = smtplib.SMTP_SSL(host, port, timeout=self.timeout_s, context=self._trust)
        else:
            session = smtplib.SMTP(host, port, timeout=self.timeout_s)
        with session:
            self._shorten(session, until)
            if self._config.security is Security.STARTTLS:
                session.starttls(context=self._trust)
            if self._config.username:
                session.login(self._config.username, self._password)
            self._shorten(session, until)
            return session.send_message(made, parseaddr(self._config.sender)[1], to)

    @staticmethod
    def _shorten(session: smtplib.SMTP, until: float) -> None:
        """Gives each answer only what is left of the whole time."""
        if session.sock is not None:
            session.sock.settimeout(max(0.1, until - time.monotonic()))

    def _judge(self, message_id: str, tried: list[str], refused: Mapping[str, tuple[int, bytes]]) -> Attempt:
        """What follows from the addresses that were refused."""
        if not refused:
            self._reached.pop(message_id, None)
            return Attempt(Verdict.DELIVERED, 250)
        said = "; ".join(f"{address} {code} {_excerpt(text)}" for address, (code, text) in refused.items())
        error = f"refused: {said}"[:_SHOWN_CHARACTERS]
        code = max(code for code, _ in refused.values())
        reached = self._reached.get(message_id, set()) | {each for each in tried if each not in refused}
        if any(code < 500 for code, _ in refused.values()):
            self._reached[message_id] = reached | {each for each, (code, _) in refused.items() if code >= 500}
            while len(self._reached) > _REMEMBERED:
                self._reached.popitem(last=False)
            return Attempt(Verdict.RETRY, code, error)
        self._reached.pop(message_id, None)
        return Attempt(Verdict.DELIVERED if reached else Verdict.REJECTED, code, error)


def _refused(error: smtplib.SMTPResponseException) -> Attempt:
    final = error.smtp_code >= 500 and isinstance(error, smtplib.SMTPSenderRefused | smtplib.SMTPDataError)
    shown = f"SMTP {error.smtp_code} {_excerpt(error.smtp_error)}"
    return Attempt(Verdict.REJECTED if final else Verdict.RETRY, error.smtp_code, shown)


def _excerpt(said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return "".join(c if c.isprintable() else " " for c in text)[:_SHOWN_CHARACTERS].strip()


def _trust(config: MailConfig, source: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if config.ca_file is None else str(config.ca_file))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{source}: ca_file {config.ca_file}: {error}") from error
