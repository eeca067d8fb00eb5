"""Two gateways under one name: an alert like any other.

Each side sees what the other cannot. A gateway notices that its sessions are taken over, and tells so by the metric
`identity_conflict`, which a built-in rule watches as it does any sample: a warning, since a poor mobile link looks the
same to it. Ingest notices births of two spools (`sql.clones`), also where their MQTT clients have different names; a
job looks for those, and they are critical, since nothing else looks like that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, Engine, select

from frostline_cloud.alerts import lookout
from frostline_cloud.ingest.series import NODE_KIND
from frostline_cloud.sql import clones, read_only, translated
from frostline_cloud.sql.changes import NodeKey
from frostline_cloud.sql.clones import Seen
from frostline_cloud.sql.tables import alert
from frostline_core.diary import CONFLICT
from frostline_core.rules import OPEN, Phase, RuleSet, Series, Severity, Transition, parse

EVERY_S: Final = 15.0
RULE: Final = "frostline-identity"
BIRTHS: Final = "births_of_two"
OVER_MS: Final = 3_600_000
"""Births of one gateway alone for so long, or none: it is over."""

_TITLE: Final = "Two gateways use one identity"
_NOTE: Final = (
    "births of two spools come under this name: another gateway has the same site and node in its configuration, or"
    " runs from a copy of this disk"
)
_RULE: Final = parse(
    {
        "id": RULE,
        "title": _TITLE,
        "type": "threshold",
        "severity": "warning",
        "above": 0.5,
        "select": {"kind": NODE_KIND, "metric": [CONFLICT, BIRTHS]},
    },
    "built in",
)
_RULES: Final = RuleSet.of([_RULE])


def with_identity(rules: RuleSet) -> RuleSet:
    """The rules, and the built-in one on what gateways tell.

    Raises:
        ConfigError: A rule of the operator has its id.
    """
    return RuleSet.of([*rules.rules, _RULE])


def watch(engine: Engine, receivers: Sequence[str], now_ms: int) -> int:
    """Opens alerts where births of two came, and resolves those that are over; returns how many changed.

    Args:
        engine: SQL.
        receivers: Names of those who are told.
        now_ms: UTC.

    Raises:
        UnavailableError: SQL does not answer.
    """
    changed = lookout.report(engine, lambda connection: _changes(connection, now_ms), _RULES, receivers, now_ms)
    with translated("SQL"), read_only(engine).connect() as connection:
        is_over = bool(_over(connection, now_ms))
    if is_over:
        with translated("SQL"), engine.begin() as connection:
            clones.forget(connection, _over(connection, now_ms))
    return changed


def _changes(connection: Connection, now_ms: int) -> list[Transition]:
    found = {(each.site, each.node) for each in clones.seen(connection) if now_ms - each.at_ms < OVER_MS}
    states = [phase.value for phase in OPEN]
    of_births = (alert.c.rule == RULE, alert.c.metric == BIRTHS, alert.c.state.in_(states))
    known = {(row.site, row.node) for row in connection.execute(select(alert.c.site, alert.c.node).where(*of_births))}
    return [
        *(_transition(key, Phase.OK, Phase.FIRING, now_ms) for key in sorted(found - known)),
        *(_transition(key, Phase.FIRING, Phase.RESOLVED, now_ms) for key in sorted(known - found)),
    ]


def _over(connection: Connection, now_ms: int) -> list[Seen]:
    return [each for each in clones.seen(connection) if now_ms - each.at_ms >= OVER_MS]


def _transition(key: NodeKey, before: Phase, after: Phase, now_ms: int) -> Transition:
    fires = after is Phase.FIRING
    series = Series(*key, "", NODE_KIND, "", BIRTHS)
    note = _NOTE if fires else "births of one only"
    return Transition(RULE, series, before, after, now_ms, float(fires), 0.5, note, severity=Severity.CRITICAL)
