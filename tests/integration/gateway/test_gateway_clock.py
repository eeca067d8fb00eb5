"""The process on a machine that nobody has told the time."""

from __future__ import annotations

from pathlib import Path

import pytest

from frostline_gateway.machine_clock import synchronised
from tests.integration.gateway.gateway_process import FIELD, Field, GatewayProcess, works
from tests.integration.gateway.uplink_host import TestHost
from tests.support.services import Mosquitto, eventually, eventually_async

PATIENT = "[clock]\nwait_s = 31536000"
TRUSTING = '[clock]\ntrust = "always"'


async def test_readings_wait_on_the_disk_until_the_clock_is_believed(
    tmp_path: Path, fresh_mosquitto: Mosquitto
) -> None:
    if synchronised():
        pytest.skip("this machine's clock is synchronised")
    drivers = FIELD.format(port=fresh_mosquitto.port)
    async with TestHost(fresh_mosquitto.port) as host:
        with (
            GatewayProcess(tmp_path, fresh_mosquitto.port, drivers, PATIENT) as gateway,
            Field(fresh_mosquitto.port) as field,
        ):
            works(gateway)
            field.says("room-1", temperature=-18.5)
            eventually(lambda: gateway.status()["spool"]["waiting_samples"] >= 1)
            status = gateway.status()
            assert (status["clock"]["believed"], status["spool"]["rows"]) == (False, 0)
            assert "frostline_clock_believed 0.0" in gateway.get("/metrics")[1]
            assert gateway.end() == 0
            text = gateway.config.read_text(encoding="utf-8")
            gateway.config.write_text(text.replace(PATIENT, TRUSTING), encoding="utf-8")
            gateway.start()
            works(gateway)
            field.says("room-1", temperature=-18.0)
            await eventually_async(lambda: len(host.values("air_temperature")) >= 2)
            assert host.values("air_temperature")[:2] == [-18.5, -18.0]
            assert gateway.status()["account"]["residue"] == {"sampler": 0, "spool": 0}
            assert gateway.status()["spool"]["waiting_samples"] == 0
