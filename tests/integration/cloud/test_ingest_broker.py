"""The broker connection of ingest against a real mosquitto: messages, TLS, refusals, restarts, silence."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from frostline_cloud.check import findings
from frostline_cloud.config import CloudConfig, RulesConfig
from frostline_cloud.ingest.broker import Broker, Connected, Disconnected, Incoming
from frostline_cloud.ingest.config import BrokerConfig
from frostline_cloud.sql import SqlConfig
from frostline_cloud.store.config import StoreConfig
from tests.support.proxy import TcpProxy
from tests.support.services import PATIENCE_S, Mosquitto, binary

WILL = ("spBv1.0/STATE/test", b"will")


class Heard:
    """A broker connection with all that it ever brought."""

    def __init__(self, config: BrokerConfig, most: int = 10_000) -> None:
        self.wills = 0
        self.broker = Broker(config, self._will, most, 1 << 24)
        self.items: list[Incoming] = []
        self.broker.start()

    def _will(self) -> tuple[str, bytes]:
        self.wills += 1
        return WILL

    def until(self, done: Callable[[], object], wait_s: float = PATIENCE_S, most: int = 1000) -> None:
        """Takes until something is so."""
        until = time.monotonic() + wait_s
        while not done():
            assert time.monotonic() < until, self.items[-3:]
            self.items += self.broker.take(0.05, most)

    def count(self, kind: type[Incoming]) -> int:
        return sum(isinstance(item, kind) for item in self.items)

    def messages(self) -> list[tuple[str, bytes]]:
        return [item for item in self.items if isinstance(item, tuple)]

    def session(self, topic: str = "t/#") -> None:
        """Waits for a further session, and subscribes with QoS 1."""
        sessions = self.count(Connected)
        self.until(lambda: self.count(Connected) > sessions)
        self.broker.subscribe([(topic, 1)])


def config_of(host: str, port: int, **more: object) -> BrokerConfig:
    return BrokerConfig.model_validate({"url": f"mqtt://{host}:{port}", "client_id": "test", **more})


@pytest.fixture
def heard(mosquitto: Mosquitto) -> Iterator[Heard]:
    subject = Heard(config_of(mosquitto.host, mosquitto.port))
    try:
        yield subject
    finally:
        subject.broker.stop()


def test_what_is_published_arrives_in_order_whatever_its_size_and_quality(heard: Heard) -> None:
    heard.session()
    sent = [("t/a", bytes([n % 256]) * size) for n, size in enumerate((0, 1, 125, 126, 127, 20_000, 900_000, 3))]
    for n, (topic, payload) in enumerate(sent):
        assert heard.broker.publish(topic, payload, qos=n % 2)
    heard.until(lambda: len(heard.messages()) >= len(sent))
    assert heard.messages() == sent


def test_a_burst_comes_in_bulk_and_whole(heard: Heard) -> None:
    heard.session()
    for n in range(5_000):
        heard.broker.publish("t/n", str(n).encode())
    heard.until(lambda: len(heard.messages()) >= 5_000)
    assert [int(payload) for _, payload in heard.messages()] == list(range(5_000))


def test_what_is_published_with_quality_1_is_waited_for(heard: Heard) -> None:
    heard.session("last/#")
    heard.broker.publish_and_wait("last/words", b"goodbye", PATIENCE_S)
    heard.until(heard.messages)
    assert heard.messages() == [("last/words", b"goodbye")]


def test_above_its_bound_the_queue_drops_and_counts(mosquitto: Mosquitto) -> None:
    subject = Heard(config_of(mosquitto.host, mosquitto.port), most=100)
    try:
        subject.session()
        for n in range(500):
            subject.broker.publish("t/n", str(n).encode())
        subject.until(lambda: subject.broker.dropped >= 400, most=0)
        subject.until(lambda: len(subject.messages()) + subject.broker.dropped == 500)
        kept = [int(payload) for _, payload in subject.messages()]
        assert kept == list(range(len(kept)))
    finally:
        subject.broker.stop()


def test_without_a_session_nothing_is_published_or_kept(mosquitto: Mosquitto) -> None:
    subject = Heard(config_of(mosquitto.host, mosquitto.port))
    try:
        assert not subject.broker.publish("t/a", b"1")
        subject.session()
        subject.broker.publish("t/b", b"2")
        subject.until(subject.messages)
        assert subject.messages() == [("t/b", b"2")]
    finally:
        subject.broker.stop()


def test_a_restarted_broker_is_found_again_with_a_fresh_will(heard: Heard, mosquitto: Mosquitto) -> None:
    heard.session()
    mosquitto.kill()
    heard.until(lambda: heard.count(Disconnected))
    mosquitto.start()
    heard.session()
    heard.broker.publish("t/again", b"1")
    heard.until(heard.messages)
    assert heard.wills >= 2


def test_wake_ends_a_wait(heard: Heard) -> None:
    heard.session()
    heard.broker.take(0.0, 100)
    began = time.monotonic()
    heard.broker.wake()
    heard.broker.take(100.0, 100)
    assert time.monotonic() - began < 50


async def test_a_connection_that_has_gone_silent_is_given_up(mosquitto: Mosquitto) -> None:
    async with TcpProxy(mosquitto.host, mosquitto.port) as proxy:
        subject = Heard(config_of(proxy.host, proxy.port, keepalive_s=5))
        try:
            await asyncio.to_thread(subject.session)
            proxy.abandon()
            await asyncio.to_thread(subject.until, lambda: subject.count(Disconnected))
            lost = [item.reason for item in subject.items if isinstance(item, Disconnected)]
            assert "no sign of life" in lost[0]
            await asyncio.to_thread(subject.session)
        finally:
            subject.broker.stop()


async def test_an_idle_session_stays_alive(mosquitto: Mosquitto) -> None:
    subject = Heard(config_of(mosquitto.host, mosquitto.port, keepalive_s=10))  # a broker waits half as long again
    try:
        subject.session()
        until = time.monotonic() + 16
        subject.until(lambda: time.monotonic() > until)
        assert subject.count(Disconnected) == 0
    finally:
        subject.broker.stop()


class SecureMosquitto(Mosquitto):
    """TLS with a certificate of its own for localhost, and one user `cloud` with the password `right`."""

    def command(self) -> list[str]:
        command = super().command()
        config = Path(command[-1])
        openssl = [binary("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        files = ["-keyout", str(self.folder / "key.pem"), "-out", str(self.folder / "cert.pem")]
        subprocess.run([*openssl, *names, *files], check=True, capture_output=True)
        users = self.folder / "users"
        subprocess.run([binary("mosquitto_passwd"), "-b", "-c", str(users), "cloud", "right"], check=True)
        text = config.read_text().replace("allow_anonymous true", "allow_anonymous false")
        text += f"password_file {users}\ncertfile {self.folder}/cert.pem\nkeyfile {self.folder}/key.pem\n"
        config.write_text(text)
        return command


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureMosquitto]:
    with SecureMosquitto(tmp_path_factory.mktemp("secure")) as broker:
        yield broker


def secure_config(broker: Mosquitto, folder: Path, password: str, ca: bool) -> BrokerConfig:
    secret = folder / "password"
    secret.write_text(password)
    table = {"url": f"mqtts://localhost:{broker.port}", "username": "cloud", "password": f"${{file:{secret}}}"}
    return BrokerConfig.model_validate(table | ({"ca_file": str(broker.folder / "cert.pem")} if ca else {}))


def test_tls_with_a_password_carries_messages_of_every_size(secure: SecureMosquitto, tmp_path: Path) -> None:
    subject = Heard(secure_config(secure, tmp_path, "right", ca=True))
    try:
        subject.session()
        sent = [("t/a", bytes([n % 256]) * size) for n, size in enumerate((1, 16_384, 900_000, 0))]
        for topic, payload in sent:
            subject.broker.publish(topic, payload)
        subject.until(lambda: len(subject.messages()) >= len(sent))
        assert subject.messages() == sent
    finally:
        subject.broker.stop()


@pytest.mark.parametrize(
    ("password", "ca", "reason"),
    [("wrong", True, "refused the connection"), ("right", False, "certificate verify failed")],
)
def test_who_is_not_let_in_says_why_and_never_the_password(
    secure: SecureMosquitto, tmp_path: Path, password: str, ca: bool, reason: str
) -> None:
    subject = Heard(secure_config(secure, tmp_path, password, ca))
    try:
        subject.until(lambda: subject.count(Disconnected))
        (lost,) = [item.reason for item in subject.items if isinstance(item, Disconnected)][:1]
        assert reason in lost
        assert password not in lost
    finally:
        subject.broker.stop()


@pytest.mark.parametrize(("password", "found"), [("right", ""), ("wrong", "refused the connection")])
def test_the_check_logs_in_as_ingest_does_and_takes_no_session_over(
    secure: SecureMosquitto, tmp_path: Path, password: str, found: str
) -> None:
    running = Heard(secure_config(secure, tmp_path, "right", ca=True))
    try:
        running.session()
        (tmp_path / "other").mkdir()
        broker = secure_config(secure, tmp_path / "other", password, ca=True)
        config = CloudConfig(
            broker=broker,
            store=StoreConfig(path=tmp_path / "history.duckdb"),
            sql=SqlConfig(url=f"sqlite:///{tmp_path}/frostline.db"),
            rules=RulesConfig(folder=tmp_path),
        )
        said = findings(config)["broker"]
        assert found in said
        assert bool(said) is bool(found)
        running.broker.publish("t/still", b"1")
        running.until(running.messages)
        assert not running.count(Disconnected)
    finally:
        running.broker.stop()


def test_what_is_no_broker_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(1000)
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"<p>" * 100)

        threading.Thread(target=answer, daemon=True).start()
        subject = Heard(config_of(*server.getsockname()[:2]))
        try:
            subject.until(lambda: subject.count(Disconnected))
            (lost,) = [item.reason for item in subject.items if isinstance(item, Disconnected)][:1]
            assert "no MQTT broker" in lost
        finally:
            subject.broker.stop()
