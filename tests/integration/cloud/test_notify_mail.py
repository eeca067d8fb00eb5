"""E-mail to a real SMTP server."""

from __future__ import annotations

import asyncio
import email.policy
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from frostline_cloud.notify.receivers.mail import Mail, MailConfig
from frostline_cloud.notify.receivers.receiver import Attempt, Verdict
from frostline_cloud.notify.texts import Catalogue
from frostline_core.config import parse
from frostline_core.errors import ConfigError
from tests.support.notices import certificate, message
from tests.support.services import PATIENCE_S, SPARE_S, free_port

NOW_S = 1_769_860_800
TEXTS = Catalogue.read()
QUIET = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # it overlooks TLS from the start


class Post:
    """A mail server's mind: what it says to each address and to each message, and what it took."""

    def __init__(self) -> None:
        self.refuses: dict[str, str] = {}
        self.sender_says = self.data_says = ""
        self.taken: list[tuple[list[str], EmailMessage]] = []
        self.was_encrypted: list[bool] = []

    async def handle_MAIL(self, _server: SMTP, _: Session, envelope: Envelope, to: str, __: Any) -> str:  # noqa: N802
        envelope.mail_from = to
        return self.sender_says or "250 OK"

    async def handle_RCPT(self, _server: SMTP, _: Session, envelope: Envelope, to: str, __: Any) -> str:  # noqa: N802
        if to in self.refuses:
            return self.refuses[to]
        envelope.rcpt_tos.append(to)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.data_says:
            return self.data_says
        content = envelope.content
        assert isinstance(content, bytes)
        made = BytesParser(policy=email.policy.default).parsebytes(content)
        assert isinstance(made, EmailMessage)
        self.taken.append((list(envelope.rcpt_tos), made))
        assert server.transport is not None
        encrypted = session.ssl is not None or server.transport.get_extra_info("sslcontext") is not None
        self.was_encrypted.append(encrypted)
        return "250 OK"


class _Tls(Controller):
    """The controller's own test call speaks before TLS has begun; ours ends it after connecting."""

    def _trigger_server(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        address = (self.hostname, self.port)
        with socket.create_connection(address, PATIENCE_S) as raw, context.wrap_socket(raw) as connection:
            connection.recv(100)


@contextmanager
def serving(post: Post, *, tls: ssl.SSLContext | None = None, **keys: Any) -> Iterator[int]:
    """The server's port, while it runs."""
    port = free_port()
    kind = Controller if tls is None else _Tls
    server = kind(post, hostname="127.0.0.1", port=port, ssl_context=tls, ready_timeout=PATIENCE_S, **keys)
    server.start()
    try:
        yield port
    finally:
        server.stop()


def mail(port: int, **changes: Any) -> Mail:
    table = {"name": "desk", "type": "mail", "host": "127.0.0.1", "port": port, "security": "none"}
    people = {"sender": "Frostline <frostline@example.com>", "to": ["Ann <ann@example.com>", "bob@example.com"]}
    return Mail(parse({**table, **people, **changes}, MailConfig, "test"), TEXTS)


async def sent(port: int, *, about: dict[str, Any] | None = None, **changes: Any) -> Attempt:
    receiver = mail(port, **changes)
    attempt = await receiver.send(message(**(about or {})), NOW_S)
    await receiver.close()
    return attempt


@pytest.fixture
def post() -> Post:
    return Post()


async def test_an_alert_is_a_mail_with_text_and_html(post: Post) -> None:
    with serving(post) as port:
        attempt = await sent(port, time_zone="Europe/Berlin")

    ((to, made),) = post.taken
    text, html = made.get_body(("plain",)), made.get_body(("html",))
    assert (attempt.verdict, attempt.status) == (Verdict.DELIVERED, 250)
    assert to == ["ann@example.com", "bob@example.com"]
    assert made["Subject"] == "[critical] fired: Freezer too warm - hamburg room-1"
    assert text is not None
    assert html is not None
    assert "Measured: -12.5 °C" in text.get_content()
    assert "Since: 2026-01-31 13:00 CET (12:00 UTC)" in text.get_content()
    assert "Measured: -12.5 °C" in html.get_content()
    assert made["Importance"] == "high"
    assert made["Auto-Submitted"] == "auto-generated"


async def test_the_mails_of_one_incident_are_one_thread(post: Post) -> None:
    with serving(post) as port:
        await sent(port)
        await sent(port, about={"id": "msg_2", "type": "alert.resolved"})

    first, second = (made for _, made in post.taken)
    assert first["References"] == second["References"] == "<incident.5f0d0000-0000-4000-8000-000000000001@example.com>"
    assert first["In-Reply-To"] == first["References"]
    assert (first["Message-ID"], second["Message-ID"]) == ("<msg_1@example.com>", "<msg_2@example.com>")


async def test_another_attempt_has_the_same_message_id(post: Post) -> None:
    with serving(post) as port:
        await sent(port)
        await sent(port)

    assert len({made["Message-ID"] for _, made in post.taken}) == 1


async def test_what_a_device_calls_itself_is_no_markup_and_no_header(post: Post) -> None:
    with serving(post) as port:
        series = {"device": "<script>x</script>\r\nBcc: eve@example.com"}
        await sent(port, about={"series": series})

    ((to, made),) = post.taken
    html = made.get_body(("html",))
    assert html is not None
    assert "<script>" not in html.get_content()
    assert made["Bcc"] is None
    assert to == ["ann@example.com", "bob@example.com"]


async def test_the_language_is_the_readers(post: Post) -> None:
    with serving(post) as port:
        await sent(port, language="zh-Hans", time_zone="Asia/Shanghai")

    ((_, made),) = post.taken
    text = made.get_body(("plain",))
    assert text is not None
    assert made["Subject"] == "[严重] 已触发\uff1aFreezer too warm - hamburg room-1"
    assert "开始时间\uff1a2026-01-31 20:00 CST (12:00 UTC)" in text.get_content()


@pytest.mark.parametrize(
    ("code", "verdict"), [("450 come back later", Verdict.RETRY), ("550 no such user", Verdict.REJECTED)]
)
async def test_refused_addresses_are_tried_again_or_not_as_the_server_says(
    post: Post, code: str, verdict: Verdict
) -> None:
    post.refuses = {"ann@example.com": code, "bob@example.com": code}
    with serving(post) as port:
        attempt = await sent(port)

    assert (attempt.verdict, attempt.status) == (verdict, int(code[:3]))
    assert "ann@example.com" in attempt.error


async def test_an_address_that_does_not_exist_does_not_stop_the_others(post: Post) -> None:
    post.refuses = {"ann@example.com": "550 no such user"}
    with serving(post) as port:
        attempt = await sent(port)

    assert attempt.verdict is Verdict.DELIVERED
    assert "ann@example.com 550" in attempt.error
    assert [to for to, _ in post.taken] == [["bob@example.com"]]


async def test_only_the_address_that_was_put_off_is_tried_again(post: Post) -> None:
    post.refuses = {"ann@example.com": "451 greylisted"}
    with serving(post) as port:
        receiver = mail(port)
        first = await receiver.send(message(), NOW_S)
        post.refuses = {}
        second = await receiver.send(message(), NOW_S)
        await receiver.close()

    assert (first.verdict, second.verdict) == (Verdict.RETRY, Verdict.DELIVERED)
    assert [to for to, _ in post.taken] == [["bob@example.com"], ["ann@example.com"]]


@pytest.mark.parametrize(
    ("says", "verdict"),
    [
        ({"data_says": "554 rejected as spam"}, Verdict.REJECTED),
        ({"data_says": "452 disk full"}, Verdict.RETRY),
        ({"sender_says": "553 not your address"}, Verdict.REJECTED),
        ({"sender_says": "421 too busy"}, Verdict.RETRY),
    ],
)
async def test_4xx_is_tried_again_and_5xx_is_final(post: Post, says: dict[str, str], verdict: Verdict) -> None:
    for name, value in says.items():
        setattr(post, name, value)
    with serving(post) as port:
        attempt = await sent(port)

    assert attempt.verdict is verdict
    assert str(attempt.status) in next(iter(says.values()))


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"), "localhost")


@pytest.fixture
def context(pem: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pem)
    return made


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text("open sesame")
    return file


def change(file: Path, text: str) -> None:
    file.write_text(text)


def _login(_server: SMTP, _: Session, _envelope: Envelope, _mechanism: str, given: Any) -> AuthResult:
    known = isinstance(given, LoginPassword) and given.password == b"open sesame"
    return AuthResult(success=known, handled=False)


@pytest.fixture(params=["starttls", "tls"])
def secured(request: pytest.FixtureRequest, context: ssl.SSLContext) -> Callable[[Post], AbstractContextManager[int]]:
    """A server that takes mail over TLS and after log-in only."""

    def serve(post: Post) -> AbstractContextManager[int]:
        tls: dict[str, Any] = {"tls": context, "auth_require_tls": False}
        starttls: dict[str, Any] = {"tls_context": context, "require_starttls": True}
        keys = tls if request.param == "tls" else starttls
        return serving(post, authenticator=_login, auth_required=True, **keys)

    return serve


@pytest.fixture
def how(request: pytest.FixtureRequest, pem: Path, password: Path) -> dict[str, Any]:
    security = request.getfixturevalue("secured") and request.node.callspec.params["secured"]
    login = {"username": "frostline", "password": f"${{file:{password}}}"}
    return {"security": security, "ca_file": str(pem), **login}


@QUIET
async def test_mail_goes_over_tls_and_after_log_in(
    post: Post, secured: Callable[[Post], AbstractContextManager[int]], how: dict[str, Any]
) -> None:
    with secured(post) as port:
        attempt = await sent(port, **how)

    assert attempt == Attempt(Verdict.DELIVERED, 250)
    assert post.was_encrypted == [True]


@QUIET
async def test_a_wrong_password_is_tried_again_since_a_person_mends_it(
    post: Post, secured: Callable[[Post], AbstractContextManager[int]], how: dict[str, Any], password: Path
) -> None:
    change(password, "guess")
    with secured(post) as port:
        attempt = await sent(port, **how)

    assert (attempt.verdict, attempt.status) == (Verdict.RETRY, 535)
    assert "guess" not in attempt.error


@QUIET
async def test_a_certificate_that_nobody_vouches_for_is_refused(
    post: Post, secured: Callable[[Post], AbstractContextManager[int]], how: dict[str, Any]
) -> None:
    with secured(post) as port:
        attempt = await sent(port, **{**how, "ca_file": None})

    assert attempt.verdict is Verdict.RETRY
    assert "CERTIFICATE_VERIFY_FAILED" in attempt.error
    assert post.taken == []


async def test_a_server_without_starttls_gets_nothing(post: Post, pem: Path) -> None:
    with serving(post) as port:
        attempt = await sent(port, security="starttls", ca_file=str(pem))

    assert attempt.verdict is Verdict.RETRY
    assert post.taken == []


async def test_a_server_that_says_nothing_takes_no_longer_than_the_time_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        attempt = await sent(silent.getsockname()[1], timeout_s=0.3)

    assert attempt.verdict is Verdict.RETRY


async def test_a_server_that_answers_a_letter_at_a_time_takes_no_longer_than_the_time_out() -> None:
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_S)

        def drip() -> None:
            connection, _ = server.accept()
            with connection, suppress(ConnectionError):  # the sender has hung up, as it should
                while not over.wait(0.05):
                    connection.sendall(b"2")

        dripping = threading.Thread(target=drip)
        dripping.start()
        began = asyncio.get_running_loop().time()
        try:
            attempt = await sent(server.getsockname()[1], timeout_s=2)
            took = asyncio.get_running_loop().time() - began
        finally:
            over.set()
            dripping.join()

    assert attempt.error == "no answer within 2 s"
    assert took < 2 + SPARE_S


async def test_nobody_at_the_address_is_worth_a_retry() -> None:
    assert (await sent(free_port())).verdict is Verdict.RETRY


@pytest.mark.parametrize(
    "change",
    [
        {"security": "none", "host": "mail.example.com"},
        {"username": "frostline"},
        {"sender": "nobody"},
        {"sender": "Frostline <f@example.com>\nBcc: eve@example.com"},
        {"to": []},
        {"time_zone": "Mars/Base"},
        {"budget": {"per_hour": 0}},
    ],
)
def test_a_receiver_without_sense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="test"):
        mail(25, **change)


def test_a_language_without_texts_is_refused() -> None:
    with pytest.raises(ConfigError, match="no texts in zh-Hand"):
        mail(25, language="zh-Hand")
