"""`frostline alerts close` and `export` on databases that no process has open."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from frostline_cloud.alerts_cli import app
from frostline_cloud.sql.tables import alert
from frostline_core.errors import ConfigError
from tests.support.web import NOW_MS, Cloud, seed

FREEZER = "00000000-0000-4000-8000-000000000000"
OVER = "00000000-0000-4000-8000-000000000002"
RULE = {"number": 3, "hash": "ab", "category": "compliance", "content": {"type": "threshold"}}


@pytest.fixture
def config(tmp_path: Path) -> str:
    """An alert about compliance is over."""
    services = Cloud().services(tmp_path)
    seed(services.engine, services.store)
    evidence = {"kind": "cold_room", "rule": RULE, "unit": "Cel", "limit": 8.0}
    times = {"opened_ms": NOW_MS - 3_600_000, "fired_ms": NOW_MS - 3_000_000, "resolved_ms": NOW_MS - 600_000}
    with services.writing() as connection:
        connection.execute(update(alert).where(alert.c.id == OVER).values(evidence=evidence, **times))
    services.store.close()
    services.engine.dispose()
    path = tmp_path / "cloud.toml"
    path.write_text(
        f'[broker]\nurl = "mqtt://127.0.0.1"\n[sql]\nurl = "sqlite:///{tmp_path}/frostline.db"\n'
        f'[store]\npath = "{tmp_path}/frostline.duckdb"\n'
    )
    return str(path)


def run(config: str, *words: str) -> str:
    done = CliRunner().invoke(app, [*words, "-c", config], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_closing_freezes_the_evidence(config: str) -> None:
    before = json.loads(run(config, "export", OVER))["evidence"]
    said = run(config, "close", OVER, "--cause", "door left open", "--disposition", "quarantine")
    after = json.loads(run(config, "export", OVER))

    assert said == f"{OVER} is closed, its evidence is frozen\n"
    assert after["alert"]["handling"]["disposition"] == "quarantine"
    assert before["frozen_ms"] is None
    assert after["evidence"]["frozen_ms"] == after["alert"]["handling"]["closed_ms"]
    assert after["evidence"] | {"frozen_ms": None} == before


def test_closing_says_what_it_did_as_json(config: str) -> None:
    shown = json.loads(run(config, "close", OVER, "--cause", "door", "--disposition", "release", "--json"))

    assert (shown["handling"]["cause"], shown["timeline"][-1]["act"]) == ("door", "close")


def test_samples_are_written_to_a_file(config: str, tmp_path: Path) -> None:
    run(config, "export", OVER, "--format", "csv", "-o", str(tmp_path / "samples.csv"))

    lines = (tmp_path / "samples.csv").read_bytes().split(b"\r\n")
    assert lines[0] == b"time,at_ms,value,unit,of_alert"
    assert len(lines) > 60


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("close", OVER), "cause and a disposition"),
        (("close", FREEZER, "--cause", "x"), "the alert is firing"),
        (("close", "x", "--cause", "x"), "there is no alert x"),
        (("export", "x"), "there is no alert x"),
        (("export", OVER, "-o", "/nowhere/x.json"), "--output /nowhere/x.json"),
    ],
)
def test_what_cannot_be_done_says_so(config: str, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        CliRunner().invoke(app, [*words, "-c", config], catch_exceptions=False)
