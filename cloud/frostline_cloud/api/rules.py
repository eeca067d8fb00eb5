"""The rules that ingest evaluates, as they were read, their versions, and the schema of their files."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from frostline_cloud.api import pauses
from frostline_cloud.api.access import Viewer
from frostline_cloud.api.parameters import Text
from frostline_cloud.api.problems import not_found
from frostline_cloud.api.services import Wired
from frostline_cloud.rules import versions
from frostline_core import rules as core_rules

router = APIRouter(tags=["rules"])
router.include_router(pauses.router)
RuleId = Annotated[Text, Path(description="The rule's id.")]


class RulesOut(BaseModel):
    """Every rule that is in force."""

    version: str = Field(description="Changes when any rule does.")
    rules: list[dict[str, Any]] = Field(description="The rules, with the keys of their files; see the schema.")


class RuleVersionOut(BaseModel):
    """One version of a rule."""

    model_config = ConfigDict(from_attributes=True)

    number: int = Field(description="1 for the first.")
    hash: str = Field(description="The same for the same content.")
    content: dict[str, Any] = Field(description="The rule with the keys of its file, without those at their default.")
    effective_ms: int = Field(description="From when it was in force, UTC milliseconds.")
    retired_ms: int | None = Field(description="Until when; null while it is.")
    author: str = Field(description="Who made it; empty for a file.")


class RuleVersionsOut(BaseModel):
    """Every version that a rule has had."""

    items: list[RuleVersionOut] = Field(description="The newest first.")


@router.get("/rules", summary="List rules")
def list_rules(services: Wired, _caller: Viewer) -> RulesOut:
    """Every rule in force, in the order of their files."""
    return RulesOut(
        version=services.rules.version,
        rules=[rule.model_dump(mode="json", by_alias=True) for rule in services.rules.rules],
    )


@router.get("/rules/schema", summary="Show the JSON schema of a rule")
def rules_schema(_caller: Viewer) -> dict[str, Any]:
    """JSON schema of one `[[rule]]` table, for editors and checks."""
    return core_rules.schema()


@router.get("/rules/{rule_id}", summary="Show one rule")
def show_rule(services: Wired, _caller: Viewer, rule_id: RuleId) -> Any:
    """One rule with the keys of its file."""
    rule = services.rules.rule(rule_id)
    if rule is None:
        raise not_found(f"rule {rule_id}")
    return rule.model_dump(mode="json", by_alias=True)


@router.get("/rules/{rule_id}/versions", summary="List the versions of a rule")
def rule_versions(services: Wired, _caller: Viewer, rule_id: RuleId) -> RuleVersionsOut:
    """What the rule was, and when; also of one that is no more."""
    with services.reading() as connection:
        found = versions(connection, rule_id)
    if not found:
        raise not_found(f"a version of rule {rule_id}")
    return RuleVersionsOut(items=[RuleVersionOut.model_validate(each) for each in found])
