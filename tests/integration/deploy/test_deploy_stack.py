"""The deployed configs as processes: simulator, gateway, broker, cloud, and InfluxDB 1 in the place of 2."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from tests.support.deployed import DEPLOY, DeployedMosquitto
from tests.support.services import PATIENCE_S, Influxd, eventually, free_port


def _config(folder: Path, name: str, changes: dict[str, str]) -> Path:
    text = (DEPLOY / name).read_text()
    for old, new in changes.items():
        assert old in text, f"{name}: {old}"
        text = text.replace(old, new)
    (folder / name).write_text(text)
    return folder / name


@contextmanager
def _process(log: Path, *arguments: str | Path) -> Iterator[None]:
    with log.open("wb") as out:
        command = [str(Path(sys.executable).with_name("frostline")), *map(str, arguments)]
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        yield
        assert process.poll() is None, log.read_text()
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def test_what_the_simulator_serves_arrives_in_the_database(influxd: Influxd, tmp_path: Path) -> None:
    influxd.create_database("deployed")
    bus, reader = free_port(), free_port()
    with ExitStack() as stack:
        broker = stack.enter_context(DeployedMosquitto(tmp_path))
        url = f"{broker.host}:{broker.port}"
        secrets, var = {"/run/secrets": str(tmp_path)}, {"/var/lib/frostline": str(tmp_path)}
        ports = {"5020": str(bus), "5084": str(reader)}
        world = _config(tmp_path, "world.toml", {"0.0.0.0": "127.0.0.1", **ports})  # noqa: S104 replaces it
        gateway = _config(
            tmp_path,
            "gateway.toml",
            {
                '"simulator"': '"127.0.0.1"',
                "mosquitto:1883": url,
                "/run/secrets/gateway_mqtt_password": f"{tmp_path}/gateways/harbour/gw-1",
                **ports,
                **var,
            },
        )
        cloud = _config(
            tmp_path,
            "cloud.toml",
            {
                'kind = "influxdb2"': 'kind = "influxdb1"',
                "http://influxdb:8086": influxd.url,
                'database = "frostline"\norg = "frostline"': 'database = "deployed"',
                'token = "${file:/run/secrets/influx_token}"\n': "",
                "mosquitto:1883": url,
                "0.0.0.0:8080": "127.0.0.1:0",
                'folder = "rules"': f'folder = "{DEPLOY}/rules"',
                **secrets,
                **var,
            },
        )
        stack.enter_context(_process(tmp_path / "sim.log", "sim", "run", world))
        stack.enter_context(_process(tmp_path / "cloud.log", "cloud", "run", "-c", cloud))
        stack.enter_context(_process(tmp_path / "gateway.log", "gateway", "run", "-c", gateway))

        def arrived() -> bool:
            query = 'SELECT last("air_temperature") FROM "cold_room" GROUP BY "site", "node", "device", "zone"'
            url, params = f"{influxd.url}/query", {"db": "deployed"}
            answer = httpx.post(url, params=params, data={"q": query}, timeout=PATIENCE_S).json()
            tags = [series["tags"] for series in answer["results"][0].get("series", ())]
            common = {"site": "harbour", "node": "gw-1"}
            return tags == [{**common, "device": room, "zone": room} for room in ("chiller-1", "freezer-1")]

        eventually(arrived, timeout_s=2 * PATIENCE_S, every_s=0.5)
