"""Modbus TCP to MQTT: ThingsBoard's gateway and ours, one after the other, on the same 50 units.

Each unit has 20 registers, each read once a second, of which 5 change; both send changes only. What is measured has one
core; units, broker and what answers it have the other. ThingsBoard's gateway is measured in three ways: with one entry
a register, as its documentation shows it, which is one request a register; with one entry for the range, which is two
requests a unit; and with the range and its storage on disk instead of in memory, as ours always has it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.bench import edge, process
from tests.bench.modbus_units import CHANGING, REGISTERS
from tests.bench.peers import tree
from tests.bench.peers.install import thingsboard
from tests.bench.peers.streams import CORE, OTHER_CORE, made
from tests.support.services import Mosquitto, eventually, free_port
from tests.support.sockets import end

UNITS, SECONDS = 50, 20.0
_START_S, _STOP_S = 60.0, 10.0
_TELEMETRY, _ASKED = "v1/gateway/telemetry", "v1/devices/me/rpc/request/+"
_LIMITS = {"maxPayloadSize": 65_536, "maxInflightMessages": 1_000, "rateLimits": {}, "gatewayRateLimits": {}}
_RUN = "from thingsboard_gateway.tb_gateway import daemon; daemon()"


@dataclass(frozen=True, slots=True)
class Way:
    """How ThingsBoard's gateway is configured.

    Attributes:
        ranges: One entry for all registers of a unit; else one each.
        storage: "memory" or "sqlite".
    """

    ranges: bool
    storage: str


WAYS = {
    "one entry a register, storage in memory": Way(False, "memory"),
    "one entry a unit, storage in memory": Way(True, "memory"),
    "one entry a unit, storage on disk": Way(True, "sqlite"),
}


def measure(units: int = UNITS, seconds: float = SECONDS) -> dict[str, Any]:
    """Each way of the peer, then ours as `tests.bench.edge` measures it, and how many times ours a peer takes."""
    peers = {name: peer(way, units, seconds) for name, way in WAYS.items()}
    ours = edge.cost(edge.Setup(units, seconds))
    for each in peers.values():
        each["cpu_of_ours"] = round(each["cpu_percent"] / ours["cpu_percent"], 1)
        each["rss_of_ours"] = round(each["rss_mib"] / ours["rss_mib"], 1)
    return {"thingsboard_gateway": peers, "frostline_gateway": ours}


def peer(way: Way, units: int, seconds: float) -> dict[str, Any]:
    """Steady state of ThingsBoard's gateway."""
    python = thingsboard()
    with tempfile.TemporaryDirectory(prefix="frostline-bench-") as name, _field(units) as modbus:
        folder = Path(name)
        with Mosquitto(made(folder / "mosquitto")) as broker, Server(broker) as server:
            process.pin(broker.pid, OTHER_CORE)
            _configure(folder, way, units, modbus, broker)
            with (folder / "gateway.log").open("wb") as log:
                command = [str(python), "-c", _RUN]
                environment = {"PATH": str(python.parent), "TB_GW_CONFIG_DIR": str(folder / "config"), "HOME": name}
                child = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment)
            process.pin(child.pid, CORE)
            try:
                eventually(lambda: len(server.devices) >= units, _START_S)
                return _steady(child.pid, server, units, seconds)
            finally:
                child.terminate()
                try:
                    child.wait(_STOP_S)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()


def _steady(pid: int, server: Server, units: int, seconds: float) -> dict[str, Any]:
    time.sleep(seconds / 4)
    values, sent, used_s, began = server.values, server.payload_bytes, tree.cpu_s(pid), time.monotonic()
    time.sleep(seconds)
    values, sent, used_s = server.values - values, server.payload_bytes - sent, tree.cpu_s(pid) - used_s
    took_s = time.monotonic() - began
    return {
        "registers_per_s": units * REGISTERS,
        "samples_kept_per_s": round(values / took_s),
        "of_those_due": round(values / took_s / (units * CHANGING), 3),
        "cpu_percent": round(used_s / took_s * 100, 2),
        "rss_mib": round(tree.rss_mib(pid), 1),
        "payload_bytes_per_sample": round(sent / values, 1) if values else None,
    }


class Server:
    """What answers the gateway: its question for limits ("none"), and a count of what it tells.

    Attributes:
        devices: Messages of telemetry that named a device, by device.
        values: Values told.
        payload_bytes: Of telemetry.
    """

    def __init__(self, broker: Mosquitto) -> None:
        self.devices: Counter[str] = Counter()
        self.values = self.payload_bytes = 0
        self._broker = broker
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._came

    def __enter__(self) -> Self:
        self._client.connect(self._broker.host, self._broker.port)
        self._client.subscribe([(_TELEMETRY, 0), (_ASKED, 0)])
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        end(self._client)

    def _came(self, client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        if message.topic != _TELEMETRY:
            if json.loads(message.payload).get("method") == "getSessionLimits":
                client.publish(message.topic.replace("request", "response"), json.dumps(_LIMITS))
            return
        self.payload_bytes += len(message.payload)
        for device, rows in json.loads(message.payload).items():
            self.devices[device] += 1
            self.values += sum(len(row["values"]) for row in rows)


@contextmanager
def _field(units: int) -> Iterator[int]:
    """The units, as a process on the other core; yields their port."""
    port = free_port()
    with subprocess.Popen([sys.executable, "-m", "tests.bench.modbus_units", str(units), str(port)]) as child:
        process.pin(child.pid, OTHER_CORE)
        try:
            yield port
        finally:
            child.kill()


def _configure(folder: Path, way: Way, units: int, modbus: int, broker: Mosquitto) -> None:
    config = made(folder / "config")
    storage = {"type": way.storage, "read_records_count": 100, "max_records_count": 100_000}
    if way.storage == "sqlite":
        storage |= {"data_file_path": f"{made(folder / 'data')}/data.db", "messages_ttl_in_days": 7}
    general = {
        "thingsboard": {
            "host": broker.host,
            "port": broker.port,
            "remoteShell": False,
            "remoteConfiguration": False,
            "statistics": {"enable": False},
            "security": {"type": "accessToken", "accessToken": "bench"},
            "qos": 1,
            "reportStrategy": {"type": "ON_CHANGE"},
        },
        "storage": storage,
        "grpc": {"enabled": False},
        "connectors": [{"type": "modbus", "name": "bus", "configuration": "modbus.json"}],
    }
    slaves = {"master": {"slaves": [_unit(number, way, modbus) for number in range(1, units + 1)]}}
    logs = {"version": 1, "disable_existing_loggers": False, "root": {"level": "WARNING", "handlers": []}}
    for name, text in (("tb_gateway", general), ("modbus", slaves), ("logs", logs)):
        (config / f"{name}.json").write_text(json.dumps(text), encoding="utf-8")


def _unit(number: int, way: Way, port: int) -> dict[str, Any]:
    entry = {"type": "16uint", "functionCode": 3, "objectsCount": 1}
    each = [{"tag": f"r{n}", "address": n, **entry} for n in range(REGISTERS)]
    together = [{"tag": "r${address}", "address": f"0-{REGISTERS - 1}", **entry}]
    return {
        "host": "127.0.0.1",
        "port": port,
        "type": "tcp",
        "method": "socket",
        "unitId": number,
        "deviceName": f"u{number}",
        "timeout": 5,
        "byteOrder": "BIG",
        "wordOrder": "BIG",
        "pollPeriod": 1_000,
        "timeseries": together if way.ranges else each,
    }
