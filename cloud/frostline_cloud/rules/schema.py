"""The JSON schema of rule files, for editors."""

from __future__ import annotations

from typing import Any

from frostline_core.rules import schema

HINT = """\
Editors complete and check rule files with this schema, saved as rules.schema.json beside them:
  Taplo, and VS Code with Even Better TOML: first line of each file   #:schema ./rules.schema.json
  or for a whole folder in .taplo.toml:
    [[rule]]
    include = ["rules/*.toml"]
    schema = { path = "./rules.schema.json" }
  YAML language server: first line of each file   # yaml-language-server: $schema=./rules.schema.json"""


def file_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a rule file, TOML or YAML: a list `rule` of any kinds, and nothing else."""
    rule = schema()
    kinds: dict[str, Any] = rule.pop("$defs", {})
    for name in rule.get("discriminator", {}).get("mapping", {}).values():
        kind = kinds[name.removeprefix("#/$defs/")]
        kind["required"] = sorted({*kind.get("required", ()), "type"})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Frostline rules",
        "type": "object",
        "properties": {"rule": {"type": "array", "items": rule}},
        "additionalProperties": False,
        "$defs": kinds,
    }
