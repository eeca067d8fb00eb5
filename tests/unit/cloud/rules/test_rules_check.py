"""`frostline rules check` and `test` on YAML: faults with file, line, rule and key."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from frostline_cloud.rules_cli import app

WARM = """\
rule:
  - id: warm
    type: threshold
    title: Too warm
    above: -15.0
    for: 5m
    select: {metric: air_temperature}
"""
TEST = """\
rules: [rules.yaml]
test:
  - name: a warm freezer
    interval: 1m
    series: {air_temperature: "-18x10 -9x15 -18x8"}
    expect:
      warm: ["10m pending", "15m firing", "25m resolved"]
"""


def test_a_good_file_is_checked(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(WARM)
    found = CliRunner().invoke(app, ["check", str(tmp_path), "--json"])
    assert (found.exit_code, json.loads(found.stdout)["rules"]) == (0, 1)


def test_a_fault_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(WARM.replace("above", "abov"))
    found = CliRunner().invoke(app, ["check", str(path), "--json"])
    assert found.exit_code == 1
    assert json.loads(found.stdout)["faults"][-1] == {
        "file": str(path),
        "line": 5,
        "rule": "warm",
        "key": "abov",
        "text": "unknown key (did you mean 'above'?)",
    }


def test_a_fault_of_toml_has_none(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text('[[rule]]\nid = "warm"\ntype = "treshold"\n')
    found = CliRunner().invoke(app, ["check", str(path), "--json"])
    (fault,) = json.loads(found.stdout)["faults"]
    assert (fault["file"], fault["line"], fault["rule"], fault["key"]) == (str(path), 0, "warm", "type")


def test_rules_and_their_tests_may_be_yaml(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(WARM)
    (tmp_path / "tests.yaml").write_text(TEST)
    found = CliRunner().invoke(app, ["test", str(tmp_path / "tests.yaml")])
    assert (found.exit_code, found.stdout.splitlines()[-1]) == (0, "1 passed, 0 failed")
