"""One dead Modbus unit beside nine live ones: the nine keep their rhythm, and the dead one is said to be dead."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from tests.support.services import eventually
from tests.support.stack import Program, Stack

NODE = "gw-1"
PERIOD_S, WATCH_S = 0.5, 20.0
SHARE = 0.75 if os.environ.get("CI") else 0.95  # of the polls; a busy machine misses some for its own reasons
DEAD = "room-10"
pytestmark = pytest.mark.timeout(400)


def world() -> str:
    rooms = "".join(f'[[cold_room]]\nname = "room-{n}"\nsetpoint_c = -20.0\n' for n in range(1, 11))
    units = "".join(
        f'[[modbus.unit]]\nunit = {n}\ndevice = "room-{n}"\nprofile = "danfoss_ekc202b"\n' for n in range(1, 11)
    )
    fault = f'[[fault]]\nat = "0s"\ntype = "device_silent"\ntarget = "{DEAD}"\n'
    return f'{rooms}[[modbus]]\nname = "bus-1"\n{units}{fault}'


def driver(port: int) -> str:
    head = f'[[driver]]\ntype = "modbus"\nname = "bus"\nhost = "127.0.0.1"\nport = {port}\ntimeout_s = 0.3\n'
    return head + "".join(
        f'[[driver.unit]]\nname = "room-{n}"\nunit = {n}\nprofile = "danfoss_ekc202b"\nperiod_s = {PERIOD_S}\n'
        for n in range(1, 11)
    )


def online(stack: Stack) -> set[str]:
    return {each["device"] for each in stack.api("devices")["items"] if each["online"]}


def test_nine_live_units_keep_their_polls_beside_a_dead_one(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "world.toml").write_text(world(), encoding="utf-8")
    ready, truth = tmp_path / "ready.json", tmp_path / "truth.json"
    arguments = ["sim", "run", str(tmp_path / "world.toml"), "--ready-file", str(ready), "--truth", str(truth)]
    field = Program("world", arguments, tmp_path)
    field.start()
    try:
        eventually(ready.exists)
        port = json.loads(ready.read_text())["ports"]["bus-1"]
        stack.add_gateway(NODE, driver(port))
        live = {f"room-{n}" for n in range(1, 10)}
        eventually(lambda: online(stack) == live)
        began = time.monotonic()
        time.sleep(WATCH_S)
        due = (time.monotonic() - began) / PERIOD_S
        assert online(stack) == live, "a device that never answered must not look alive"
    finally:
        field.stop()
    served = json.loads(truth.read_text())["served"]
    polls = {room: served[room]["air_temperature"]["count"] for room in live}
    assert min(polls.values()) >= SHARE * due, f"{polls} of {due:.0f} polls"
    assert DEAD not in served
