"""A gateway on a link that is paid by the byte: 12 metrics of one device each minute over TLS.

A minute is played in half a second. Bytes are those that TLS hands to TCP, both ways together, and, estimated, with the
headers of TCP/IPv4: 52 bytes for each packet and as many for its acknowledgement. Pings are computed, since a played
minute has none.
"""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Stream
from frostline_core.sparkplug import Metric, Payload, encode
from frostline_gateway.devices import Devices
from frostline_gateway.spool import Spool
from frostline_gateway.spool.rows import AccountDelta, NewRow
from frostline_gateway.uplink import SYSTEM_CLOCKS, Uplink
from frostline_gateway.uplink_config import UplinkConfig
from tests.integration.gateway.uplink_host import TestHost
from tests.support.proxy import TcpProxy
from tests.support.services import Mosquitto, binary, eventually_async, free_port

METRICS, MINUTES, MINUTE_S = 12, 60, 0.5
_HEADERS, _PING = 52, 2 + 22
"""IPv4 and TCP with time stamps; a PINGREQ or PINGRESP in a record of TLS 1.3."""
_DAY_MINUTES, _DAY_S = 1440, 86_400


@dataclass(frozen=True, slots=True)
class Way:
    """How samples are sent."""

    burst_minutes: int = 0
    keepalive_s: int = 30
    compression: str = "none"


WAYS = {
    "at_once": Way(),
    "at_once_compressed": Way(compression="deflate"),
    "bursts_of_10_minutes": Way(10, 300),
    "bursts_compressed": Way(10, 300, "deflate"),
}


class TlsMosquitto(Mosquitto):
    """Plain for the host, and TLS with a certificate of its own making."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.tls_port = free_port()

    def command(self) -> list[str]:
        """Adds the second listener."""
        command = super().command()
        key, cert = self.folder / "key.pem", self.folder / "cert.pem"
        make = [binary("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        subprocess.run([*make, *name, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
        config = Path(command[-1])
        secure = f"listener {self.tls_port} 127.0.0.1\ncertfile {cert}\nkeyfile {key}\n"
        config.write_text(f"{config.read_text()}\n{secure}")
        return command


def measure(minutes: int = MINUTES) -> dict[str, Any]:
    """Megabytes a day, with samples sent as they come and in bursts of ten minutes, plain and compressed."""
    with tempfile.TemporaryDirectory(prefix="frostline-bench-") as name:
        folder = Path(name)
        with TlsMosquitto(folder) as broker:
            found = {name: asyncio.run(_played(broker, folder, minutes, way)) for name, way in WAYS.items()}
    return {"metrics_each_minute": METRICS, **found}


async def _played(broker: TlsMosquitto, folder: Path, minutes: int, way: Way) -> dict[str, Any]:
    proxy = TcpProxy("127.0.0.1", broker.tls_port)
    async with TestHost(broker.port) as host, proxy:
        config = UplinkConfig.model_validate(
            {
                "url": f"mqtts://localhost:{proxy.port}",
                "ca_file": str(broker.folder / "cert.pem"),
                "burst_s": way.burst_minutes * MINUTE_S,
                "compression": way.compression,
                "keepalive_s": 600,
            }
        )
        with Spool.open(folder / f"{way.burst_minutes}-{way.compression}.db", 1 << 24, SYSTEM_CLOCKS.utc_ms) as spool:
            uplink = Uplink(config, "site", "gw", spool, _devices(), _follow, chance=lambda: 0.1)
            task = asyncio.create_task(uplink.run())
            await eventually_async(lambda: uplink.status().born)
            handshake = proxy.forwarded_bytes
            began = time.monotonic()
            for minute in range(minutes):
                await asyncio.sleep(max(0.0, began + minute * MINUTE_S - time.monotonic()))
                spool.append([_row(minute)], AccountDelta(METRICS, METRICS))
            await eventually_async(lambda: len(host.values("m0")) >= minutes, 60)
            sent = proxy.forwarded_bytes - handshake
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    packets = 2 * minutes if not way.burst_minutes else 2 * (minutes // way.burst_minutes)
    pings = _DAY_S / way.keepalive_s * (2 * _PING + 3 * _HEADERS)
    tls = sent / minutes * _DAY_MINUTES
    headers = packets / minutes * _DAY_MINUTES * 2 * _HEADERS
    return {
        "tls_bytes_per_sample": round(sent / minutes / METRICS, 1),
        "session_start_bytes": handshake,
        "mb_per_day": round((tls + headers + pings) / 1e6, 2),
    }


def _devices() -> Devices:
    found = Devices()
    metrics = tuple(MetricDescription(f"m{n}", DataType.DOUBLE, "Cel") for n in range(METRICS))
    found.born(DeviceDescription("room-1", "cold_room", "freezer-1", metrics), SYSTEM_CLOCKS.utc_ms())
    return found


def _row(minute: int) -> NewRow:
    at_ms = SYSTEM_CLOCKS.utc_ms()
    metrics = (Metric(f"m{n}", None, at_ms, DataType.DOUBLE, minute / 10 + n) for n in range(METRICS))
    return NewRow(Stream.SAMPLES, "room-1", encode(Payload(at_ms, None, tuple(metrics))), METRICS, at_ms, at_ms)


async def _follow(_: object) -> None:
    return
