"""What the first page shows, as plain values: made from what SQL and the store know, without a browser.

No data never reads as "all is well": a silent device, an absent gateway or an ingest that takes nothing is said first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from frostline_cloud.alerts import Handling, Incident
from frostline_cloud.alerts.mute import Mute
from frostline_cloud.alerts.topology import GATEWAY_RULE
from frostline_cloud.api.live import LiveValue, find
from frostline_cloud.console.values import (
    NO_HISTORY,
    DeviceKey,
    History,
    Shown,
    key_of,
    main_metric,
    shown,
)
from frostline_cloud.sql.registry import KnownDevice, KnownNode

STOCK_KIND: Final = "stock_zone"
COUNT: Final = "count_"
_BESIDE: Final = (
    "setpoint",
    "evaporator_temperature",
    "door_open",
    "defrost_active",
    "alarm_active",
    "compressor_running",
    "discharge_pressure",
    "capacity",
    "humidity",
    "frequency",
    "energy_import",
)
_RANK: Final = {"critical": 0, "warning": 1, "info": 2}
_BESIDE_MOST: Final = 4
_NAMED_MOST: Final = 5
MOST_NEEDS: Final = 100


@dataclass(frozen=True, slots=True)
class Card:
    """A device.

    Attributes:
        beside: Other values worth a word: numbers, and flags that are set.
        severity: Of its worst open alert; "" without one.
    """

    key: DeviceKey
    kind: str
    zone: str
    main: Shown
    beside: tuple[Shown, ...]
    severity: str
    history: History = NO_HISTORY


@dataclass(frozen=True, slots=True)
class Need:
    """Something that somebody should look at: an open alert, or something that is silent.

    Attributes:
        alert: The alert's id, where it is one and can be acknowledged.
        severity: `critical`, `warning`, `info` or `silent`.
        state: The alert's state, or `offline`, `silent` or `fault`.
        age_ms: Since when; None where that is not known.
        seen: Who acknowledged it; "" for nobody.
    """

    alert: str | None
    severity: str
    state: str
    text: str
    where: str
    age_ms: int | None
    seen: str


@dataclass(frozen=True, slots=True)
class Stock:
    """How many of one product a zone holds."""

    key: DeviceKey
    zone: str
    item: str
    count: Shown


@dataclass(frozen=True, slots=True)
class Delivery:
    """The account of the whole fleet, over all time.

    Attributes:
        received: Samples that came.
        unexplained: Samples without a fate: anything but 0 is an error of ours.
        lost: Samples listed as lost.
        uncounted: Losses of which nobody knows how many samples they were.
        dead: Samples that could not be stored.
    """

    received: int = 0
    unexplained: int = 0
    lost: int = 0
    uncounted: int = 0
    dead: int = 0


@dataclass(frozen=True, slots=True)
class Screen:
    """The first page.

    Attributes:
        delivery: None while it has not been read.
        at_ms: When it was read.
        fault: Why no data is taken or can be shown; "" when it is.
        oldest_ms: Age of the oldest value among devices that should be talking; None without any.
        more_needs: Needs that the page has no room for.
        unshown: Devices that the page has no room for.
    """

    at_ms: int
    fault: str = ""
    nodes: int = 0
    nodes_online: int = 0
    devices: int = 0
    silent: int = 0
    oldest_ms: int | None = None
    needs: tuple[Need, ...] = ()
    more_needs: int = 0
    cards: tuple[Card, ...] = ()
    stock: tuple[Stock, ...] = ()
    unshown: int = 0
    delivery: Delivery | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What a screen is made of: `values` and `histories` by device, the open alerts and what people made of them."""

    now_ms: int
    fault: str = ""
    nodes: Sequence[KnownNode] = ()
    devices: Sequence[KnownDevice] = ()
    values: Mapping[DeviceKey, Sequence[LiveValue]] = field(default_factory=dict)
    histories: Mapping[DeviceKey, History] = field(default_factory=dict)
    alerts: Sequence[Incident] = ()
    handled: Mapping[str, Handling] = field(default_factory=dict)
    unshown: int = 0
    delivery: Delivery | None = None


def screen(facts: Facts) -> Screen:
    """The first page for these facts."""
    worst = _worst(facts.alerts)
    stocks = [each for each in facts.devices if each.description.kind == STOCK_KIND]
    cards = tuple(_card(each, facts, worst) for each in facts.devices if each.description.kind != STOCK_KIND)
    needs = (*_faults(facts), *_alerts(facts), *_absent(facts), *_silent(cards, facts))
    ages = [card.main.age_ms for card in cards if card.main.age_ms is not None]
    return Screen(
        at_ms=facts.now_ms,
        fault=facts.fault,
        nodes=len(facts.nodes),
        nodes_online=sum(each.online for each in facts.nodes),
        devices=len(facts.devices),
        silent=sum(bool(card.main.stale) for card in cards),
        oldest_ms=max(ages, default=None),
        needs=needs[:MOST_NEEDS],
        more_needs=max(0, len(needs) - MOST_NEEDS),
        cards=cards,
        stock=tuple(line for each in stocks for line in _stock(each, facts)),
        unshown=facts.unshown,
        delivery=facts.delivery,
    )


def verdict(shown: Screen) -> str:
    """The one sentence below "What needs me now" when no alert is open."""
    if shown.fault:
        return f"Nothing can be said: {shown.fault}."
    if shown.devices == 0:
        return "No device has reported yet, so nothing can be said."
    if shown.silent:
        return f"No open alert, but {shown.silent} of {shown.devices} devices are silent: nothing is known of them."
    if shown.nodes_online < shown.nodes:
        return "No open alert, but not every gateway is online: nothing is known of what it reads."
    return f"No open alert; all {shown.devices} devices report."


def account(delivery: Delivery | None) -> str:
    """What became of all samples, in a few words."""
    if delivery is None or not delivery.received + delivery.lost + delivery.uncounted:
        return ""
    parts = [f"{delivery.unexplained:,} samples unexplained"] if delivery.unexplained else []
    if delivery.lost or delivery.uncounted:
        more = f" and {delivery.uncounted:,} uncounted losses" if delivery.uncounted else ""
        parts.append(f"{delivery.lost:,} samples lost{more}, listed with reasons")
    if delivery.dead:
        parts.append(f"{delivery.dead:,} dead letters")
    return "; ".join(parts) or f"all {delivery.received:,} samples accounted for, none lost"


def _card(device: KnownDevice, facts: Facts, worst: Mapping[DeviceKey, str]) -> Card:
    key = key_of(device)
    values = facts.values.get(key, ())
    name = main_metric(device)
    main = find(values, name) if name is not None else None
    empty = Shown((name or "").replace("_", " "), "–", "", "", facts.fault or "not read yet", None)  # noqa: RUF001
    beside = [
        shown(value, facts.now_ms)
        for value in (find(values, other) for other in _BESIDE if other != name)
        if value is not None and value.value is not None and value.value is not False
    ]
    return Card(
        key=key,
        kind=device.description.kind.replace("_", " "),
        zone=device.description.zone,
        main=empty if main is None else shown(main, facts.now_ms),
        beside=tuple(beside[:_BESIDE_MOST]),
        severity=worst.get(key, ""),
        history=facts.histories.get(key, NO_HISTORY),
    )


def _stock(device: KnownDevice, facts: Facts) -> list[Stock]:
    return [
        Stock(
            key_of(device),
            device.description.zone,
            value.metric.name.removeprefix(COUNT),
            shown(value, facts.now_ms),
        )
        for value in facts.values.get(key_of(device), ())
        if value.metric.name.startswith(COUNT)
    ]


def _worst(alerts: Sequence[Incident]) -> dict[DeviceKey, str]:
    worst: dict[DeviceKey, str] = {}
    for each in alerts:
        key = (each.site, each.node, each.device)
        if key not in worst or _rank(each.severity) < _rank(worst[key]):
            worst[key] = each.severity
    return worst


def _rank(severity: str) -> int:
    return _RANK.get(severity, len(_RANK))


def _alerts(facts: Facts) -> list[Need]:
    """Open alerts, the worst first, then the oldest; what somebody has seen or quietened comes after what nobody has.

    What follows from another alert is one line for each cause.
    """
    ordered = sorted(facts.alerts, key=lambda each: _order(each, _handling(facts, each)))
    following: dict[str, list[Incident]] = {}
    needs = []
    for each in ordered:
        handled = _handling(facts, each)
        if handled.muted == Mute.INHIBITED:
            following.setdefault(handled.muted_by or "", []).append(each)
        else:
            needs.append(_need(each, handled, facts.now_ms))
    return needs + [_followers(cause, those, facts.now_ms) for cause, those in following.items()]


def _order(each: Incident, handled: Handling) -> tuple[bool, int, int, str]:
    quiet = each.acknowledged_ms is not None or handled.muted is not None
    return (quiet, _rank(each.severity), each.opened_ms, each.id)


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
    )


def _followers(cause: str, those: Sequence[Incident], now_ms: int) -> Need:
    oldest = min(each.fired_ms or each.opened_ms for each in those)
    many = "1 alert follows" if len(those) == 1 else f"{len(those)} alerts follow"
    devices = dict.fromkeys(each.device or each.node for each in those)
    named = ", ".join(list(devices)[:_NAMED_MOST])
    more = f" and {len(devices) - _NAMED_MOST} more" if len(devices) > _NAMED_MOST else ""
    worst = min((each.severity for each in those), key=_rank)
    text = f"{many} from this: {cause}"
    return Need(None, worst, "not told", text, f"{named}{more}", max(0, now_ms - oldest), "")


def _handling(facts: Facts, each: Incident) -> Handling:
    return facts.handled.get(each.id) or Handling(each.id)


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
        )
        for each in facts.nodes
        if not each.online and (each.site, each.node) not in said
    ]
