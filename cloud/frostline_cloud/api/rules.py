"""The rules that ingest evaluates, as they were read, their versions, and the schema of their files."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from frostline_cloud.api import pauses
from frostline_cloud.api.access import Operator, Viewer
from frostline_cloud.api.parameters import Text
from frostline_cloud.api.problems import conflicts, not_found, unfit
from frostline_cloud.api.services import Wired
from frostline_cloud.instant import Instant
from frostline_cloud.rules import (
    Change,
    RuleConflictError,
    RuleVersion,
    change_rule,
    create_rule,
    in_force,
    numbers,
    retire_rule,
    upcoming,
    versions,
)
from frostline_core import rules as core_rules
from frostline_core.errors import ConfigError

log = logging.getLogger("frostline.api")

router = APIRouter(tags=["rules"])
router.include_router(pauses.router)
RuleId = Annotated[Text, Path(description="The rule's id.")]
Table = Annotated[dict[str, Any], Body(description="The whole rule, with the keys of its file; see the schema.")]
EffectiveFrom = Annotated[
    Instant | None,
    Query(
        description="From when it counts, in the time of the samples: UTC milliseconds, or RFC 3339 with an offset; "
        "from now on if absent. What was measured before is judged as it was, however late it comes.",
    ),
]
IfMatch = Annotated[
    str, Header(max_length=40, description='The version that was seen, as the ETag of the rule has it: `"3"`.')
]


class RuleVersionOut(BaseModel):
    """One version of a rule."""

    model_config = ConfigDict(from_attributes=True)

    number: int = Field(description="1 for the first.")
    hash: str = Field(description="The same for the same content.")
    content: dict[str, Any] = Field(description="The rule with the keys of its file, without those at their default.")
    effective_ms: int = Field(description="From when it was, is or will be in force, UTC milliseconds.")
    retired_ms: int | None = Field(
        description="Until when; null where no end is known. Equal to the beginning: it was withdrawn before that."
    )
    author: str = Field(description="Who made it; empty for a file.")


class UpcomingOut(RuleVersionOut):
    """A version that is yet to come; its number as `If-Match` withdraws it."""

    rule: str = Field(description="The rule's id.")


class RulesOut(BaseModel):
    """Every rule that is in force, or to come."""

    version: str = Field(description="Changes when any rule does.")
    rules: list[dict[str, Any]] = Field(description="The rules, with the keys of their files; see the schema.")
    upcoming: list[UpcomingOut] = Field(description="Versions that are not yet in force, the next one first.")


class RuleVersionsOut(BaseModel):
    """Every version that a rule has had."""

    items: list[RuleVersionOut] = Field(description="The newest first.")


@router.get("/rules", summary="List rules")
def list_rules(services: Wired, _caller: Viewer) -> RulesOut:
    """Every rule in force, in the order of their files; then those made here, and what is yet to come."""
    now_ms = services.clock()
    with services.reading() as connection:
        found, next_ones = in_force(connection, services.rules, now_ms), upcoming(connection, services.rules, now_ms)
    return RulesOut(
        version=found.version,
        rules=[rule.model_dump(mode="json", by_alias=True) for rule in found.rules],
        upcoming=[UpcomingOut.model_validate(each) for each in next_ones],
    )


@router.post("/rules", summary="Put a new rule into force", status_code=HTTPStatus.CREATED)
def make_rule(
    services: Wired, caller: Operator, table: Table, response: Response, effective_from: EffectiveFrom = None
) -> RuleVersionOut:
    """Ingest goes by it within seconds, or from `effective_from` on, without a restart. The ETag is its version."""
    change = Change(services.clock(), caller.name, effective_from)
    with _refusals(), services.writing() as connection:
        made = create_rule(connection, services.rules, table, change)
    return _tagged(made, response)


@router.put("/rules/{rule_id}", summary="Change a rule that was made here")
def put_rule(  # noqa: PLR0913 - FastAPI's way
    services: Wired,
    caller: Operator,
    rule_id: RuleId,
    table: Table,
    if_match: IfMatch,
    response: Response,
    effective_from: EffectiveFrom = None,
) -> RuleVersionOut:
    """A new version, from now or `effective_from` on; `If-Match` says which one is changed.

    Rules of files are changed there. A version that is yet to come is withdrawn before another is made.
    """
    if table.get("id", rule_id) != rule_id:
        raise unfit("body.id", f"must be {rule_id}, or absent: incidents keep the id")
    wanted = {**table, "id": rule_id}
    change = Change(services.clock(), caller.name, effective_from)
    with _refusals(), services.writing() as connection:
        made = change_rule(connection, wanted, _number(if_match), change)
    return _tagged(made, response)


@router.delete("/rules/{rule_id}", summary="Take a rule that was made here out of force")
def delete_rule(services: Wired, caller: Operator, rule_id: RuleId, if_match: IfMatch) -> RuleVersionsOut:
    """Its alerts resolve, with that note; its versions stay, and are the answer.

    With the number of a version that is yet to come, that one is withdrawn, and the rule goes on as it is.
    """
    with _refusals(), services.writing() as connection:
        retire_rule(connection, rule_id, _number(if_match), services.clock())
        found = versions(connection, rule_id)
    log.info("rule '%s' is retired by %s", rule_id, caller.name)
    return RuleVersionsOut(items=[RuleVersionOut.model_validate(each) for each in found])


@router.get("/rules/schema", summary="Show the JSON schema of a rule")
def rules_schema(_caller: Viewer) -> dict[str, Any]:
    """JSON schema of one `[[rule]]` table, for editors and checks."""
    return core_rules.schema()


@router.get("/rules/{rule_id}", summary="Show one rule")
def show_rule(services: Wired, _caller: Viewer, rule_id: RuleId, response: Response) -> Any:
    """One rule with the keys of its file; the ETag is its version."""
    with services.reading() as connection:
        now_ms = services.clock()
        rule = in_force(connection, services.rules, now_ms).rule(rule_id)
        known = numbers(connection, [rule_id], now_ms)
    if rule is None:
        raise not_found(f"rule {rule_id}")
    if rule_id in known:
        response.headers["ETag"] = f'"{known[rule_id]}"'
    return rule.model_dump(mode="json", by_alias=True)


@router.get("/rules/{rule_id}/versions", summary="List the versions of a rule")
def rule_versions(services: Wired, _caller: Viewer, rule_id: RuleId) -> RuleVersionsOut:
    """What the rule was, and when; also of one that is no more."""
    with services.reading() as connection:
        found = versions(connection, rule_id)
    if not found:
        raise not_found(f"a version of rule {rule_id}")
    return RuleVersionsOut(items=[RuleVersionOut.model_validate(each) for each in found])


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        with conflicts(RuleConflictError):
            yield
    except ConfigError as error:
        raise unfit("body", str(error)) from error


def _number(tag: str) -> int:
    text = tag.strip().removeprefix("W/").strip('"')
    if not text.isdecimal() or len(text) > 9:
        raise unfit("header.if-match", 'is the number of a version, such as "3"')
    return int(text)


def _tagged(made: RuleVersion, response: Response) -> RuleVersionOut:
    response.headers["ETag"] = f'"{made.number}"'
    return RuleVersionOut.model_validate(made)
