"""The rules that ingest evaluates, as they were read, and the schema of their files."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from frostline_cloud.api.access import Viewer
from frostline_cloud.api.parameters import Text
from frostline_cloud.api.problems import not_found
from frostline_cloud.api.services import Wired
from frostline_core import rules as core_rules

router = APIRouter(tags=["rules"])


class RulesOut(BaseModel):
    """Every rule that is in force."""

    version: str = Field(description="Changes when any rule does.")
    rules: list[dict[str, Any]] = Field(description="The rules, with the keys of their files; see the schema.")


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
def show_rule(services: Wired, _caller: Viewer, rule_id: Annotated[Text, Path(description="The rule's id.")]) -> Any:
    """One rule with the keys of its file."""
    rule = services.rules.rule(rule_id)
    if rule is None:
        raise not_found(f"rule {rule_id}")
    return rule.model_dump(mode="json", by_alias=True)
