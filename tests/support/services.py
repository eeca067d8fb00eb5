"""Real services for tests: mosquitto, influxd and VictoriaMetrics on free loopback ports with data of their own."""

from __future__ import annotations

import asyncio
import getpass
import inspect
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

import httpx
import pytest

READY_S = 90.0
STOP_S = 30.0
PATIENCE_S = 60.0
"""How long a test waits for what it says will happen: no promise of the product, but what no busy machine needs."""
SPARE_S = 20.0 if os.environ.get("CI") else 1.5
"""What a test grants on top of a promise in seconds: in CI five tests and all their processes share two cores."""
STALL_MS = 5_000.0 if os.environ.get("CI") else 0.0
"""For so long a busy machine may hold up any process: what is known of a moment from outside is blurred by that."""
LOG_TAIL_BYTES = 8000


_FIRST_PORT, _SHARE, _SHARES = 10_000, 2_000, 11
"""All below those that Linux gives to whoever asks for any (ip_local_port_range): nobody gets one of ours by chance."""
_given: set[int] = set()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on, and that nobody is given before it is listened on.

    Each worker of pytest has a share of its own and gives each of its ports once: who asks for one listens later,
    and a server that is stopped comes back to its own. After the last of its share a worker begins anew.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    first = _FIRST_PORT + (int(worker) if worker.isdecimal() else 0) % _SHARES * _SHARE
    while True:
        if len(_given) >= _SHARE:
            _given.clear()
        port = random.SystemRandom().choice(sorted(set(range(first, first + _SHARE)) - _given))
        _given.add(port)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def eventually(predicate: Callable[[], object], timeout_s: float = PATIENCE_S, every_s: float = 0.02) -> None:
    """Waits until the predicate is true.

    Raises:
        AssertionError: It was not within timeout_s; with the predicate's own AssertionError as cause, if it raised one.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        cause = None
        try:
            if predicate():
                return
        except AssertionError as error:
            cause = error
        if time.monotonic() >= deadline:
            raise AssertionError(f"not true within {timeout_s} s: {_source(predicate)}") from cause
        time.sleep(every_s)


async def eventually_async(
    predicate: Callable[[], object | Awaitable[object]], timeout_s: float = PATIENCE_S, every_s: float = 0.02
) -> None:
    """`eventually` for a running event loop; the predicate may be a coroutine function."""
    deadline = time.monotonic() + timeout_s
    while True:
        cause = None
        try:
            found = predicate()
            if await found if inspect.isawaitable(found) else found:
                return
        except AssertionError as error:
            cause = error
        if time.monotonic() >= deadline:
            raise AssertionError(f"not true within {timeout_s} s: {_source(predicate)}") from cause
        await asyncio.sleep(every_s)


def _source(predicate: Callable[[], object]) -> str:
    try:
        return " ".join(inspect.getsource(predicate).split())[:300]
    except (OSError, TypeError):
        return repr(predicate)


def missing(what: str) -> NoReturn:
    """Skips the test on a developer's machine; fails it where env CI is set, so that CI never passes by absence."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is not installed, and CI is set", pytrace=False)
    pytest.skip(f"{what} is not installed")


def binary(name: str) -> str:
    """The path of a program, also where only root's PATH has it; see `missing` for what happens without it."""
    path = os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/local/sbin:/usr/sbin:/sbin"
    return shutil.which(name, path=path) or missing(name)


class Service(ABC):
    """A server process: one port and one folder from first start to end, so that a restart is the same server again."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.host = "127.0.0.1"
        self.port = free_port()
        self.folder = folder
        self.log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The HTTP address."""
        return f"http://{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        """The process's id, 0 when it does not run."""
        return self._process.pid if self._process is not None else 0

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @abstractmethod
    def command(self) -> list[str]:
        """What to execute; writes the config that it needs."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it answers now."""

    def start(self) -> None:
        """Starts it, unless it runs, and returns when it answers."""
        if self.running:
            return
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + READY_S
        while not self.ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                pytest.fail(f"{self.name} did not start:\n{self.tail()}", pytrace=False)
            time.sleep(0.02)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if it does not end in time; nothing if it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)
            stat = Path(f"/proc/{self._process.pid}/stat")
            eventually(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")  # the signal takes a moment

    def resume(self) -> None:
        """SIGCONT."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace") if self.log.exists() else ""

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_S)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Mosquitto(Service):
    """An MQTT broker without persistence, open to anybody on loopback.

    Args:
        folder: For config and log.
        most_queued: Beyond so many messages that wait for one client more of QoS 0 are dropped; 0: none is, ever.
    """

    def __init__(self, folder: Path, most_queued: int = 0) -> None:
        super().__init__("mosquitto", folder)
        self._most_queued = most_queued
        self._binary = binary("mosquitto")

    @property
    def url(self) -> str:
        """`mqtt://127.0.0.1:port`."""
        return f"mqtt://{self.host}:{self.port}"

    def command(self) -> list[str]:
        """Config: one listener, log with every connection and publish, its own figures each second."""
        config = self.folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} {self.host}\n"
            f"user {getpass.getuser()}\n"
            "allow_anonymous true\n"
            "persistence false\n"
            f"max_queued_messages {self._most_queued}\n"
            "sys_interval 1\n"
            "max_queued_bytes 0\n"
            "set_tcp_nodelay true\n"
            "log_dest stdout\n"
            "log_type error\nlog_type warning\nlog_type notice\n"
            "connection_messages true\n"
        )
        return [self._binary, "-c", str(config)]

    def ready(self) -> bool:
        """Whether it accepts connections."""
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((self.host, self.port)) == 0


class Influxd(Service):
    """InfluxDB 1.x (Debian's 1.6.7): InfluxQL, /write and /query, no authentication."""

    def __init__(self, folder: Path) -> None:
        super().__init__("influxd", folder)
        self._binary = binary("influxd")
        self._rpc_port = free_port()

    def command(self) -> list[str]:
        """Config: both listeners on loopback, all folders below ours, nothing reported to anybody."""
        config = self.folder / "influxd.toml"
        config.write_text(
            "reporting-disabled = true\n"
            f'bind-address = "{self.host}:{self._rpc_port}"\n'
            f'[meta]\ndir = "{self.folder}/meta"\n'
            f'[data]\ndir = "{self.folder}/data"\nwal-dir = "{self.folder}/wal"\nquery-log-enabled = false\n'
            f'[http]\nbind-address = "{self.host}:{self.port}"\nlog-enabled = false\n'
            "[monitor]\nstore-enabled = false\n"
            "[subscriber]\nenabled = false\n"
        )
        return [self._binary, "-config", str(config)]

    def ready(self) -> bool:
        """Whether /ping answers."""
        return _answers(f"{self.url}/ping")

    def create_database(self, name: str) -> None:
        """Makes an empty database; one that exists is dropped first."""
        for statement in (f'DROP DATABASE "{name}"', f'CREATE DATABASE "{name}"'):
            httpx.post(f"{self.url}/query", data={"q": statement}, timeout=PATIENCE_S).raise_for_status()


class VictoriaMetrics(Service):
    """VictoriaMetrics single node; nothing held back from queries, ten years kept."""

    def __init__(self, folder: Path) -> None:
        super().__init__("victoria-metrics", folder)
        self._binary = binary("victoria-metrics")

    def command(self) -> list[str]:
        """Flags only: it needs no config file."""
        return [
            self._binary,
            f"-httpListenAddr={self.host}:{self.port}",
            f"-storageDataPath={self.folder}/data",
            "-retentionPeriod=10y",
            "-search.latencyOffset=0s",
            "-search.disableCache",
            "-dedup.minScrapeInterval=1ms",
            "-memory.allowedBytes=256MB",
        ]

    def ready(self) -> bool:
        """Whether /health answers."""
        return _answers(f"{self.url}/health")

    def flush(self) -> None:
        """Makes everything written visible to queries now."""
        httpx.get(f"{self.url}/internal/force_flush", timeout=PATIENCE_S).raise_for_status()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1).is_success
    except httpx.TransportError:
        return False
