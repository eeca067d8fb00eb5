"""`frostline alerts` on a database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from frostline_cloud.alerts_cli import app
from frostline_core.errors import ConfigError
from tests.support.web import Cloud, seed

FREEZER = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def config(tmp_path: Path) -> str:
    services = Cloud().services(tmp_path)
    seed(services.engine, services.store)
    services.store.close()
    services.engine.dispose()
    path = tmp_path / "cloud.toml"
    path.write_text(f'[broker]\nurl = "mqtt://127.0.0.1"\n[sql]\nurl = "sqlite:///{tmp_path}/frostline.db"\n')
    return str(path)


def run(config: str, *words: str) -> str:
    done = CliRunner().invoke(app, [*words, "-c", config], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_acts_are_on_the_timeline(config: str) -> None:
    run(config, "acknowledge", FREEZER)
    run(config, "assign", FREEZER, "bob")
    run(config, "comment", FREEZER, "door was open")
    run(config, "shelve", FREEZER, "--reason", "parts", "--for", "2h")
    run(config, "unshelve", FREEZER)

    acts = [line.split("\t")[1] for line in run(config, "show", FREEZER).splitlines()[2:]]
    assert acts == ["acknowledge", "assign", "comment", "shelve", "unshelve"]


def test_open_alerts_are_listed_with_who_has_them(config: str) -> None:
    run(config, "assign", FREEZER, "bob")

    lines = run(config, "list").splitlines()

    assert len(lines) == 2
    assert lines[0].startswith(FREEZER)
    assert lines[0].endswith("\tbob")
    assert json.loads(run(config, "list", "--all", "--json").splitlines()[0])["id"] == FREEZER


def test_a_silence_is_added_listed_and_ended(config: str) -> None:
    said = run(config, "silence", "add", "site=ber*", "label.product=fish", "--reason", "moving racks", "--for", "1d")
    assert said.startswith("silence 1 until")
    assert json.loads(run(config, "silence", "list", "--json"))["matchers"] == {
        "site": "ber*",
        "label.product": "fish",
    }
    run(config, "silence", "end", "1")
    assert run(config, "silence", "list") == ""


def test_what_a_silence_would_cover_is_shown_before_it_is_made(config: str) -> None:
    found = json.loads(run(config, "silence", "preview", "device=freezer-*", "--json"))
    lines = run(config, "silence", "preview", "device=freezer-*").splitlines()

    assert [each["id"] for each in found["open"]] == [FREEZER]
    assert lines[0].startswith("covers 1 open alerts, ")
    assert lines[0].endswith(", 1 of 6 devices")
    assert run(config, "silence", "list") == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "x"), "no alert x"),
        (("assign", "x", "bob"), "no alert x"),
        (("shelve", FREEZER, "--reason", "parts", "--for", "2d"), "at most 24 h"),
        (("shelve", FREEZER, "--reason", "parts", "--for", "soon"), "--for soon"),
        (("silence", "add", "site", "--reason", "why"), "name=pattern"),
        (("silence", "add", "sight=x", "--reason", "why"), "no matcher 'sight'"),
        (("silence", "end", "7"), "no silence 7"),
    ],
)
def test_what_cannot_be_done_says_so(config: str, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        CliRunner().invoke(app, [*words, "-c", config], catch_exceptions=False)
