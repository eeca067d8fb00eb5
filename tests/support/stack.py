"""The whole system as processes: a broker, the cloud, gateways and a counting device, for the end-to-end stories."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.link import Link
from tests.support.services import Mosquitto, eventually, free_port
from tests.support.sockets import end
from tests.support.tls_broker import TlsMosquitto

_READY_S = 90.0
_END_S = 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What a story wants different in the cloud; each text is lines of that table of cloud.toml.

    Attributes:
        command: `run`, or `serve`: then ingest runs in a process of its own, and `add_ingest` adds more.
        links: Gateways and cloud reach the broker through `gateway_link` and `cloud_link`.
        environment: Variables that gateways have besides ours.
        most_queued: See `Mosquitto`.
        tls: The broker speaks TLS only.
    """

    store: str = 'path = "history.duckdb"'
    ingest: str = ""
    broker: str = ""
    command: str = "run"
    links: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    most_queued: int = 0
    tls: bool = False


class Program:
    """A `frostline` process that can be stopped, killed and started again; `environment` is added to ours."""

    ENTRY = "from frostline_core.cli import main; main()"

    def __init__(
        self, name: str, arguments: list[str], folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name, self.arguments, self.log = name, arguments, folder / f"{name}.log"
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it; its output goes to the log."""
        command = [sys.executable, "-c", self.ENTRY, *self.arguments]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self._environment
            )

    def kill(self) -> None:
        """SIGKILL: what a power cut does to a process."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        return self._end(signal.SIGTERM)

    def pause(self) -> None:
        """SIGSTOP: its connections stay open, and it reads nothing."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    @property
    def running(self) -> bool:
        """Whether it lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process's id, 0 when it was not started."""
        return self._process.pid if self._process is not None else 0

    def text(self) -> str:
        """Everything it printed."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def _end(self, how: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)
        try:
            return process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_END_S)
            pytest.fail(f"{self.name} did not end:\n{self.text()[-3000:]}", pytrace=False)


class Stack:
    """A broker and a cloud, with the embedded store unless the settings say otherwise; the story adds gateways."""

    def __init__(self, folder: Path, rules: str = "", settings: Settings | None = None) -> None:
        self.folder, self._settings = folder, settings or Settings()
        (folder / "mosquitto").mkdir()
        (folder / "rules").mkdir()
        (folder / "rules" / "rules.toml").write_text(rules, encoding="utf-8")
        kind = TlsMosquitto if self._settings.tls else Mosquitto
        self.broker = kind(folder / "mosquitto", self._settings.most_queued)
        self.gateway_link = Link(self.broker.host, self.broker.port)
        self.cloud_link = Link(self.broker.host, self.broker.port)
        self._links = (self.gateway_link, self.cloud_link) if self._settings.links else ()
        self._joined: list[Link] = []
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{free_port()}", timeout=60)
        self.cloud = Program("cloud", ["cloud", self._settings.command, "-c", str(self._config("cloud"))], folder)
        self.ingests: list[Program] = []
        self.gateways: dict[str, Program] = {}
        self._ports: dict[str, int] = {}

    def __enter__(self) -> Self:
        try:
            self.broker.start()
            for link in self._links:
                self._joined.append(link.__enter__())
            if self._settings.command == "serve":
                self.add_ingest("ingest-1")
            self.start_cloud()
        except BaseException as error:  # what was started would outlive the test, and keep pytest from ending
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        programs = (*self.gateways.values(), *self.ingests, self.cloud)
        with ExitStack() as ends:  # each, whatever becomes of the others; the last one first
            ends.callback(self._show, programs if error is not None else ())
            ends.callback(self.broker.stop)
            for link in self._joined:
                ends.push(link)
            ends.callback(self.http.close)
            for program in reversed(programs):
                ends.callback(program.stop)

    @staticmethod
    def _show(programs: Sequence[Program]) -> None:
        for program in programs:
            sys.stderr.write(f"--- {program.name}\n{program.text()[-3000:]}\n")

    def start_cloud(self) -> None:
        """Starts the cloud and waits until it is ready."""
        self.cloud.start()
        eventually(lambda: self.ready() or not self.cloud.running, _READY_S)
        if not self.cloud.running:
            pytest.fail(f"the cloud ended at its start:\n{self.cloud.text()[-3000:]}", pytrace=False)

    def add_ingest(self, name: str) -> Program:
        """Starts an ingest beside the others: same host id, same SQL and store, a client id of its own."""
        arguments = ["cloud", "ingest", "-c", str(self._config(name))]
        self.ingests.append(Program(name, arguments, self.folder))
        self.ingests[-1].start()
        return self.ingests[-1]

    def add_gateway(self, node: str, drivers: str, uplink: str = "") -> Program:
        """Writes a gateway's config and starts it."""
        self._ports[node] = free_port()
        port = self.gateway_link.port if self._links else self.broker.port
        config = self.folder / f"{node}.toml"
        config.write_text(
            f'site = "site-a"\nnode = "{node}"\ndata_dir = "{self.folder / node}"\n'
            f"[uplink]\n{self._way(port)}\n{uplink}\n"
            f'[http]\nlisten = "127.0.0.1:{self._ports[node]}"\n{drivers}',
            encoding="utf-8",
        )
        arguments = ["gateway", "run", "-c", str(config)]
        gateway = self.gateways[node] = Program(node, arguments, self.folder, self._settings.environment)
        gateway.start()
        return gateway

    def api(self, path: str) -> Any:
        """A document of the cloud."""
        answer = self.http.get(f"/api/v1/{path}")
        answer.raise_for_status()
        return answer.json()

    def status(self, node: str) -> dict[str, Any]:
        """What a gateway says of itself."""
        answer = httpx.get(f"http://127.0.0.1:{self._ports[node]}/status", timeout=60)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def born(self, node: str) -> bool:
        """Whether the gateway's session is up."""
        try:
            return bool(self.status(node)["uplink"]["born"])
        except httpx.HTTPError:
            return False

    def hears(self, node: str, device: str) -> bool:
        """Whether a device of the gateway answers."""
        try:
            return any(each["id"] == device and each["online"] for each in self.status(node)["devices"])
        except httpx.HTTPError:
            return False

    def counted(self, node: str) -> float:
        """The newest number of the counter that the gateway has read; 0 before the first."""
        try:
            devices = self.status(node)["devices"]
        except httpx.HTTPError:
            return 0
        found = [each["values"]["n"]["value"] for each in devices if "n" in each["values"]]
        return float(found[0]) if found else 0

    def drained(self, node: str) -> bool:
        """Whether the gateway holds nothing that the cloud has not committed."""
        try:
            return bool(self.status(node)["account"]["pending"] == 0)
        except httpx.HTTPError:
            return False

    def account(self, node: str) -> dict[str, int]:
        """The cloud's account of a gateway."""
        found: dict[str, int] = self.api(f"nodes/site-a/{node}")["account"]
        return found

    def written(self, node: str) -> int:
        """Samples of a gateway that the cloud has written; 0 of one that it does not know yet, or while it is down."""
        try:
            return self.account(node)["written"]
        except httpx.HTTPError:
            return 0

    def ready(self) -> bool:
        """Whether the cloud says that it can take data."""
        try:
            return self.http.get("/readyz").is_success
        except httpx.HTTPError:
            return False

    def _way(self, port: int) -> str:
        """Lines of config: how the broker is reached at a port."""
        if isinstance(self.broker, TlsMosquitto):
            return f'url = "mqtts://localhost:{port}"\nca_file = "{self.broker.certificate}"'
        return f'url = "mqtt://127.0.0.1:{port}"'

    def _config(self, name: str) -> Path:
        config, settings = self.folder / f"{name}.toml", self._settings
        port = self.cloud_link.port if self._links else self.broker.port
        http = self.http.base_url.port if name == "cloud" else free_port()
        config.write_text(
            f'[broker]\n{self._way(port)}\nclient_id = "frostline-{name}"\n{settings.broker}\n'
            f'[ingest]\n{settings.ingest}\n[store]\n{settings.store}\n[sql]\nurl = "sqlite:///frostline.db"\n'
            f'[http]\nlisten = "127.0.0.1:{http}"\ndemo_open = true\n',
            encoding="utf-8",
        )
        return config


class Counter:
    """A JSON device that sends 1, 2, 3, ... on its own broker, and remembers what it sent: the ground truth.

    The driver's own figures come once, so that nothing moves in the accounts when the counter has stopped.

    Attributes:
        sent: The last number.
        sent_ms: When each number was sent, UTC milliseconds; number n at index n - 1.
        every_s: Pause between two numbers; may be changed at any time.
    """

    DRIVER = """
[[driver]]
type = "mqtt"
name = "local"
url = "{url}"
report_s = 3600.0

[[driver.match]]
topic = "counter/{{device}}"
kind = "counter"

[[driver.match.metric]]
name = "n"
path = "n"
unit = "1"
"""

    def __init__(self, folder: Path, every_s: float = 0.02) -> None:
        folder.mkdir()
        self.broker = Mosquitto(folder)
        self.sent = 0
        self.sent_ms: list[float] = []
        self.every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._count, name="counter")
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="counter")

    def __enter__(self) -> Self:
        self.broker.start()
        try:
            self._client.connect(self.broker.host, self.broker.port)
        except BaseException:
            self.broker.stop()
            raise
        self._client.loop_start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ExitStack() as ends:
            ends.callback(self.broker.stop)
            ends.callback(end, self._client)
            self.stop()

    @property
    def driver(self) -> str:
        """The gateway's driver table for it."""
        return self.DRIVER.format(url=self.broker.url)

    def start(self) -> None:
        """Begins to count."""
        self._thread.start()

    @property
    def stopped(self) -> bool:
        """Whether it counts no more."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Counts no more."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _count(self) -> None:
        while not self._stop.wait(self.every_s):
            self.sent_ms.append(time.time() * 1000)
            self.sent += 1
            body = json.dumps({"n": self.sent})
            self._client.publish("counter/c-1", body, qos=1).wait_for_publish(60)


def stored(folder: Path, node: str) -> list[float]:
    """Every value of the counter in the embedded store of a cloud that has ended, by time."""
    return [value for _, value in stored_points(folder, node)]


def stored_points(folder: Path, node: str) -> list[tuple[int, float]]:
    """The same with their instants, UTC milliseconds."""
    from frostline_cloud.store import Place, open_store
    from frostline_cloud.store.config import StoreConfig

    store = open_store(StoreConfig(path=folder / "history.duckdb"))
    try:
        place = Place("counter", "site-a", node, "c-1")
        buckets = store.series(place, "n", 0, int(time.time() * 1000) + 60_000, 1)
    finally:
        store.close()
    assert all(each.count == 1 for each in buckets), "a sample is in the store twice"
    return [(each.at_ms, each.mean) for each in buckets]
