"""What the documents show runs as it is."""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from pathlib import Path

import pytest

from frostline_core import rules
from frostline_core.rules import load_folder
from frostline_core.rules.condition import Condition
from frostline_core.rules.kinds import KINDS


def test_the_readmes_rules_are_valid(tmp_path: Path) -> None:
    readme = (Path(rules.__file__).parent / "README.md").read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", readme, re.DOTALL)
    (tmp_path / "rules.toml").write_text(example)

    assert [rule.id for rule in load_folder(tmp_path).rules] == ["freezer-warm", "room-silent"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_rule_in_a_kinds_docstring_is_valid(kind: str, tmp_path: Path) -> None:
    text = inspect.getdoc(sys.modules[KINDS[kind].__module__]) or ""
    examples = re.findall(r"( +\[\[rule\]\]\n(?: +.*\n)+)", text)
    (tmp_path / "rules.toml").write_text("\n".join(textwrap.dedent(example) for example in examples))

    assert {rule.type for rule in load_folder(tmp_path).rules} == {kind}


@pytest.mark.parametrize("kind", KINDS)
def test_the_readme_lists_every_key_of_a_kind(kind: str) -> None:
    readme = (Path(rules.__file__).parent / "README.md").read_text()
    row = next(line for line in readme.splitlines() if line.startswith(f"| `{kind}`"))
    shared = Condition if issubclass(KINDS[kind], Condition) else rules.Rule
    own = KINDS[kind].model_fields.keys() - shared.model_fields.keys()

    assert {KINDS[kind].model_fields[name].alias or name for name in own} <= set(re.findall(r"`(\w+)`", row))


def test_the_readme_lists_every_key_that_conditions_share() -> None:
    readme = (Path(rules.__file__).parent / "README.md").read_text()
    table = readme[readme.index("## Keys that conditions share") : readme.index("## From ok to resolved")]
    own = Condition.model_fields.keys() - rules.Rule.model_fields.keys()

    assert {Condition.model_fields[name].alias or name for name in own} <= set(re.findall(r"^\| `(\w+)`", table, re.M))
