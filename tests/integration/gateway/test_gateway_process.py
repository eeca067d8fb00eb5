"""The gateway's process against a real broker: births, stops, kills, full disks, and what it says of itself."""

from __future__ import annotations

import json
import resource
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from frostline_core.sparkplug import DeviceBorn, DeviceDied, NodeBorn, NodeDied
from frostline_gateway.run import UNCLEAN
from tests.integration.gateway.gateway_process import FIELD, Field, GatewayProcess, works
from tests.integration.gateway.uplink_host import TestHost
from tests.support.services import PATIENCE_S, Mosquitto, eventually, eventually_async, free_port

DEAD_BUS = '[[driver]]\ntype = "modbus"\nname = "bus-1"\nhost = "127.0.0.1"\nport = {port}\ntimeout_s = 0.5\n'
DEAD_UNIT = '[[driver.unit]]\nname = "room-9"\nunit = 1\nprofile = "danfoss_ekc202b"\nperiod_s = 0.5\n'


def _gateway(folder: Path, broker: Mosquitto, more: str = "", settings: str = "") -> GatewayProcess:
    return GatewayProcess(folder, broker.port, FIELD.format(port=broker.port) + more, settings)


def _account(gateway: GatewayProcess) -> dict[str, Any]:
    found: dict[str, Any] = gateway.status()["account"]
    return found


async def test_a_gateway_is_born_without_a_device_and_each_late_device_after_it(
    tmp_path: Path, fresh_mosquitto: Mosquitto
) -> None:
    dead = DEAD_BUS.format(port=free_port()) + DEAD_UNIT
    async with TestHost(fresh_mosquitto.port) as host:
        with _gateway(tmp_path, fresh_mosquitto, dead) as gateway, Field(fresh_mosquitto.port) as field:
            await eventually_async(lambda: host.seen(NodeBorn))
            works(gateway)
            field.says("room-1", temperature=-18.5)
            await eventually_async(lambda: host.values("air_temperature") == [-18.5])
            born = {event.device_view.id: event.device_view.description for event in host.seen(DeviceBorn)}
            assert born["room-1"].kind == "cold_room"
            assert born["room-1"].zone == "freezer-1"
            assert "room-9" not in born
            assert [each["name"] for each in gateway.status()["drivers"] if each["error"]] == ["bus-1"]


async def test_sigterm_says_goodbye_and_leaves_nothing_behind(tmp_path: Path, fresh_mosquitto: Mosquitto) -> None:
    async with TestHost(fresh_mosquitto.port) as host:
        with _gateway(tmp_path, fresh_mosquitto) as gateway, Field(fresh_mosquitto.port) as field:
            await eventually_async(lambda: host.seen(NodeBorn))
            works(gateway)
            field.says("room-1", temperature=-18.5)
            await eventually_async(lambda: host.values("air_temperature") == [-18.5])
            assert gateway.end(signal.SIGTERM) == 0
            await eventually_async(lambda: host.seen(NodeDied))
            assert host.seen(DeviceDied) == []
            assert not (tmp_path / "data" / "running").exists()
            assert "Traceback" not in gateway.said()
            gateway.start()
            works(gateway)
            assert UNCLEAN not in gateway.said()


async def test_what_is_read_while_the_cloud_is_away_arrives_later(tmp_path: Path, fresh_mosquitto: Mosquitto) -> None:
    with _gateway(tmp_path, fresh_mosquitto) as gateway, Field(fresh_mosquitto.port) as field:
        works(gateway)
        for i in range(20):
            field.says("room-1", temperature=float(i))
        eventually(lambda: _account(gateway)["pending"] >= 20)
        async with TestHost(fresh_mosquitto.port) as host:
            await eventually_async(lambda: host.values("air_temperature") == [float(i) for i in range(20)])
            await eventually_async(lambda: _account(gateway)["pending"] == 0)
        account = _account(gateway)
        assert account["residue"] == {"sampler": 0, "spool": 0}
        assert account["committed"] == account["kept"]


async def test_kill_9_keeps_the_spool_and_tells_of_the_moment_that_may_be_missing(
    tmp_path: Path, fresh_mosquitto: Mosquitto
) -> None:
    with _gateway(tmp_path, fresh_mosquitto) as gateway, Field(fresh_mosquitto.port) as field:
        works(gateway)
        begun_ms = int(time.time() * 1000)
        for i in range(10):
            field.says("room-1", temperature=float(i))
        eventually(lambda: gateway.status()["spool"]["rows"] >= 10)
        read_ms = time.time() * 1000
        gateway.end(signal.SIGKILL)
        gateway.start()
        async with TestHost(fresh_mosquitto.port) as host:
            await eventually_async(lambda: host.values("air_temperature") == [float(i) for i in range(10)])
            await eventually_async(lambda: host.sql.notices)
        (notice,) = host.sql.notices
        assert (notice["reason"], notice["samples"]) == (UNCLEAN, None)
        assert begun_ms <= notice["from_ms"] <= read_ms < notice["to_ms"], "the span holds the moment of the kill"
        assert _account(gateway)["residue"] == {"sampler": 0, "spool": 0}


def _small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (300 << 10, 300 << 10))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def test_a_full_disk_is_survived_and_said_in_words_a_person_can_use(tmp_path: Path, fresh_mosquitto: Mosquitto) -> None:
    gateway = _gateway(tmp_path, fresh_mosquitto, settings="[spool]\nmemory_rows = 200\nflush_s = 0.01")
    with gateway, Field(fresh_mosquitto.port) as field:
        gateway.end()
        gateway.start(_small_files)
        works(gateway)
        sent = 0
        while not gateway.status()["spool"]["error"]:
            assert sent < 20_000
            for _ in range(100):
                field.hurries("room-1", float(sent))
                sent += 1
            field.says("room-1", temperature=float(sent))
        status = gateway.status()
        assert str(tmp_path / "data" / "spool.db") in status["spool"]["error"]
        assert gateway.get("/healthz")[0] == 200
        for i in range(300):
            field.hurries("room-1", float(-i))
        eventually(lambda: _account(gateway)["lost"] > 0)
        assert _account(gateway)["residue"] == {"sampler": 0, "spool": 0}
        assert gateway.end() == 0
        assert "spool: takes no rows" in gateway.said()
        assert "stopped with samples in memory that the disk did not take" in gateway.said()
        gateway.start()
        assert UNCLEAN in gateway.said()


def test_status_is_told_by_the_process_and_without_it_by_the_spool(tmp_path: Path, fresh_mosquitto: Mosquitto) -> None:
    port = free_port()
    with _gateway(tmp_path, fresh_mosquitto) as gateway, Field(fresh_mosquitto.port) as field:
        works(gateway)
        gateway.end()
        text = gateway.config.read_text(encoding="utf-8")
        gateway.config.write_text(text.replace('"127.0.0.1:0"', f'"127.0.0.1:{port}"'), encoding="utf-8")
        gateway.start()
        works(gateway)
        field.says("room-1", temperature=1.0)
        eventually(lambda: gateway.status()["spool"]["rows"] >= 1)
        running = json.loads(gateway.command("status", "--json").stdout)
        assert (running["running"], running["uplink"]["host_online"]) == (True, False)
        assert "room-1" in {each["id"] for each in running["devices"]}
        gateway.end()
        down = json.loads(gateway.command("status", "--json").stdout)
        assert down["running"] is False
        assert down["account"]["pending"] >= 1
        assert down["spool"]["rows"] >= 1
        assert "not running" in gateway.command("status").stdout


def test_metrics_carry_the_account_and_its_residue(tmp_path: Path, fresh_mosquitto: Mosquitto) -> None:
    with _gateway(tmp_path, fresh_mosquitto) as gateway, Field(fresh_mosquitto.port) as field:
        works(gateway)
        field.says("room-1", temperature=1.0)
        eventually(
            lambda: 'frostline_device_online{device="room-1",kind="cold_room"} 1.0' in gateway.get("/metrics")[1]
        )
        code, text = gateway.get("/metrics")
        assert code == 200
        assert 'frostline_account_residue{hop="sampler"} 0.0' in text
        assert 'frostline_account_residue{hop="spool"} 0.0' in text
        assert "frostline_samples_read_total" in text
        assert 'frostline_driver_restarts_total{driver="field"} 0.0' in text
        assert gateway.get("/nothing")[0] == 404


def test_systemd_hears_ready_alive_and_stopping(
    tmp_path: Path, fresh_mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(PATIENCE_S)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "200000")
        with _gateway(tmp_path, fresh_mosquitto) as gateway:
            heard = [systemd.recv(100).decode() for _ in range(4)]
            assert sorted(set(heard)) == ["READY=1", "WATCHDOG=1"]
            gateway.end()
            while (last := systemd.recv(100).decode()) == "WATCHDOG=1":
                pass
            assert last == "STOPPING=1"


def test_check_shows_what_answers_and_fails_for_what_does_not(tmp_path: Path, fresh_mosquitto: Mosquitto) -> None:
    dead = DEAD_BUS.format(port=free_port()) + DEAD_UNIT
    gateway = _gateway(tmp_path, fresh_mosquitto, dead)
    found = gateway.command("check", "--json", "--timeout-s", "30")
    assert found.returncode == 1
    told = json.loads(found.stdout)
    assert told["field"]["error"] == ""
    assert "cannot connect" in told["room-9"]["error"]
    assert "room-9" in gateway.command("check", "--timeout-s", "30").stdout


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ('[uplnk]\nurl = "x"', "uplnk: unknown key (did you mean 'uplink'?)"),
        ("[spool]\nbudget_mb = 1", "spool.budget_mb: at least 8 MiB, or 0 for the default"),
    ],
)
def test_a_wrong_config_is_one_message_and_nothing_starts(
    tmp_path: Path, fresh_mosquitto: Mosquitto, settings: str, message: str
) -> None:
    gateway = _gateway(tmp_path, fresh_mosquitto, settings=settings)
    found = gateway.command("run")
    assert found.returncode == 2
    assert message in found.stderr
    assert "Traceback" not in found.stderr
    assert not (tmp_path / "data").exists()


def test_a_missing_secret_is_told_at_the_start(tmp_path: Path, fresh_mosquitto: Mosquitto) -> None:
    gateway = _gateway(tmp_path, fresh_mosquitto)
    text = gateway.config.read_text(encoding="utf-8")
    secret = 'keepalive_s = 30\nusername = "gw"\npassword = "${env:FROSTLINE_NOT_SET}"'
    gateway.config.write_text(text.replace("keepalive_s = 30", secret), encoding="utf-8")
    found = gateway.command("run")
    assert found.returncode == 2
    assert "uplink.password: the secret behind ${env:FROSTLINE_NOT_SET} is empty or not set" in found.stderr


def test_two_processes_do_not_share_a_spool(tmp_path: Path, fresh_mosquitto: Mosquitto) -> None:
    with _gateway(tmp_path, fresh_mosquitto) as gateway:
        second = gateway.command("run")
        assert second.returncode == 2
        assert "another" in second.stderr
        assert gateway.get("/healthz")[0] == 200
