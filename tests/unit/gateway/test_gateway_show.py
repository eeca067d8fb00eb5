"""What a person sees of a status and of a trial."""

from __future__ import annotations

import pytest

from frostline_core.reading import DataType, DeviceDescription, MetricDescription, Quality, Reading
from frostline_gateway.show import show_status, show_trial
from frostline_gateway.spool.rows import Account, AccountDelta
from frostline_gateway.status import account_document
from frostline_gateway.trial import Found

ROOM = DeviceDescription("room-1", "cold_room", "", (MetricDescription("air_temperature", DataType.DOUBLE, "Cel"),))


def test_a_trial_shows_value_unit_and_quality_or_why_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    good = Found("bus", ROOM, {"air_temperature": Reading("room-1", "air_temperature", -18.5, 1)})
    bad = Found("bus", ROOM, {"air_temperature": Reading("room-2", "air_temperature", None, 1, Quality.BAD)})
    show_trial({"room-1": good, "room-2": bad, "room-3": Found("bus", error="[Errno 111] refused")})
    shown = capsys.readouterr().out
    for text in ("-18.5", "°C", "GOOD", "BAD", "[Errno 111] refused"):
        assert text in shown


def test_a_status_of_the_spool_alone_says_that_nothing_runs(capsys: pytest.CaptureFixture[str]) -> None:
    account = account_document(Account(10, 7, 2, 1, 3, 2, {"over budget": 2}), AccountDelta())
    assert account["residue"] == {"sampler": 0, "spool": 0}
    spool = {"rows": 2, "bytes": 100, "budget_bytes": 1000, "oldest_ms": 0}
    show_status({"site": "s", "node": "n", "running": False, "account": account, "spool": spool})
    shown = capsys.readouterr().out
    assert "s/n: not running" in shown
    assert "oldest from 1970-01-01 00:00:00Z" in shown
    assert "read 10, kept 7, filtered 2, rejected 1, committed 3, pending 2, lost 2" in shown
    assert "lost 2: over budget" in shown


def test_a_status_of_a_running_gateway_names_what_fails(capsys: pytest.CaptureFixture[str]) -> None:
    show_status(
        {
            "site": "s",
            "node": "n",
            "running": True,
            "account": None,
            "spool": {"error": "the disk is full"},
            "uplink": {"connected": True, "born": False, "host_online": False, "last_error": "", "error": "no route"},
            "drivers": [{"name": "bus-1", "type": "modbus", "error": "cannot connect [1]"}],
            "devices": [{"id": "room-1", "kind": "cold_room", "online": False, "reason": "no answer [2]"}],
        }
    )
    shown = capsys.readouterr().out
    for text in ("the disk is full", "connected no route", "cannot connect [1]", "no answer [2]"):
        assert text in shown


def test_what_memory_holds_is_in_the_account() -> None:
    document = account_document(Account(10, 7, 2, 1, 7), AccountDelta(6, 4, 1, 1, {"disk": 3}))
    assert (document["read"], document["kept"], document["pending"], document["lost"]) == (16, 11, 1, 3)
    assert document["residue"] == {"sampler": 0, "spool": 0}
