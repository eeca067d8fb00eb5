"""Rule files and rule sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from frostline_core.errors import ConfigError
from frostline_core.rules import RuleSet, load_folder, parse, schema

WARM = """
[[rule]]
type = "threshold"
id = "freezer-warm"
title = "Freezer too warm"
severity = "critical"
select = { metric = "air_temperature", zone = "freezer-*" }
above = -15.0
hysteresis = 1
for = "10m"
"""
SILENT = """
[[rule]]
type = "absence"
id = "silent"
title = "No data"
select = { metric = "air_temperature" }
max_silence = 900
"""


def folder(path: Path, **files: str) -> Path:
    for name, content in files.items():
        (path / f"{name}.toml").write_text(content)
    return path


def test_a_folder_is_read_as_one_set(tmp_path: Path) -> None:
    rules = load_folder(folder(tmp_path, b=SILENT, a=WARM))

    assert [rule.id for rule in rules.rules] == ["freezer-warm", "silent"]


def test_a_rule_is_found_by_its_id(tmp_path: Path) -> None:
    rules = load_folder(folder(tmp_path, a=WARM))

    assert rules.rule("freezer-warm") is rules.rules[0]
    assert rules.rule("other") is None


def test_the_version_ignores_comments_and_order(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    one = load_folder(folder(tmp_path / "x", a=WARM, b=SILENT))
    two = load_folder(folder(tmp_path / "y", a="# new\n" + SILENT.replace("900", '"15m"') + WARM))

    assert one.version == two.version


def test_the_version_changes_with_a_limit(tmp_path: Path) -> None:
    before = load_folder(folder(tmp_path, a=WARM)).version
    after = load_folder(folder(tmp_path, a=WARM.replace("-15.0", "-15.5"))).version

    assert before != after


def test_every_fault_is_named_with_file_rule_and_key(tmp_path: Path) -> None:
    path = folder(
        tmp_path,
        a=WARM.replace("above", "abov"),
        b=SILENT.replace("900", '"soon"') + SILENT.replace("absence", "absense"),
        c="[[rules]]\n",
        d="[[rule]\n",
    )

    with pytest.raises(ConfigError) as raised:
        load_folder(path)

    lines = str(raised.value).splitlines()
    assert any("a.toml: rule 'freezer-warm': abov: unknown key (did you mean 'above'?)" in line for line in lines)
    assert any("b.toml: rule 'silent': max_silence: a duration is text" in line for line in lines)
    assert any("b.toml: rule 'silent': type: must be one of absence, " in line for line in lines)
    assert any("c.toml: rules: unknown key (did you mean 'rule'?)" in line for line in lines)
    assert any("d.toml: is not valid TOML" in line for line in lines)


def test_one_id_in_two_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"b\.toml: rule 'silent': id: is already used in .*a\.toml"):
        load_folder(folder(tmp_path, a=SILENT, b=SILENT))


def test_a_folder_that_is_absent_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a folder of rule files"):
        load_folder(tmp_path / "rules")


def test_one_id_twice_in_a_set_is_refused() -> None:
    rule = parse({"type": "absence", "id": "a", "title": "A", "select": {"metric": "m"}, "max_silence": 60}, "test")

    with pytest.raises(ConfigError, match="given twice"):
        RuleSet.of([rule, rule])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("above", True),
        ("above", "8"),
        ("above", float("nan")),
        ("above", float("inf")),
        ("hysteresis", -1.0),
        ("id", "Not A Slug"),
        ("severity", "fatal"),
        ("title", ""),
        ("below", 7.0),
    ],
)
def test_a_threshold_without_sense_is_refused(key: str, value: object) -> None:
    table: dict[str, object] = {
        "type": "threshold",
        "id": "a",
        "title": "A",
        "select": {"metric": "m"},
        "above": 8.0,
        "hysteresis": 1.0,
    }

    with pytest.raises(ConfigError, match="rule"):
        parse({**table, key: value}, "test.toml")


def test_a_threshold_needs_a_limit() -> None:
    with pytest.raises(ConfigError, match="give `above`, `below`, or both"):
        parse({"type": "threshold", "id": "a", "title": "A", "select": {"metric": "m"}}, "test.toml")


def test_a_rule_reads_back_from_its_own_json() -> None:
    table = {"type": "threshold", "id": "a", "title": "A", "select": {"metric": "m"}, "below": 2, "for": "90s"}
    rule = parse(table, "test")

    assert parse(rule.model_dump(mode="json", by_alias=True), "test") == rule


def test_the_schema_tells_kinds_apart_by_type() -> None:
    assert schema()["discriminator"]["propertyName"] == "type"
