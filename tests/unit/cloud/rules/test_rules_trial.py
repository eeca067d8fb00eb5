"""Files that test rules."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from frostline_cloud.rules import trial as trial_module
from frostline_cloud.rules.trial import load_trial
from frostline_cloud.rules_cli import app
from frostline_core.errors import ConfigError

WARM = """
[[rule]]
id = "freezer-warm"
type = "threshold"
title = "Freezer too warm"
above = -15.0
for = "10m"
clear_for = "5m"
select = { kind = "cold_room", metric = "air_temperature" }
"""
WARMING = """
[[test]]
name = "a warm freezer"
series = { air_temperature = "-18x10 -9x15 -18x8" }
device = { kind = "cold_room" }
"""


def write(folder: Path, text: str, name: str = "warm.test.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def differences(path: Path) -> list[tuple[str, ...]]:
    return [result.differences for result in load_trial(path).run()]


def test_what_happens_as_expected_passes(tmp_path: Path) -> None:
    expected = '[test.expect]\nfreezer-warm = ["10m pending", "20m firing", "25m clearing", "30m resolved"]\n'
    assert differences(write(tmp_path, WARM + WARMING + expected)) == [()]


def test_what_happens_otherwise_is_shown_beside_what_is_expected(tmp_path: Path) -> None:
    expected = '[test.expect]\nfreezer-warm = ["10m pending", "21m firing", "25m clearing", "30m resolved"]\n'
    (found,) = differences(write(tmp_path, WARM + WARMING + expected))
    assert found == (
        "freezer-warm:", "  10m pending", "- 21m firing", "+ 20m firing", "  25m clearing", "  30m resolved",
    )  # fmt: skip


def test_alerts_alone_can_be_expected(tmp_path: Path) -> None:
    assert differences(write(tmp_path, WARM + WARMING + '[test.alerts]\nfreezer-warm = ["20m to 30m"]\n')) == [()]


def test_an_alert_that_lasts_to_the_end_has_no_end(tmp_path: Path) -> None:
    text = WARM + WARMING.replace(" -18x8", "") + '[test.alerts]\nfreezer-warm = ["1200s"]\n'
    assert differences(write(tmp_path, text)) == [()]


def test_a_rule_that_is_not_named_must_not_fire(tmp_path: Path) -> None:
    (found,) = differences(write(tmp_path, WARM + WARMING))
    assert found == ("freezer-warm:", "+ 20m to 30m")


def test_silence_fires_by_the_clock(tmp_path: Path) -> None:
    silent = """
    [[rule]]
    id = "silent"
    type = "absence"
    title = "Silent"
    max_silence = "15m"
    select = { metric = "air_temperature" }
    [[test]]
    name = "a gap"
    series = { air_temperature = "-18x10 _x30 -18x5" }
    [test.alerts]
    silent = ["24m to 40m"]
    """
    assert differences(write(tmp_path, silent)) == [()]


def test_rules_are_found_beside_the_test(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    write(tmp_path / "rules", WARM, "warm.toml")
    text = 'rules = ["rules"]\n' + WARMING + '[test.alerts]\nfreezer-warm = ["20m to 30m"]\n'
    assert differences(write(tmp_path, text)) == [()]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (WARM + WARMING + "[test.expect]\nfreezer-wrm = []\n", "no rule 'freezer-wrm' (did you mean 'freezer-warm'?)"),
        (WARM + WARMING + '[test.expect]\nfreezer-warm = ["10m hot"]\n', "a change is"),
        (WARM + WARMING + '[test.alerts]\nfreezer-warm = ["soon"]\n', "an alert is"),
        (WARM + WARMING.replace("device =", "devise ="), "test.0.devise: unknown key (did you mean 'device'?)"),
        (WARM + WARMING + "start = 2026-01-01T00:00:00\n", "needs its offset"),
        (WARMING, "name files or folders"),
    ],
)
def test_a_fault_of_the_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_trial(write(tmp_path, text))
    assert said in str(error.value)
    assert "warm.test.toml" in str(error.value)


def test_the_example_of_the_module_runs(tmp_path: Path) -> None:
    text = (trial_module.__doc__ or "").partition("```toml")[2].partition("```")[0]
    tomllib.loads(text)
    (tmp_path / "rules").mkdir()
    write(tmp_path / "rules", WARM, "warm.toml")
    assert differences(write(tmp_path, text)) == [()]


def test_the_command_says_how_many_failed_by_its_exit_code(tmp_path: Path) -> None:
    bad = write(tmp_path, WARM + WARMING, "bad.toml")
    good = write(tmp_path, WARM + WARMING + '[test.alerts]\nfreezer-warm = ["20m to 30m"]\n', "good.toml")
    run = CliRunner().invoke
    assert run(app, ["test", str(good)]).exit_code == 0
    failed = run(app, ["test", str(good), str(bad), "--json"])
    assert failed.exit_code == 1
    assert [each["passed"] for each in json.loads(failed.stdout)["results"]] == [True, False]


def test_check_names_file_rule_and_key(tmp_path: Path) -> None:
    path = write(tmp_path, WARM.replace("clear_for", "clear_fr"), "warm.toml")
    shown = CliRunner().invoke(app, ["check", str(tmp_path), "--json"])
    assert shown.exit_code == 1
    (fault,) = json.loads(shown.stdout)["faults"]
    assert (fault["file"], fault["rule"], fault["key"]) == (str(path), "freezer-warm", "clear_fr")
    assert "did you mean 'clear_for'" in fault["text"]


def test_check_takes_a_file_or_a_folder(tmp_path: Path) -> None:
    path = write(tmp_path, WARM, "warm.toml")
    for each in (path, tmp_path):
        shown = CliRunner().invoke(app, ["check", str(each)])
        assert (shown.exit_code, "ok: 1 rules" in shown.stdout) == (0, True)


def test_the_schema_is_of_a_file_and_demands_the_kind() -> None:
    found = json.loads(CliRunner().invoke(app, ["schema"]).stdout)
    assert list(found["properties"]) == ["rule"]
    kinds = found["properties"]["rule"]["items"]["discriminator"]["mapping"]
    assert {"threshold", "absence"} <= set(kinds)
    for where in kinds.values():
        assert "type" in found["$defs"][where.removeprefix("#/$defs/")]["required"]


def test_a_file_of_rules_says_what_it_is_and_what_to_do(tmp_path: Path) -> None:
    path = write(tmp_path, WARM, "warm.toml")

    with pytest.raises(ConfigError) as error:
        load_trial(path)

    said = str(error.value)
    assert said.startswith(f"{path}: holds rules and no tests of them: check it with `frostline rules check`")
    assert 'rules = ["warm.toml"] and [[test]] tables' in said
