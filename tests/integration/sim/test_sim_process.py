"""`frostline sim` as a process: it says when it is ready, stops cleanly and leaves the truth behind."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import ModbusTcpClient

from tests.support.services import PATIENCE_S, SPARE_S

SAMPLE = Path(str(files("frostline_sim") / "sample_world.toml"))


def command(*words: str) -> list[str]:
    return [sys.executable, "-c", "from frostline_core.cli import main; main()", "sim", *words]


@contextmanager
def process(*words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    with subprocess.Popen(command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            yield child, json.loads(child.stdout.readline())
        finally:
            child.kill()


def test_the_sample_world_is_ready_in_seconds_and_stops_with_the_truth_on_sigterm(tmp_path: Path) -> None:
    truth, ready_file = tmp_path / "truth.json", tmp_path / "ready.json"
    words = ["run", str(SAMPLE), "--speed", "60", "--seed", "7", "--truth", str(truth), "--ready-file", str(ready_file)]
    start = time.monotonic()
    with process(*words) as (child, ready):
        took_s = time.monotonic() - start
        assert json.loads(ready_file.read_text()) == ready
        client = ModbusTcpClient("127.0.0.1", port=ready["ports"]["bus-1"], timeout=PATIENCE_S)
        assert client.connect()  # type: ignore[no-untyped-call] # pymodbus has no annotation there
        assert not client.read_input_registers(0, count=2, device_id=20).isError()
        client.close()  # type: ignore[no-untyped-call] # nor there
        assert (Path(ready["paths"]["sysfs"]) / "bus/w1/devices").is_dir()
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0
    assert took_s < 10 + SPARE_S
    assert not Path(ready["paths"]["sysfs"]).exists()
    report = json.loads(truth.read_text())
    assert report["seed"] == 7
    assert report["served"]["meter-1"]["voltage_l1"]["count"] == 1


def test_a_wrong_world_is_one_message_and_exit_2(tmp_path: Path) -> None:
    world = tmp_path / "world.toml"
    world.write_text('[[cold_room]]\nname = "a"\nsetpoint = 3\n', encoding="utf-8")
    done = subprocess.run(command("run", str(world)), capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 2
    assert "cold_room.0.setpoint: unknown key (did you mean 'setpoint_c'?)" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("profile", "code", "told"), [("danfoss_ekc202b", 0, "correct"), ("danfos_ekc202b", 2, "did you mean")]
)
def test_check_looks_at_the_profiles_too(tmp_path: Path, profile: str, code: int, told: str) -> None:
    world = tmp_path / "world.toml"
    world.write_text(SAMPLE.read_text(encoding="utf-8").replace("danfoss_ekc202b", profile), encoding="utf-8")
    done = subprocess.run(command("check", str(world)), capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, told in done.stdout + done.stderr) == (code, True)


def test_the_printed_sample_is_the_file() -> None:
    done = subprocess.run(command("sample"), capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout == SAMPLE.read_text(encoding="utf-8")


def test_a_tree_that_can_no_longer_be_written_ends_the_world_with_one_message(tmp_path: Path) -> None:
    world, root = tmp_path / "world.toml", tmp_path / "sys"
    world.write_text(
        f'''
[[cold_room]]
name = "freezer"
setpoint_c = -20
[sysfs]
root = "{root}"
period_s = 0.1
[[sysfs.sensor]]
name = "28-0316a2795bff"
kind = "w1"
device = "freezer"
''',
        encoding="utf-8",
    )
    with process("run", str(world)) as (child, ready):
        assert ready["paths"]["sysfs"] == str(root)
        root.rename(tmp_path / "moved")
        root.write_text("a file where the tree was", encoding="utf-8")
        assert child.wait(60) == 2
        assert child.stderr is not None
        told = child.stderr.read()
    assert "sysfs: cannot write below" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_broker_listens_on_the_loopback_until_it_is_stopped(number: signal.Signals) -> None:
    with process("broker", "--port", "0") as (child, ready):
        port = ready["ports"]["mqtt"]
        socket.create_connection(("127.0.0.1", port), PATIENCE_S).close()
        child.send_signal(number)
        assert child.wait(60) == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), PATIENCE_S)
