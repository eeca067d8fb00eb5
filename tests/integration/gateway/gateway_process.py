"""The gateway as a user starts it: a process with a file of configuration, a broker, and devices that are messages."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.services import PATIENCE_S, READY_S, eventually
from tests.support.sockets import end

FROSTLINE = str(Path(sys.executable).with_name("frostline"))
FIELD = """
[[driver]]
type = "mqtt"
name = "field"
url = "mqtt://127.0.0.1:{port}"
timeout_s = 30
report_s = 3600

[[driver.match]]
topic = "field/{{device}}"
kind = "cold_room"
zone = "freezer-1"
max_silence_s = 3600

[[driver.match.metric]]
name = "air_temperature"
path = "temperature"
unit = "Cel"

[[driver.match.metric]]
name = "door_open"
path = "door"
type = "boolean"
event = true
"""


class GatewayProcess:
    """`frostline gateway run` on a folder of its own; starts again where it stopped."""

    def __init__(self, folder: Path, port: int, drivers: str, settings: str = "") -> None:
        self.folder = folder
        self.config = folder / "gateway.toml"
        self.config.write_text(
            f'site = "site"\nnode = "gw"\ndata_dir = "{folder}/data"\n{settings}\n'
            f'[uplink]\nurl = "mqtt://127.0.0.1:{port}"\nkeepalive_s = 30\n'
            '[http]\nlisten = "127.0.0.1:0"\n' + drivers,
            encoding="utf-8",
        )
        self.log = folder / "gateway.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE_S)

    def start(self, before: Callable[[], None] | None = None) -> None:
        """Starts it and waits until it serves its status."""
        ready = self.folder / "ready.json"
        ready.unlink(missing_ok=True)
        command = [FROSTLINE, "gateway", "run", "-c", str(self.config), "--ready-file", str(ready)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=before, env=dict(os.environ)
            )
        deadline = time.monotonic() + READY_S
        while not (ready.exists() and ready.read_text()):
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.02)
        at = json.loads(ready.read_text())["http"]
        self._url = f"http://{at['host']}:{at['port']}"

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Sends a signal and waits for the end; gives the exit code."""
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(PATIENCE_S)

    def get(self, path: str) -> tuple[int, str]:
        """Code and body of an answer of its HTTP server."""
        try:
            with urllib.request.urlopen(self._url + path, timeout=PATIENCE_S) as answer:  # noqa: S310  # loopback
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def status(self) -> dict[str, Any]:
        """Its status document."""
        found: dict[str, Any] = json.loads(self.get("/status")[1])
        return found

    def said(self) -> str:
        """Its log."""
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Another `frostline gateway` command on the same configuration."""
        return subprocess.run(
            [FROSTLINE, "gateway", *words, "-c", str(self.config)],
            capture_output=True,
            text=True,
            timeout=READY_S,
            check=False,
        )


class Field:
    """Devices on the local broker: each message is what one of them measured."""

    def __init__(self, port: int) -> None:
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        end(self._client)

    def says(self, device: str, **values: object) -> None:
        """One message of a device, handed to the broker."""
        self._client.publish(f"field/{device}", json.dumps(values), qos=1).wait_for_publish(60)

    def hurries(self, device: str, temperature: float) -> None:
        """One message, without waiting for the broker."""
        self._client.publish(f"field/{device}", json.dumps({"temperature": temperature}))


def works(gateway: GatewayProcess, driver: str = "field") -> None:
    """Waits until a driver's own device is there: it is connected and hears its devices."""
    eventually(lambda: any(each["id"] == driver and each["online"] for each in gateway.status()["devices"]))
