"""What needs somebody now: faults of the system, open alerts, and whatever nothing is known of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from frostline_cloud.alerts import Handling, Incident
from frostline_cloud.alerts.mute import Mute
from frostline_cloud.alerts.topology import GATEWAY_RULE
from frostline_cloud.console.front.card import Card
from frostline_cloud.console.front.facts import Facts
from frostline_cloud.console.links import TO_CLOSE, alert_page, device_page, gateway_page
from frostline_cloud.console.words import unknown

_RANK: Final = {"critical": 0, "warning": 1, "info": 2}
_NAMED_MOST: Final = 5


@dataclass(frozen=True, slots=True)
class Need:
    """Something that somebody should look at: an open alert, or something that is silent.

    Attributes:
        alert: The alert's id, where it is one and can be acknowledged.
        severity: `critical`, `warning`, `info` or `silent`.
        state: The alert's state, or `offline`, `silent` or `fault`.
        age_ms: Since when; None where that is not known.
        seen: Who acknowledged it; "" for nobody.
        link: The page that says more; "" for none.
        unknown: That nothing is known of what it watches, and since when; "" while samples come.
    """

    alert: str | None
    severity: str
    state: str
    text: str
    where: str
    age_ms: int | None
    seen: str
    link: str = ""
    unknown: str = ""


def needs(facts: Facts, cards: Sequence[Card]) -> list[Need]:
    """All of them, the most urgent first."""
    return [
        *_faults(facts),
        *_alerts(facts),
        *_refusals(facts),
        *_unsent(facts),
        *_absent(facts),
        *_silent(cards, facts),
        *_to_close(facts),
    ]


def rank(severity: str) -> int:
    """0 is the gravest."""
    return _RANK.get(severity, len(_RANK))


def _alerts(facts: Facts) -> list[Need]:
    """Open alerts, the worst first, then the oldest; what somebody has seen or quietened comes after what nobody has.

    What follows from another alert is one line for each cause.
    """
    ordered = sorted(facts.alerts, key=lambda each: _order(each, _handling(facts, each)))
    following: dict[str, list[Incident]] = {}
    found = []
    for each in ordered:
        handled = _handling(facts, each)
        if handled.muted == Mute.INHIBITED:
            following.setdefault(handled.muted_by or "", []).append(each)
        else:
            found.append(_need(each, handled, facts.now_ms))
    return found + [_followers(cause, those, facts.now_ms) for cause, those in following.items()]


def _order(each: Incident, handled: Handling) -> tuple[bool, int, int, str]:
    quiet = each.acknowledged_ms is not None or handled.muted is not None
    return (quiet, rank(each.severity), each.opened_ms, each.id)


def _need(each: Incident, handled: Handling, now_ms: int) -> Need:
    told = "" if handled.muted is None else f", {handled.muted} by {handled.muted_by}"
    who = "" if handled.assignee is None else f", assigned to {handled.assignee}"
    return Need(
        alert=each.id,
        severity=each.severity,
        state=f"{each.state}{told}{who}",
        text=each.summary,
        where=" · ".join(dict.fromkeys(part for part in (each.site, each.zone, each.device) if part)),
        age_ms=max(0, now_ms - (each.fired_ms or each.opened_ms)),
        seen=each.acknowledged_by or "",
        link=alert_page(each.id),
        unknown=unknown(each.no_data_since_ms, now_ms),
    )


def _followers(cause: str, those: Sequence[Incident], now_ms: int) -> Need:
    oldest = min(each.fired_ms or each.opened_ms for each in those)
    many = "1 alert follows" if len(those) == 1 else f"{len(those)} alerts follow"
    devices = dict.fromkeys(each.device or each.node for each in those)
    named = ", ".join(list(devices)[:_NAMED_MOST])
    more = f" and {len(devices) - _NAMED_MOST} more" if len(devices) > _NAMED_MOST else ""
    worst = min((each.severity for each in those), key=rank)
    text = f"{many} from this: {cause}"
    return Need(None, worst, "not told", text, f"{named}{more}", max(0, now_ms - oldest), "")


def _handling(facts: Facts, each: Incident) -> Handling:
    return facts.handled.get(each.id) or Handling(each.id)


def _to_close(facts: Facts) -> list[Need]:
    if not facts.to_close:
        return []
    many = "1 alert" if facts.to_close == 1 else f"{facts.to_close} alerts"
    text = f"{many} about compliance: over, and waiting for cause and disposition"
    return [Need(None, "info", "to close", text, "close them on their pages", None, "", link=TO_CLOSE)]


def _refusals(facts: Facts) -> list[Need]:
    """Gateways whose outputs do not follow the rules that the cloud has."""
    return [
        Need(
            alert=None,
            severity="warning",
            state="refused",
            text=f"Gateway refuses its local rules and goes on with those of before: {each.reason}",
            where=f"{each.site} · {each.node}",
            age_ms=max(0, facts.now_ms - each.at_ms),
            seen="",
            link=gateway_page(each.site, each.node),
        )
        for each in facts.refusals
    ]


def _unsent(facts: Facts) -> list[Need]:
    """Gateways that do not get the rules that the cloud has."""
    return [
        Need(
            alert=None,
            severity="warning",
            state="not sent",
            text=f"Gateway goes on with its local rules of before: {reason}",
            where=f"{site} · {node}",
            age_ms=None,
            seen="",
            link=gateway_page(site, node),
        )
        for (site, node), reason in sorted(facts.unsent.items())
    ]


def _faults(facts: Facts) -> list[Need]:
    if not facts.fault:
        return []
    text = f"No data is taken or shown: {facts.fault}"
    return [Need(None, "critical", "fault", text, "this system", None, "")]


def _silent(cards: Sequence[Card], facts: Facts) -> list[Need]:
    """Silent devices of gateways that are there, a line for each gateway; an absent gateway says it for its devices."""
    if facts.fault:
        return []
    absent = {(node.site, node.node) for node in facts.nodes if not node.online}
    silent: dict[tuple[str, str], list[Card]] = {}
    for card in cards:
        if card.main.stale and card.key[:2] not in absent:
            silent.setdefault(card.key[:2], []).append(card)
    return [
        Need(
            alert=None,
            severity="silent",
            state="silent",
            text=_silent_text([card.key[2] for card in those]),
            where=f"{site} · {node}",
            age_ms=max((card.main.age_ms for card in those if card.main.age_ms is not None), default=None),
            seen="",
            link=device_page(those[0].key) if len(those) == 1 else gateway_page(site, node),
        )
        for (site, node), those in silent.items()
    ]


def _silent_text(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"{names[0]} is silent: nothing is known of it"
    more = f" and {len(names) - _NAMED_MOST} more" if len(names) > _NAMED_MOST else ""
    return f"{len(names)} devices are silent: {', '.join(names[:_NAMED_MOST])}{more}"


def _absent(facts: Facts) -> list[Need]:
    """Gateways that are offline, unless an alert says so already."""
    said = {(each.site, each.node) for each in facts.alerts if each.rule == GATEWAY_RULE}
    return [
        Need(
            alert=None,
            severity="silent",
            state="offline",
            text="Gateway is offline: nothing is known of what it reads",
            where=f"{each.site} · {each.node}",
            age_ms=max(0, facts.now_ms - (each.death_ms or each.birth_ms)),
            seen="",
            link=gateway_page(each.site, each.node),
        )
        for each in facts.nodes
        if not each.online and (each.site, each.node) not in said
    ]
