"""The JSON schema of rule files, asked by a validator that is not ours: it takes what we take, and refuses faults."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from frostline_cloud.rules.schema import file_schema
from frostline_core.rules import load_folder
from frostline_core.rules.kinds import KINDS

ROOT = Path(__file__).parents[4]
FILES = sorted(
    path
    for path in (*ROOT.glob("deploy/**/*.toml"), *ROOT.glob("firmware-sim/**/rules/*.toml"))
    if "[[rule]]" in path.read_text(encoding="utf-8")
)
GOOD: dict[str, Any] = {
    "id": "warm",
    "type": "threshold",
    "title": "Too warm",
    "above": 8.0,
    "for": "10m",
    "select": {"metric": "air_temperature", "zone": ["a", "b-*"]},
}


@cache
def validator() -> Draft202012Validator:
    schema = file_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def faults(*tables: dict[str, Any]) -> list[str]:
    return [each.message for each in validator().iter_errors({"rule": list(tables)})]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_our_rule_files_fit(path: Path) -> None:
    text = re.sub(r"@\w+@", "60", path.read_text(encoding="utf-8"))  # the demo fills in its durations
    assert faults(*tomllib.loads(text)["rule"]) == []


def test_every_rule_of_the_documents_fits(tmp_path: Path) -> None:
    text = (ROOT / "docs/rules.md").read_text(encoding="utf-8")
    blocks = [block for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if "[[rule]]" in block]
    tables = [table for block in blocks for table in tomllib.loads(block).get("rule", [])]
    assert {table["type"] for table in tables} == set(KINDS)
    assert faults(*tables) == []


def test_a_file_in_yaml_fits_too(tmp_path: Path) -> None:
    text = "rule:\n  - {id: a, type: absence, title: A, max_silence: 15m, select: {metric: m}}\n"
    (tmp_path / "a.yaml").write_text(text)
    assert len(load_folder(tmp_path).rules) == 1
    assert list(validator().iter_errors(yaml.safe_load(text))) == []


def test_an_empty_file_fits() -> None:
    assert list(validator().iter_errors({})) == []


@pytest.mark.parametrize(
    "change",
    [
        {"abov": 8.0},
        {"above": "8"},
        {"above": True},
        {"severity": "fatal"},
        {"id": "Not A Slug"},
        {"title": ""},
        {"select": {}},
        {"select": {"metric": "m", "zon": "a"}},
        {"select": {"metric": []}},
        {"type": "treshold"},
        {"for": []},
        {"hysteresis": -1.0},
        {"suppress_while": [{"above": 1.0}]},
        {"schedule": {"zone": "UTC"}},
    ],
    ids=str,
)
def test_a_fault_is_found(change: dict[str, Any]) -> None:
    assert faults(GOOD) == []
    assert faults({**GOOD, **change})


@pytest.mark.parametrize("key", ["id", "type", "title", "select"])
def test_a_key_that_is_missing_is_found(key: str) -> None:
    assert faults({name: value for name, value in GOOD.items() if name != key})


def test_another_table_than_rules_is_found() -> None:
    assert list(validator().iter_errors({"rules": []}))
