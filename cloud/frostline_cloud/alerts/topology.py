"""Site, gateway, device: what is behind what, and so which alerts follow from another.

A gateway that is offline is one alert, and one site of which at least two gateways and half of all are offline is one
too. Absence alerts of a gateway that is offline, and alerts of gateways of a site that is offline, follow from those;
of several absence alerts of one device all follow from the gravest. What follows is open and shown, and is told only
if it lasts when its cause has ended. An alert of a gateway or site is as grave as the gravest that follows from it, so
that nothing critical waits behind a warning.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, select, tuple_

from frostline_cloud.alerts.lookout import report
from frostline_cloud.alerts.silences import Subject
from frostline_cloud.sql.tables import alert, handling, node
from frostline_core.rules import OPEN, Phase, RuleSet, Series, Severity, Transition, parse

EVERY_S: Final = 5.0
GATEWAY_RULE: Final = "frostline-gateway-offline"
SITE_RULE: Final = "frostline-site-offline"
ABSENCE: Final = "absence"
"""Type of the rules whose alerts follow from a gateway that is offline."""

SETTLE_MS: Final = 60_000
"""What followed from a gateway is not told for so long after it is back: its devices are about to report."""

FEWEST: Final = 2
"""Gateways of a site that must be offline before it is the site."""

_CHUNK = 200
_METRICS: Final = {GATEWAY_RULE: "offline", SITE_RULE: "gateways_offline"}
_BY_HAND: Final = ("shelved", "silenced")
_NodeKey = tuple[str, str]
_DeviceKey = tuple[str, str, str]


def _rule(rule_id: str, title: str, kind: str) -> dict[str, object]:
    chosen = {"kind": kind, "metric": _METRICS[rule_id]}
    return {
        "id": rule_id, "title": title, "type": "threshold", "severity": "warning", "above": 0.0, "select": chosen,
    }  # fmt: skip


_RULES: Final = RuleSet.of(
    [
        parse(_rule(GATEWAY_RULE, "Gateway is offline", "gateway"), "built in"),
        parse(_rule(SITE_RULE, "Site is offline", "site"), "built in"),
    ]
)


@dataclass(frozen=True, slots=True)
class _Finding:
    """Something that is offline.

    Attributes:
        rule: `GATEWAY_RULE` or `SITE_RULE`.
        series: What it is about.
        count: Gateways.
        severity: Of the gravest that follows from it.
        note: For people.
    """

    rule: str
    series: Series
    count: int
    severity: Severity
    note: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Rule, site and node."""
        return (self.rule, self.series.site, self.series.node)


def watch(engine: Engine, receivers: Sequence[str], after_ms: int, now_ms: int, besides: Collection[str] = ()) -> int:
    """Opens alerts of gateways and sites that are offline, and resolves those that are back; returns how many changed.

    Args:
        engine: SQL.
        receivers: Names of those who are told.
        after_ms: How long a gateway is offline before it is an alert, unless something of it is missed.
        now_ms: UTC.
        besides: Sites that are not watched.

    Raises:
        UnavailableError: SQL does not answer.
    """

    def find(connection: Connection) -> list[Transition]:
        return _changes(connection, after_ms, now_ms, besides)

    return report(engine, find, _RULES, receivers, now_ms)


@dataclass(frozen=True, slots=True)
class Causes:
    """What alerts may follow from, read at once.

    Attributes:
        nodes: Gateways that are offline.
        returned: Gateways that have just come back.
        sites: Sites with an open alert that they are.
        leads: Device to its gravest open absence alert: id, rank of its severity.
    """

    nodes: Collection[_NodeKey] = ()
    returned: Collection[_NodeKey] = ()
    sites: Collection[str] = ()
    leads: Mapping[_DeviceKey, tuple[str, int]] | None = None

    @classmethod
    def read(cls, connection: Connection, subjects: Iterable[Subject], now_ms: int) -> Causes:
        """The causes of these alerts; asks nothing where none of them can follow from another."""
        following = [each for each in subjects if each.rule_type == ABSENCE or each.rule == GATEWAY_RULE]
        if not following:
            return cls()
        offline = select(node.c.site, node.c.node).where(node.c.online.is_(False), node.c.birth.is_not(None))
        nodes = {(row.site, row.node) for row in connection.execute(offline)}
        young = select(node.c.site, node.c.node).where(node.c.online, node.c.birth_ms > now_ms - SETTLE_MS)
        returned = {(row.site, row.node) for row in connection.execute(young)}
        firing = (alert.c.rule == SITE_RULE, alert.c.state.in_([phase.value for phase in OPEN]))
        sites = set(connection.scalars(select(alert.c.site).where(*firing)))
        asked = [each for each in following if each.rule_type == ABSENCE and (each.site, each.node) not in nodes]
        devices = {(each.site, each.node, each.device) for each in asked}  # of the others the gateway is the cause
        return cls(nodes, returned, sites, _leads(connection, devices))

    def of(self, subject: Subject, *, followed: bool = False) -> str:
        """What an alert follows from, for people; "" for nothing. `followed`: it has done so until now."""
        if subject.rule == GATEWAY_RULE:
            return f"site {subject.site} is offline" if subject.site in self.sites else ""
        if subject.rule_type != ABSENCE:
            return ""
        if (subject.site, subject.node) in self.nodes:
            return f"gateway {subject.site}/{subject.node} is offline"
        if followed and (subject.site, subject.node) in self.returned:
            return f"gateway {subject.site}/{subject.node} has just come back"
        lead, rank = (self.leads or {}).get((subject.site, subject.node, subject.device), ("", -1))
        if lead and lead != subject.id and rank >= Severity(subject.severity).rank:
            return f"alert {lead} says that {subject.device} is silent"
        return ""


def _leads(connection: Connection, devices: Collection[_DeviceKey]) -> dict[_DeviceKey, tuple[str, int]]:
    """The absence alert that stands for each device: the gravest, of those the oldest; none that somebody quietened."""
    found: dict[_DeviceKey, tuple[str, int]] = {}
    listed = sorted(devices)
    key = tuple_(alert.c.site, alert.c.node, alert.c.device)
    joined = alert.outerjoin(handling, handling.c.id == alert.c.id)
    for start in range(0, len(listed), _CHUNK):
        query = select(alert, handling.c.muted).select_from(joined)
        query = query.where(key.in_(listed[start : start + _CHUNK]), alert.c.state == Phase.FIRING.value)
        for row in connection.execute(query.order_by(alert.c.fired_ms, alert.c.id)):
            subject = Subject.of(row)
            if subject.rule_type != ABSENCE or row.muted in _BY_HAND:
                continue
            rank = Severity(row.severity).rank
            device = (row.site, row.node, row.device)
            if rank > found.get(device, ("", -1))[1]:
                found[device] = (row.id, rank)
    return found


def _changes(connection: Connection, after_ms: int, now_ms: int, besides: Collection[str]) -> list[Transition]:
    found = {each.key: each for each in _findings(connection, after_ms, now_ms, besides)}
    known = _open(connection)
    changes = []
    for key, each in found.items():
        if key not in known:
            changes.append(_transition(each, Phase.OK, now_ms))
        elif each.severity.rank > Severity(known[key]).rank:
            changes.append(_transition(each, Phase.FIRING, now_ms))
    for rule, site, name in known:
        if (rule, site, name) not in found:
            over = Transition(rule, _series(rule, site, name), Phase.FIRING, Phase.RESOLVED, now_ms, 0.0, 0.0, "back")
            changes.append(over)
    return changes


def _findings(connection: Connection, after_ms: int, now_ms: int, besides: Collection[str]) -> list[_Finding]:
    columns = (node.c.site, node.c.node, node.c.online, node.c.birth_ms, node.c.death_ms)
    known = select(*columns).where(node.c.birth.is_not(None))  # without one it is retired
    rows = [row for row in connection.execute(known) if row.site not in besides]
    away = {(row.site, row.node): row.death_ms or row.birth_ms for row in rows if not row.online}
    if not away:
        return []
    missed = _missed(connection, away)
    due = {key for key, since_ms in away.items() if key in missed or now_ms - since_ms >= after_ms}
    due |= {(site, name) for rule, site, name in _open(connection) if rule == GATEWAY_RULE and (site, name) in away}
    found = [
        _Finding(GATEWAY_RULE, _series(GATEWAY_RULE, *key), 1, missed.get(key, Severity.WARNING), "nothing comes")
        for key in sorted(due)
    ]
    for site in sorted({site for site, _ in due}):
        those = [key for key in away if key[0] == site]
        count = sum(row.site == site for row in rows)
        if len(those) >= FEWEST and 2 * len(those) >= count:
            gravest = max((missed.get(key, Severity.WARNING) for key in those), key=_rank)
            note = f"{len(those)} of {count} gateways are offline"
            found.append(_Finding(SITE_RULE, _series(SITE_RULE, site, ""), len(those), gravest, note))
    return found


def _missed(connection: Connection, away: Collection[_NodeKey]) -> dict[_NodeKey, Severity]:
    """Gateways of which something is missed, and how grave the gravest of that is."""
    found: dict[_NodeKey, Severity] = {}
    sites = sorted({site for site, _ in away})
    for start in range(0, len(sites), _CHUNK):
        firing = (alert.c.state == Phase.FIRING.value, alert.c.site.in_(sites[start : start + _CHUNK]))
        for row in connection.execute(select(alert).where(*firing)):
            if (row.site, row.node) in away and Subject.of(row).rule_type == ABSENCE:
                known = found.get((row.site, row.node), Severity.WARNING)
                found[row.site, row.node] = max(known, Severity(row.severity), key=_rank)
    return found


def _open(connection: Connection) -> dict[tuple[str, str, str], str]:
    """Severity by rule, site and node."""
    states = [phase.value for phase in OPEN]
    query = select(alert.c.rule, alert.c.site, alert.c.node, alert.c.severity)
    query = query.where(alert.c.state.in_(states), alert.c.rule.in_([GATEWAY_RULE, SITE_RULE]))
    return {(row.rule, row.site, row.node): row.severity for row in connection.execute(query)}


def _transition(found: _Finding, before: Phase, now_ms: int) -> Transition:
    return Transition(
        found.rule, found.series, before, Phase.FIRING, now_ms, float(found.count), None, found.note,
        severity=found.severity,
    )  # fmt: skip


def _series(rule: str, site: str, name: str) -> Series:
    return Series(site, name, "", "gateway" if rule == GATEWAY_RULE else "site", "", _METRICS[rule])


def _rank(severity: Severity) -> Any:
    return severity.rank
