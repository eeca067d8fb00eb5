"""Rule files: a folder of TOML with `[[rule]]` tables, or YAML with a list `rule`, checked as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from frostline_core import config
from frostline_core.config import nearest
from frostline_core.errors import ConfigError
from frostline_core.rules import yaml_file
from frostline_core.rules.model import RuleSet, parse
from frostline_core.rules.rule import Rule
from frostline_core.rules.yaml_file import Document

MAX_RULES = 10_000
"""The most rules that one folder may hold."""
SUFFIXES = (".toml", ".yaml", ".yml")
"""Of rule files; a folder's other files are none."""


def load_folder(path: Path) -> RuleSet:
    """Reads and checks every rule file of a folder; an empty folder is no rules.

    Raises:
        ConfigError: The folder is absent, or something does not fit; the message lists every fault with its file (and
            line, in YAML), rule and key.
    """
    if not path.is_dir():
        raise ConfigError(f"{path}: is not a folder of rule files; make it (it may be empty)")
    return load_files(sorted(each for each in path.iterdir() if each.suffix in SUFFIXES))


def load_files(files: Sequence[Path]) -> RuleSet:
    """Reads and checks rule files as one set.

    Raises:
        ConfigError: Something does not fit; the message lists every fault with its file (and line, in YAML), rule and
            key.
    """
    rules: list[Rule] = []
    faults: list[str] = []
    origin: dict[str, Path] = {}
    for file in files:
        for where, rule in _rules(file, faults):
            if rule.id in origin:
                faults.append(f"{where}: rule '{rule.id}': id: is already used in {origin[rule.id]}")
                continue
            origin[rule.id] = file
            rules.append(rule)
    if len(rules) > MAX_RULES:
        faults.append(f"{len(rules)} rules; the most is {MAX_RULES}")
    if faults:
        raise ConfigError("\n".join(faults))
    return RuleSet.of(rules)


def read(file: Path) -> Document:
    """What a file says, by its name TOML or YAML, unchecked; only YAML has lines.

    Raises:
        ConfigError: It is absent, unreadable, over 4 MiB, or not in that language.
    """
    if file.suffix in SUFFIXES[1:]:
        return yaml_file.read(config.text(file), str(file))
    return Document(config.read(file))


def _rules(file: Path, faults: list[str]) -> Iterator[tuple[str, Rule]]:
    """The rules of a file with their places; what does not fit is added to the faults."""
    try:
        document = read(file)
    except ConfigError as error:
        faults.append(str(error))
        return
    known, plain = document.content, file.suffix == ".toml"
    holds = "a rule file holds [[rule]] tables" if plain else "a rule file holds a list `rule`"
    for key in sorted(known.keys() - {"rule"}):
        place = _place(file, document, (key,))
        faults.append(f"{place}: {key}: unknown key{nearest(key, ['rule'])}; {holds}")
    tables = known.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        must = "must be [[rule]] tables" if plain else "must be a list of rules"
        faults.append(f"{_place(file, document, ('rule',))}: rule: {must}")
        return
    for number, table in enumerate(tables):
        try:
            yield _place(file, document, ("rule", number)), parse(table, str(file))
        except ConfigError as error:
            faults += [_placed(line, file, document, number, table) for line in str(error).splitlines()]


def _placed(fault: str, file: Path, document: Document, number: int, table: Mapping[str, Any]) -> str:
    """A fault with the line of the key that it names, where lines are known."""
    about = f"{file}: rule '{table.get('id', '(no id)')}': "
    key = fault.removeprefix(about).partition(": ")[0]
    path = [int(part) if part.isdecimal() else part for part in key.split(".")]
    return fault.replace(str(file), _place(file, document, ("rule", number, *path)), 1)


def _place(file: Path, document: Document, path: yaml_file.Path) -> str:
    line = document.line(path)
    return str(file) if line is None else f"{file}:{line}"
