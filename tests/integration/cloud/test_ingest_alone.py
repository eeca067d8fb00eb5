"""`frostline cloud ingest` as a process: it can be watched, and goes on where it cannot."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.edge_node import EdgeNode
from tests.support.services import PATIENCE_S, READY_S, Mosquitto, eventually, free_port
from tests.support.stack import Program


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def program(tmp_path: Path, mosquitto: Mosquitto, port: int) -> Iterator[Program]:
    (tmp_path / "rules").mkdir()
    config = tmp_path / "cloud.toml"
    config.write_text(
        f'[broker]\nurl = "{mosquitto.url}"\n[store]\npath = "history.duckdb"\n[sql]\nurl = "sqlite:///frostline.db"\n'
        f'[http]\nlisten = "127.0.0.1:{port}"\ndemo_open = true\n',
        encoding="utf-8",
    )
    made = Program("ingest", ["cloud", "ingest", "-c", str(config)], tmp_path)
    yield made
    made.stop()


def answers(port: int, path: str) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_S).is_success
    except httpx.HTTPError:
        return False


def test_it_serves_health_and_its_own_figures(program: Program, port: int) -> None:
    program.start()
    eventually(lambda: answers(port, "/readyz"), READY_S)
    figures = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S).text
    assert "frostline_ingest_online 1.0" in figures
    assert "frostline_ready 1.0" in figures
    assert answers(port, "/healthz")


def test_it_takes_data_in_even_where_its_port_is_taken(program: Program, port: int, mosquitto: Mosquitto) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        program.start()
        eventually(lambda: "no /metrics" in program.text(), READY_S)
        with EdgeNode(mosquitto.host, mosquitto.port, "gw-alone") as edge:
            eventually(lambda: edge.session.may_birth)
        assert program.running
