"""The gateway: 50 Modbus units, 1,000 registers a second, a spool on disk and a live uplink; CPU, memory, bytes.

Twice: as delivered, and packed: rows wait for each other for 5 s, and messages go out compressed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.bench import process
from tests.bench.modbus_units import REGISTERS
from tests.support.services import PATIENCE_S, Mosquitto, eventually, free_port
from tests.support.sockets import end

UNITS, SECONDS = 50, 20.0
LOCAL_RULE = """
[[rule]]
id = "r{n}"
type = "threshold"
title = "A limit that is never reached"
above = {above}
where = "gateway"
output = "lamp"
select = {{ metric = "*" }}
"""
GATEWAY_CORE, OTHER_CORE = 0, 1
_COMMITS_S = 0.5
"""In which a group that was being committed has been."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What is tried.

    Attributes:
        units: Modbus units of 20 registers, each read once a second.
        seconds: How long it is measured.
        local_rules: Rules on every series, evaluated on the gateway.
        flush_s: How long rows wait for each other; 0: as delivered.
        compression: Of messages, where rows wait.
    """

    units: int = UNITS
    seconds: float = SECONDS
    local_rules: int = 0
    flush_s: float = 0.0
    compression: str = "none"

    @property
    def config(self) -> str:
        """Lines behind [uplink]; none where nothing differs from what is delivered."""
        if not self.flush_s:
            return ""
        return f'compression = "{self.compression}"\n[spool]\nflush_s = {self.flush_s}\nflush_rows = 2000\n'


def measure() -> dict[str, Any]:
    """What one gateway costs in steady state, with the embedded cloud on the other core."""
    return cost(Setup()) | {"packed": cost(Setup(flush_s=5.0, compression="deflate"))}


def part(options: list[str]) -> dict[str, Any]:
    """`--local-rules N`: with so many rules on every series, evaluated on the gateway; `--packed`: only that.

    Raises:
        SystemExit: Other options.
    """
    if options == ["--packed"]:
        return cost(Setup(flush_s=5.0, compression="deflate"))
    if len(options) != 2 or options[0] != "--local-rules" or not options[1].isdecimal():
        sys.exit("usage: python -m tests.bench edge [--local-rules N | --packed]")
    return cost(Setup(local_rules=int(options[1])))


def cost(setup: Setup) -> dict[str, Any]:
    """What one gateway costs in that setup."""
    with tempfile.TemporaryDirectory(prefix="frostline-bench-") as name:
        folder = Path(name)
        (folder / "mosquitto").mkdir()
        (folder / "rules").mkdir()
        (folder / "local").mkdir()
        rules = "".join(LOCAL_RULE.format(n=n, above=70_000.0 + n) for n in range(setup.local_rules))
        (folder / "local" / "rules.toml").write_text(rules)
        with _Counting(folder / "mosquitto") as broker:
            port = free_port()
            command = [sys.executable, "-m", "tests.bench.modbus_units", str(setup.units), str(port)]
            with subprocess.Popen(command) as field:
                process.pin(field.pid, OTHER_CORE)
                process.pin(broker.pid, OTHER_CORE)
                try:
                    return _gateway(folder, broker, port, setup)
                finally:
                    field.kill()


def _gateway(folder: Path, broker: Mosquitto, modbus: int, setup: Setup) -> dict[str, Any]:
    http = free_port()
    command = ["cloud", "run", "-c", str(_cloud(folder, broker))]
    with process.ended(process.frostline(command, OTHER_CORE, folder / "cloud.log")):
        began = time.monotonic()
        command = ["gateway", "run", "-c", str(_config(folder, broker, (modbus, http), setup))]
        with process.ended(process.frostline(command, GATEWAY_CORE, folder / "gateway.log")) as gateway:
            eventually(lambda: _status(http)["account"]["kept"] > 0)
            first_s = time.monotonic() - began
            eventually(lambda: _status(http)["uplink"]["born"])
            committed, wire = _committed(http), _received(broker)
            before = _status(http)["account"]
            cpu, disk, at = process.cpu_s(gateway.pid), process.written_bytes(gateway.pid), time.monotonic()
            time.sleep(setup.seconds)
            eventually(lambda: _status(http)["account"]["read"] > before["read"])
            after = _status(http)["account"]
            used_s, disk_bytes = process.cpu_s(gateway.pid) - cpu, process.written_bytes(gateway.pid) - disk
            took_s = time.monotonic() - at
            committed, sent = _committed(http) - committed, _received(broker) - wire
            kept, read = after["kept"] - before["kept"], after["read"] - before["read"]
            return {
                "units": setup.units,
                "registers_per_s": round(read / took_s),
                "samples_kept_per_s": round(kept / took_s),
                "cpu_percent": round(used_s / took_s * 100, 2),
                "rss_mib": round(process.rss_mib(gateway.pid), 1),
                "first_sample_s": round(first_s, 2),
                "wire_bytes_per_sample": round(sent / committed, 1),
                "disk_mb_per_day": round(disk_bytes / took_s * 86_400 / 1e6, 1),
                "not_committed": after["pending"],
            }


def _status(port: int) -> dict[str, Any]:
    try:
        found: dict[str, Any] = httpx.get(f"http://127.0.0.1:{port}/status", timeout=PATIENCE_S).json()
    except (httpx.HTTPError, json.JSONDecodeError):
        return {"account": {"kept": 0, "read": 0, "committed": 0}, "uplink": {"born": False}}
    return found


class _Counting(Mosquitto):
    """Says each second what it has received."""

    def command(self) -> list[str]:
        """Adds the interval."""
        command = super().command()
        config = Path(command[-1])
        config.write_text(f"{config.read_text()}\nsys_interval 1\n")
        return command


def _committed(port: int) -> int:
    """Samples committed, just after a group of them was: what is on the way then is as little as can be."""
    before = _status(port)["account"]["committed"]
    eventually(lambda: _status(port)["account"]["committed"] > before)
    time.sleep(_COMMITS_S)
    return int(_status(port)["account"]["committed"])


def _received(broker: Mosquitto) -> int:
    """Bytes that the broker has received, by its own count, which it publishes each second: waits for a new one."""
    found: list[int] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda _client, _data, message: found.append(int(message.payload))
    client.connect(broker.host, broker.port)
    client.subscribe("$SYS/broker/bytes/received")
    client.loop_start()
    try:
        eventually(lambda: len(found) > 1)  # the first is the retained one
    finally:
        end(client)
    return found[-1]


def _config(folder: Path, broker: Mosquitto, ports: tuple[int, int], setup: Setup) -> Path:
    modbus, http = ports
    points = "".join(
        f'[[points]]\nname = "r{n}"\ntable = "holding"\naddress = {n}\ntype = "uint16"\n' for n in range(REGISTERS)
    )
    profile = folder / "bench.toml"
    profile.write_text(f'id = "bench"\nkind = "bench"\ntitle = "Bench"\nsource = "this bench"\n{points}')
    each = "".join(
        f'[[driver.unit]]\nname = "u{n}"\nunit = {n}\nprofile = "{profile}"\nperiod_s = 1.0\n'
        for n in range(1, setup.units + 1)
    )
    config = folder / "gateway.toml"
    config.write_text(
        f'site = "bench"\nnode = "g"\ndata_dir = "{folder / "data"}"\n[uplink]\nurl = "{broker.url}"\n{setup.config}'
        f'[http]\nlisten = "127.0.0.1:{http}"\n{_local(folder)}'
        f'[[driver]]\ntype = "modbus"\nname = "bus"\nhost = "127.0.0.1"\nport = {modbus}\n{each}'
    )
    return config


def _local(folder: Path) -> str:
    """The output and the folder of local rules; nothing where there are none."""
    if not (folder / "local" / "rules.toml").read_text():
        return ""
    return f'[rules]\nfolder = "{folder / "local"}"\n[[output]]\nname = "lamp"\nfile = "{folder / "lamp"}"\n'


def _cloud(folder: Path, broker: Mosquitto) -> Path:
    config = folder / "cloud.toml"
    config.write_text(
        f'[broker]\nurl = "{broker.url}"\n[store]\npath = "h.duckdb"\n[sql]\nurl = "sqlite:///c.db"\n'
        f'[http]\nlisten = "127.0.0.1:{free_port()}"\ndemo_open = true\n'
    )
    return config
