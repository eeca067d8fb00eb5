"""From a config to an MQTT session that has begun: TCP, TLS, CONNECT, CONNACK. Blocks: it has a thread of its own."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from frostline_cloud.ingest.config import BrokerConfig
from frostline_core import mqtt_wire
from frostline_core.config import secret
from frostline_core.errors import ConfigError, FrostlineError, ProtocolError, UnavailableError
from frostline_core.mqtt_wire import Kind, Login, Packet, Parser, Received, Will

TIMEOUT_S = 10.0
"""For the whole of it."""
_REFUSALS = {
    1: "the protocol version is not accepted",
    2: "the client id is not accepted",
    3: "the server is not available",
    4: "wrong user name or password",
    5: "not authorised",
}
"""Return codes of CONNACK, MQTT 3.1.1 section 3.2.2.3."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session that has begun.

    Attributes:
        socket: Non-blocking.
        parser: Has seen everything that came so far.
        first: What came behind the CONNACK.
    """

    socket: socket.socket
    parser: Parser
    first: list[Received | Packet]


def dial(config: BrokerConfig, will: Will | None) -> Session:
    """Begins a clean session.

    Raises:
        ConfigError: The password is not where the config says.
        UnavailableError: The broker cannot be reached, refuses, or does not answer in time.
    """
    login = _login(config)
    host, port = config.address
    until = time.monotonic() + TIMEOUT_S
    with _translated(f"{host}:{port}"):
        raw = socket.create_connection((host, port), TIMEOUT_S)
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connected = _trust(config).wrap_socket(raw, server_hostname=host) if config.tls else raw
        except BaseException:
            raw.close()
            raise
        with closing(_Guard(connected)) as guard:
            connected.sendall(mqtt_wire.connect(login, will))
            parser = Parser()
            first = _answer(connected, parser, until)
            connected.setblocking(False)
            guard.keep()
            return Session(connected, parser, first)


class _Guard:
    """Closes a socket unless it is to be kept."""

    def __init__(self, held: socket.socket) -> None:
        self._held: socket.socket | None = held

    def keep(self) -> None:
        self._held = None

    def close(self) -> None:
        if self._held is not None:
            self._held.close()


@contextmanager
def _translated(where: str) -> Iterator[None]:
    try:
        yield
    except (UnavailableError, ConfigError):
        raise
    except FrostlineError as error:
        raise UnavailableError(f"what answers at {where} is no MQTT broker: {error}") from error
    except OSError as error:  # TLS errors and time-outs are some
        raise UnavailableError(f"cannot reach the broker at {where}: {error or type(error).__name__}") from error


def _login(config: BrokerConfig) -> Login:
    password = secret(config.password, "broker.password") if config.username and config.password else ""
    client_id = config.client_id or f"frostline-host-{config.host_id}"
    return Login(client_id, config.keepalive_s, config.username, password)


def _trust(config: BrokerConfig) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(config.ca_file) if config.ca_file else None)
    if config.cert_file is not None:
        context.load_cert_chain(config.cert_file, config.key_file)
    return context


def _answer(connected: socket.socket, parser: Parser, until: float) -> list[Received | Packet]:
    """Waits for CONNACK; returns what came behind it."""
    found: list[Received | Packet] = []
    while not found:
        connected.settimeout(max(0.01, until - time.monotonic()))
        data = connected.recv(4096)
        if not data:
            raise UnavailableError("the broker closed the connection before it answered")
        found = parser.feed(data)
    head = found[0]
    if not isinstance(head, Packet) or head.kind != Kind.CONNACK or len(head.body) != 2:
        raise ProtocolError("it does not answer with CONNACK")
    if head.body[1]:
        reason = _REFUSALS.get(head.body[1], f"code {head.body[1]}")
        raise UnavailableError(f"the broker refused the connection: {reason}")
    return found[1:]
