"""Ingest and the web side as two processes that meet only in SQL and InfluxDB."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.edge_node import EdgeNode, now_ms, room
from tests.support.services import Influxd, Mosquitto, eventually, free_port
from tests.support.stack import Program

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def web(tmp_path: Path, mosquitto: Mosquitto, influxd: Influxd) -> Iterator[httpx.Client]:
    influxd.create_database("apart")
    (tmp_path / "rules").mkdir()
    text = (
        f'[broker]\nurl = "{mosquitto.url}"\nhost_id = "frostline"\n'
        f'[store]\nkind = "influxdb1"\nurl = "{influxd.url}"\ndatabase = "apart"\n[sql]\nurl = "sqlite:///apart.db"\n'
    )
    ports = {"ingest": free_port(), "serve": free_port()}
    with ExitStack() as ends:
        for name, port in ports.items():
            config = tmp_path / f"{name}.toml"
            config.write_text(f'{text}[http]\nlisten = "127.0.0.1:{port}"\ndemo_open = true\n', encoding="utf-8")
            program = Program(name, ["cloud", name, "-c", str(config)], tmp_path)
            program.start()
            ends.callback(program.stop)
        yield ends.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{ports['serve']}", timeout=60))


def answer(web: httpx.Client, path: str) -> Any:
    try:
        found = web.get(path)
    except httpx.HTTPError:
        return None
    return found.json() if found.is_success else None


def test_the_web_side_shows_what_ingest_takes_in(web: httpx.Client, mosquitto: Mosquitto) -> None:
    eventually(lambda: answer(web, "/readyz"), 90)
    with EdgeNode(mosquitto.host, mosquitto.port, "gw-apart", proved=False) as edge:
        edge.wait_for_host()
        edge.birth([room()])
        edge.data("freezer-1", {"air_temperature": -20.5}, now_ms())

        def value() -> Any:
            devices = answer(web, "/api/v1/devices") or {"items": []}
            return [v["value"] for d in devices["items"] for v in d["values"] if not v["stale"]]

        eventually(lambda: value() == [-20.5])
