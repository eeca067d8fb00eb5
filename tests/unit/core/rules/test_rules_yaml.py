"""YAML rule files: the same rules as in TOML; what readers of YAML differ about is refused with its line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from frostline_core.errors import ConfigError
from frostline_core.rules import load_files, load_folder
from frostline_core.rules.yaml_file import MOST_DEEP, read

WARM = """\
# Freezers
rule:
  - id: freezer-warm
    type: threshold
    title: Freezer too warm
    severity: critical
    above: -15.0
    hysteresis: 1
    for: 10m
    schedule:
      zone: Europe/Amsterdam
      hours: ["mon-fri 08:00-18:00"]
    suppress_while: [defrost_active, {metric: door_open, above: .5}]
    select: {metric: air_temperature, zone: freezer-*, labels: {country: "no"}}
  - id: silent
    type: absence
    title: No data
    max_silence: 1e3
    select:
      metric: [air_temperature, humidity]
"""
WARM_TOML = """
[[rule]]
id = "freezer-warm"
type = "threshold"
title = "Freezer too warm"
severity = "critical"
above = -15.0
hysteresis = 1
for = "10m"
schedule = { zone = "Europe/Amsterdam", hours = ["mon-fri 08:00-18:00"] }
suppress_while = ["defrost_active", { metric = "door_open", above = 0.5 }]
select = { metric = "air_temperature", zone = "freezer-*", labels = { country = "no" } }

[[rule]]
id = "silent"
type = "absence"
title = "No data"
max_silence = 1e3
select = { metric = ["air_temperature", "humidity"] }
"""


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        stem, _, suffix = name.rpartition("_")
        (folder / f"{stem}.{suffix}").write_text(text)
    return folder


def faults(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load_folder(path)
    return [line.removeprefix(f"{path}/") for line in str(raised.value).splitlines()]


@pytest.mark.parametrize("suffix", ["yaml", "yml"])
def test_yaml_and_toml_give_the_same_rules(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert (
        load_folder(write(tmp_path / "a", **{f"r_{suffix}": WARM})).version
        == load_folder(write(tmp_path / "b", r_toml=WARM_TOML)).version
    )


def test_a_folder_may_hold_both(tmp_path: Path) -> None:
    one, other = WARM_TOML.replace("freezer-warm", "one").replace("silent", "two"), WARM
    rules = load_folder(write(tmp_path, b_toml=one, a_yaml=other))
    assert [rule.id for rule in rules.rules] == ["freezer-warm", "silent", "one", "two"]


def test_an_empty_file_is_no_rules(tmp_path: Path) -> None:
    assert load_folder(write(tmp_path, a_yaml="# nothing yet\n")).rules == ()


def test_every_fault_is_named_with_file_line_rule_and_key(tmp_path: Path) -> None:
    wrong = WARM.replace("above: -15.0", "abov: -15.0").replace("zone: freezer", "zon: freezer")
    wrong = wrong.replace("type: absence", "type: absense")
    assert faults(write(tmp_path, a_yaml=wrong, b_yaml="rules: []\n", c_yaml="rule: {}\n")) == [
        "a.yaml:14: rule 'freezer-warm': select.zon: unknown key (did you mean 'zone'?)",
        "a.yaml:7: rule 'freezer-warm': abov: unknown key (did you mean 'above'?)",
        "a.yaml:16: rule 'silent': type: must be one of "
        "absence, breach, buffered, change, cycling, defrost, duty, exposure, levels, mkt, rate, setpoint, stock, "
        "stuck, threshold, not 'absense' (did you mean 'absence'?)",
        "b.yaml:1: rules: unknown key (did you mean 'rule'?); a rule file holds a list `rule`",
        "c.yaml:1: rule: must be a list of rules",
    ]


def test_a_key_that_is_missing_has_the_line_of_its_rule(tmp_path: Path) -> None:
    assert faults(
        write(tmp_path, a_yaml="rule:\n\n  - id: x\n    type: absence\n    title: X\n    max_silence: 1m\n")
    ) == ["a.yaml:3: rule 'x': select: Field required"]


def test_one_id_in_two_files_has_a_line(tmp_path: Path) -> None:
    found = faults(write(tmp_path, a_toml=WARM_TOML, b_yaml=WARM))
    assert found[1] == f"b.yaml:15: rule 'silent': id: is already used in {tmp_path}/a.toml"


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("no", "a flag in some readers"),
        ("On", "a flag in some readers"),
        ("True", "a flag in some readers"),
        ("y", "a flag in some readers"),
        ("12:30", "base 60"),
        ("190:20:30", "base 60"),
        ("010", "base 2, 8 or 16"),
        ("0x1F", "base 2, 8 or 16"),
        ("0o17", "base 2, 8 or 16"),
        ("1_000", "a number in some readers"),
        ("~", "no value"),
        ("null", "no value"),
        ("", "no value"),
        (".inf", "no finite number"),
        ("-.NaN", "no finite number"),
        ("1e999", "no finite number"),
        ("!!str 5", "tag:yaml.org,2002:str is not read"),
        ("&x 5", "anchors and aliases are not read"),
        ("*x", "anchors and aliases are not read"),
    ],
)
def test_what_readers_differ_about_is_refused_with_its_line(written: str, why: str) -> None:
    with pytest.raises(ConfigError, match=rf"^rules\.yaml:2: .*{why}"):
        read(f"# first\nkey: {written}\n", "rules.yaml")


@pytest.mark.parametrize("written", ["no", "12:30", "010", "1e3", "~", "true", "5"])
@pytest.mark.parametrize("mark", ['"', "'"])
def test_what_is_quoted_is_a_text(written: str, mark: str) -> None:
    assert read(f"key: {mark}{written}{mark}", "f").content == {"key": written}


@pytest.mark.parametrize(
    ("written", "value"),
    [("1e3", 1000.0), ("-15", -15), ("+.5", 0.5), ("3.", 3.0), ("0", 0), ("true", True), ("false", False)],
)
def test_plain_numbers_and_flags_are_what_they_look_like(written: str, value: object) -> None:
    found = read(f"key: {written}", "f").content["key"]
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize("written", ["10m", "mon-fri 08:00-18:00", "Europe/Amsterdam", "2026-01-31", "1.5.2", "nordic"])
def test_other_plain_words_are_texts(written: str) -> None:
    assert read(f"key: {written}", "f").content == {"key": written}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: 1\nb: 2\na: 3\n", "f:3: a: is given twice"),
        ("no: 1\n", "f:1: no: no is a flag in some readers"),
        ("1: x\n", "f:1: 1: a key is a text; quote it"),
        ("a: 1\n<<: {b: 2}\n", "f:2: `<<` is not read"),
        ("? [a]\n: 1\n", "f:1: a key is a plain word"),
        ("- 1\n", "f:1: must be a mapping"),
        ("a: 1\n---\nb: 1\n", "f:2: holds more than one document"),
        ("a: [1\nb: 2\n", "f:2: is not valid YAML"),
        ("a: 1\x07\n", "f: is not valid YAML"),
        ("a: " + "[" * (MOST_DEEP + 2) + "]" * (MOST_DEEP + 2), f"f:1: is nested deeper than {MOST_DEEP}"),
    ],
)
def test_what_is_no_rule_file_is_refused_with_its_line(text: str, fault: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(text, "f")
    assert str(raised.value).startswith(fault)
    assert "\n" not in str(raised.value)


_EXPONENT = re.compile(r"[-+]?[0-9.]+[eE][-+]?[0-9]+")
"""A text to YAML 1.1, where such a number has a point and a sign; a number to YAML 1.2, to JSON, and to us."""
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20).filter(
    lambda text: not _EXPONENT.fullmatch(text)
)
VALUES: Any = st.recursive(
    st.booleans() | st.integers(-(10**15), 10**15) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
@example({"<<": []})
def test_json_is_read_as_json(content: dict[str, Any]) -> None:
    assert read(json.dumps(content), "f").content == content


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_what_a_writer_of_yaml_writes_is_read_as_it_was_or_refused(content: dict[str, Any]) -> None:
    try:
        found = read(yaml.safe_dump(content, allow_unicode=True), "f").content
    except ConfigError:
        return
    assert found == content


def test_half_a_character_is_refused() -> None:
    with pytest.raises(ConfigError, match="f:1: holds half a character"):
        read('a: "\\ud800"', "f")


def test_a_file_that_is_read_alone_may_be_yaml(tmp_path: Path) -> None:
    write(tmp_path, a_yaml=WARM)
    assert len(load_files([tmp_path / "a.yaml"]).rules) == 2
