"""The account, looked at each minute: what does not add up is an alert like any other.

Three things are watched for each gateway: samples without a fate (received is not written + dead-lettered + duplicate,
per UTC day, so that two errors cannot cancel each other), readings without one by its own account (read is not kept +
filtered + rejected, or kept is not committed + pending + lost), and runs whose tail may be lost because the gateway no
longer has them. None of it ever happens while all is well; each resolves by itself when it is explained.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, func, select

from frostline_cloud.alerts import lookout
from frostline_cloud.sql import ledger, told
from frostline_cloud.sql.ledger import NodeKey
from frostline_cloud.sql.tables import account, alert
from frostline_core.rules import OPEN, Phase, RuleSet, Series, Transition, parse

EVERY_S = 60.0
RULE = "frostline-account"
RESIDUE = "samples_unexplained"
UNREAD = "readings_unexplained"
DOUBT = "runs_in_doubt"

_RULES = RuleSet.of(
    [
        parse(
            {
                "id": RULE,
                "title": "The account does not add up",
                "type": "threshold",
                "severity": "critical",
                "above": 0.0,
                "select": {"kind": "gateway", "metric": [RESIDUE, UNREAD, DOUBT]},
            },
            "built in",
        )
    ]
)
_NOTES = {
    RESIDUE: "samples were received and have no fate: report this, it is an error of ours",
    UNREAD: "the gateway counted readings that have no fate: report this, it is an error of ours",
    DOUBT: "the gateway no longer has runs that were not committed to their end: what they held may be lost",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look at one gateway found.

    Attributes:
        node: Site and node.
        metric: `RESIDUE`, `UNREAD` or `DOUBT`.
        amount: Samples or readings without a fate, or runs in doubt; never 0.
    """

    node: NodeKey
    metric: str
    amount: int


def audit(engine: Engine, receivers: Sequence[str], now_ms: int) -> int:
    """Opens alerts for what is found, and resolves those whose cause is gone; returns how many changed.

    Args:
        engine: SQL.
        receivers: Names of those who are told.
        now_ms: UTC.

    Raises:
        UnavailableError: SQL does not answer.
    """
    return lookout.report(engine, lambda connection: _changes(connection, now_ms), _RULES, receivers, now_ms)


def findings(connection: Connection) -> list[Finding]:
    """Everything that does not add up now."""
    unread = (Finding(key, UNREAD, amount) for key, amount in told.unexplained(connection).items())
    return [*_residues(connection), *unread, *_doubts(connection)]


def _residues(connection: Connection) -> Iterator[Finding]:
    residue = account.c.received - account.c.written - account.c.dead_lettered - account.c.duplicate
    query = select(account.c.site, account.c.node, func.sum(func.abs(residue)).label("amount")).where(residue != 0)
    for row in connection.execute(query.group_by(account.c.site, account.c.node)):
        yield Finding((row.site, row.node), RESIDUE, int(row.amount))


def _doubts(connection: Connection) -> Iterator[Finding]:
    return (Finding(key, DOUBT, amount) for key, amount in ledger.doubtful(connection).items())


def _changes(connection: Connection, now_ms: int) -> list[Transition]:
    found = {(each.node, each.metric): each.amount for each in findings(connection)}
    opened = _open(connection)
    new = [(key, amount) for key, amount in found.items() if key not in opened]
    over = [key for key in opened if key not in found]
    return [
        *(_transition(key, Phase.OK, Phase.FIRING, amount, now_ms) for key, amount in new),
        *(_transition(key, Phase.FIRING, Phase.RESOLVED, 0, now_ms) for key in over),
    ]


def _open(connection: Connection) -> Mapping[tuple[NodeKey, str], None]:
    states = [phase.value for phase in OPEN]
    query = select(alert.c.site, alert.c.node, alert.c.metric).where(alert.c.rule == RULE, alert.c.state.in_(states))
    return {((row.site, row.node), row.metric): None for row in connection.execute(query)}


def _transition(key: tuple[NodeKey, str], before: Phase, after: Phase, amount: int, now_ms: int) -> Transition:
    (site, node), metric = key
    note = _NOTES[metric] if after is Phase.FIRING else "explained"
    series = Series(site, node, "", "gateway", "", metric)
    return Transition(RULE, series, before, after, now_ms, float(amount), 0.0, note)
