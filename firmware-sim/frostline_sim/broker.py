"""An MQTT broker for development and the demo: iotcore in a child process.

Production uses another: here everything is in memory, and retained messages and sessions are gone after a restart. It
listens on the loopback by default, has no password, and takes messages up to 1 MiB (the 20 KB that iotcore takes by
default are less than a birth).
"""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from iotcore import Broker

from frostline_core.errors import UnavailableError

_START_S = 10.0
_TRIES = 5
_CONFIG = """id = 0

[router]
id = 0
max_connections = 2000
max_outgoing_packet_count = 200
max_segment_size = {segment}
max_segment_count = 4
shared_subscriptions_strategy = "roundrobin"

[v4.1]
name = "v4"
listen = "{listen}:{port}"
next_connection_delay_ms = 1

[v4.1.connections]
connection_timeout_ms = 5000
max_payload_size = {payload}
max_inflight_count = 200
dynamic_filters = true
"""
MOST_PAYLOAD = 1024 * 1024
"""Bytes of a message."""
_SEGMENT = 10 * 1024 * 1024
"""The broker keeps at most four of these for each topic filter."""


@dataclass(frozen=True, slots=True)
class RunningBroker:
    """Where a broker listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """`mqtt://host:port`."""
        return f"mqtt://{self.host}:{self.port}"


@contextmanager
def run_broker(port: int = 0, listen: str = "127.0.0.1") -> Iterator[RunningBroker]:
    """Runs a broker while the context is open; it also ends when this process does.

    Args:
        port: 0 takes a free port.
        listen: Address to listen on.

    Raises:
        UnavailableError: The port is taken, or the broker does not come up within 10 s.
    """
    with tempfile.TemporaryDirectory(prefix="frostline-broker-") as folder:
        broker, chosen = _start(Path(folder) / "broker.toml", listen, port)
        try:
            yield RunningBroker(listen, chosen)
        finally:
            broker.stop()


def _start(config: Path, listen: str, port: int) -> tuple[Broker, int]:
    """Starts the child; a free port that somebody else takes in between is tried again."""
    for left in reversed(range(_TRIES)):
        chosen = port or _free_port(listen)
        text = _CONFIG.format(listen=listen, port=chosen, payload=MOST_PAYLOAD, segment=_SEGMENT)
        config.write_text(text, encoding="utf-8")
        broker = Broker(config_path=str(config))
        try:
            broker.start(_START_S)
        except (OSError, RuntimeError) as error:
            if port or not left:
                raise UnavailableError(f"broker: cannot listen on {listen}:{chosen}: {error}") from error
        else:
            return broker, chosen
    raise AssertionError("the last try returns or raises")


def _free_port(listen: str) -> int:
    with socket.socket() as probe:
        probe.bind((listen, 0))
        port: int = probe.getsockname()[1]
        return port
