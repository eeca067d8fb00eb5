"""The whole system as processes: a broker, the cloud, gateways and a counting device, for the end-to-end stories."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.services import Mosquitto, eventually, free_port

_READY_S = 40.0
_END_S = 30.0


class Program:
    """A `frostline` process that can be stopped, killed and started again."""

    def __init__(self, name: str, arguments: list[str], folder: Path) -> None:
        self.name, self.arguments, self.log = name, arguments, folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it; its output goes to the log."""
        command = [sys.executable, "-c", "from frostline_core.cli import main; main()", *self.arguments]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def kill(self) -> None:
        """SIGKILL: what a power cut does to a process."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        return self._end(signal.SIGTERM)

    @property
    def running(self) -> bool:
        """Whether it lives."""
        return self._process is not None and self._process.poll() is None

    def text(self) -> str:
        """Everything it printed."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def _end(self, how: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(how)
        try:
            return process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_END_S)
            pytest.fail(f"{self.name} did not end:\n{self.text()[-3000:]}", pytrace=False)


class Stack:
    """A broker and a cloud with the embedded store; gateways are added by the story."""

    def __init__(self, folder: Path, rules: str = "") -> None:
        self.folder = folder
        (folder / "mosquitto").mkdir()
        (folder / "rules").mkdir()
        (folder / "rules" / "rules.toml").write_text(rules, encoding="utf-8")
        self.broker = Mosquitto(folder / "mosquitto")
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{free_port()}", timeout=10)
        self.cloud = self._cloud()
        self.gateways: dict[str, Program] = {}
        self._ports: dict[str, int] = {}

    def __enter__(self) -> Self:
        self.broker.start()
        self.start_cloud()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for program in (*self.gateways.values(), self.cloud):
            program.stop()
        self.http.close()
        self.broker.stop()
        if error is not None:
            for program in (*self.gateways.values(), self.cloud):
                sys.stderr.write(f"--- {program.name}\n{program.text()[-3000:]}\n")

    def start_cloud(self) -> None:
        """Starts the cloud and waits until it is ready."""
        self.cloud.start()
        eventually(self._ready, _READY_S)

    def add_gateway(self, node: str, drivers: str, uplink: str = "") -> Program:
        """Writes a gateway's config and starts it."""
        self._ports[node] = free_port()
        config = self.folder / f"{node}.toml"
        config.write_text(
            f'site = "site-a"\nnode = "{node}"\ndata_dir = "{self.folder / node}"\n'
            f'[uplink]\nurl = "mqtt://127.0.0.1:{self.broker.port}"\n{uplink}\n'
            f'[http]\nlisten = "127.0.0.1:{self._ports[node]}"\n{drivers}',
            encoding="utf-8",
        )
        gateway = self.gateways[node] = Program(node, ["gateway", "run", "-c", str(config)], self.folder)
        gateway.start()
        return gateway

    def api(self, path: str) -> Any:
        """A document of the cloud."""
        answer = self.http.get(f"/api/v1/{path}")
        answer.raise_for_status()
        return answer.json()

    def status(self, node: str) -> dict[str, Any]:
        """What a gateway says of itself."""
        answer = httpx.get(f"http://127.0.0.1:{self._ports[node]}/status", timeout=10)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def born(self, node: str) -> bool:
        """Whether the gateway's session is up."""
        try:
            return bool(self.status(node)["uplink"]["born"])
        except httpx.HTTPError:
            return False

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

    def _ready(self) -> bool:
        try:
            return self.http.get("/readyz").is_success
        except httpx.HTTPError:
            return False

    def _cloud(self) -> Program:
        config = self.folder / "cloud.toml"
        config.write_text(
            f'[broker]\nurl = "mqtt://127.0.0.1:{self.broker.port}"\n[store]\npath = "history.duckdb"\n'
            f'[sql]\nurl = "sqlite:///frostline.db"\n'
            f'[http]\nlisten = "127.0.0.1:{self.http.base_url.port}"\ndemo_open = true\n',
            encoding="utf-8",
        )
        return Program("cloud", ["cloud", "run", "-c", str(config)], self.folder)


class Counter:
    """A JSON device that sends 1, 2, 3, ... on its own broker, and remembers what it sent: the ground truth."""

    DRIVER = """
[[driver]]
type = "mqtt"
name = "local"
url = "{url}"

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
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._count, name="counter")
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="counter")

    def __enter__(self) -> Self:
        self.broker.start()
        self._client.connect(self.broker.host, self.broker.port)
        self._client.loop_start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._client.disconnect()
        self._client.loop_stop()
        self.broker.stop()

    @property
    def driver(self) -> str:
        """The gateway's driver table for it."""
        return self.DRIVER.format(url=self.broker.url)

    def start(self) -> None:
        """Begins to count."""
        self._thread.start()

    def stop(self) -> None:
        """Counts no more."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _count(self) -> None:
        while not self._stop.wait(self._every_s):
            self.sent += 1
            body = json.dumps({"n": self.sent})
            self._client.publish("counter/c-1", body, qos=1).wait_for_publish(5)


def stored(folder: Path, node: str) -> list[float]:
    """Every value of the counter in the embedded store of a cloud that has ended, by time."""
    from frostline_cloud.store import Place, open_store
    from frostline_cloud.store.config import StoreConfig

    store = open_store(StoreConfig(path=folder / "history.duckdb"))
    try:
        place = Place("counter", "site-a", node, "c-1")
        buckets = store.series(place, "n", 0, int(time.time() * 1000) + 60_000, 1)
    finally:
        store.close()
    assert all(each.count == 1 for each in buckets), "a sample is in the store twice"
    return [each.mean for each in buckets]
