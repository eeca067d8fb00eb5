"""`frostline alerts close` and `export` while a process has the databases: by its API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from frostline_cloud.alerts_cli import app
from frostline_cloud.sql.tables import alert
from frostline_core.errors import ConfigError, UnavailableError
from tests.support.web_process import Server, running

OVER = "00000000-0000-4000-8000-000000000002"
RULE = {"number": 3, "hash": "ab", "category": "compliance", "content": {"type": "threshold"}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An alert about compliance is over."""
    with running(tmp_path_factory.mktemp("cloud")) as started:
        evidence = {"kind": "cold_room", "rule": RULE, "unit": "Cel"}
        with started.engine.begin() as connection:
            connection.execute(update(alert).where(alert.c.id == OVER).values(evidence=evidence))
        yield started


@pytest.fixture
def options(server: Server, tmp_path: Path) -> list[str]:
    """What every command is given."""
    folder = Path(str(server.engine.url.database)).parent
    (tmp_path / "token").write_text(server.token)
    (tmp_path / "cloud.toml").write_text(
        f'[broker]\nurl = "mqtt://127.0.0.1"\n[sql]\nurl = "sqlite:///{folder}/frostline.db"\n'
        f'[store]\npath = "{folder}/frostline.duckdb"\n'
    )
    return ["-c", str(tmp_path / "cloud.toml"), "--api", server.url, "--token-file", str(tmp_path / "token")]


def run(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_an_alert_is_closed_and_exported_through_the_process(options: list[str]) -> None:
    with pytest.raises(ConfigError, match="409: an alert about compliance"):
        run("close", OVER, *options)
    closed = json.loads(run("close", OVER, "--cause", "door", "--disposition", "destroy", "--json", *options))
    everything = json.loads(run("export", OVER, *options))
    lines = run("export", OVER, "--format", "csv", *options).splitlines()
    assert closed["handling"]["closed_by"] == "anna"
    assert everything["alert"]["handling"]["disposition"] == "destroy"
    assert lines[0] == "time,at_ms,value,unit,of_alert"
    assert len(lines) == len(everything["evidence"]["samples"]) + 1


def test_without_the_api_a_store_that_is_in_use_is_told_with_the_way(options: list[str]) -> None:
    with pytest.raises((ConfigError, UnavailableError), match="export through that: --api"):
        run("export", "00000000-0000-4000-8000-000000000000", *options[:2])


def test_an_alert_that_is_not_there_is_told(options: list[str]) -> None:
    with pytest.raises(ConfigError, match="404"):
        run("export", "nope", "--format", "csv", *options)
