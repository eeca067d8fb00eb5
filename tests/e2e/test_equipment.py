"""One dead Modbus unit beside nine live ones: the nine keep their rhythm, and the dead one is said to be dead.

What rhythm the machine allows is seen beside them: another bus of the same gateway has nine units and no dead one.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.support.services import eventually
from tests.support.stack import Program, Stack

NODE = "gw-1"
PERIOD_S, WATCH_S = 0.5, 20.0
SHARE, SHARE_OF_EACH = 0.9, 0.5  # of the other bus's polls: all nine together, and each
BESIDE, APART, DEAD = range(1, 11), range(11, 20), 10
pytestmark = pytest.mark.timeout(600)


def world() -> str:
    rooms = "".join(f'[[cold_room]]\nname = "room-{n}"\nsetpoint_c = -20.0\n' for n in (*BESIDE, *APART))
    fault = f'[[fault]]\nat = "0s"\ntype = "device_silent"\ntarget = "room-{DEAD}"\n'
    return f"{rooms}{bus(1, BESIDE)}{bus(2, APART)}{fault}"


def bus(number: int, rooms: range) -> str:
    return f'[[modbus]]\nname = "bus-{number}"\n' + "".join(
        f'[[modbus.unit]]\nunit = {n}\ndevice = "room-{n}"\nprofile = "danfoss_ekc202b"\n' for n in rooms
    )


def driver(name: str, port: int, rooms: range) -> str:
    head = f'[[driver]]\ntype = "modbus"\nname = "{name}"\nhost = "127.0.0.1"\nport = {port}\ntimeout_s = 0.3\n'
    return head + "".join(
        f'[[driver.unit]]\nname = "room-{n}"\nunit = {n}\nprofile = "danfoss_ekc202b"\nperiod_s = {PERIOD_S}\n'
        for n in rooms
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
        ports = json.loads(ready.read_text())["ports"]
        stack.add_gateway(NODE, driver("beside", ports["bus-1"], BESIDE) + driver("apart", ports["bus-2"], APART))
        live = {f"room-{n}" for n in (*BESIDE, *APART) if n != DEAD}
        eventually(lambda: online(stack) == live)
        time.sleep(WATCH_S)
        assert f"room-{DEAD}" not in online(stack), "a device that never answered must not look alive"
        eventually(lambda: online(stack) == live)
    finally:
        field.stop()
    served = json.loads(truth.read_text())["served"]
    assert f"room-{DEAD}" not in served
    polls = {n: served[f"room-{n}"]["air_temperature"]["count"] for n in (*BESIDE, *APART) if n != DEAD}
    beside, apart = ([polls[n] for n in rooms if n != DEAD] for rooms in (BESIDE, APART))
    assert sum(beside) >= SHARE * sum(apart), polls
    assert min(beside) >= SHARE_OF_EACH * sum(apart) / len(apart), polls
