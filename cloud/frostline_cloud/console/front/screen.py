"""The first page as plain values: made from what SQL and the store know, without a browser.

No data never reads as "all is well": a silent device, an absent gateway or an ingest that takes nothing is said first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from frostline_cloud.alerts import Incident
from frostline_cloud.console.front.card import Card, Stock, card_of, stock_of
from frostline_cloud.console.front.facts import Delivery, Facts
from frostline_cloud.console.front.need import Need, needs, rank
from frostline_cloud.console.front.values import DeviceKey

STOCK_KIND: Final = "stock_zone"
MOST_NEEDS: Final = 100


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


def screen(facts: Facts) -> Screen:
    """The first page for these facts."""
    worst = _worst(facts.alerts)
    stocks = [each for each in facts.devices if each.description.kind == STOCK_KIND]
    cards = tuple(card_of(each, facts, worst) for each in facts.devices if each.description.kind != STOCK_KIND)
    found = needs(facts, cards)
    ages = [card.main.age_ms for card in cards if card.main.age_ms is not None]
    return Screen(
        at_ms=facts.now_ms,
        fault=facts.fault,
        nodes=len(facts.nodes),
        nodes_online=sum(each.online for each in facts.nodes),
        devices=len(facts.devices),
        silent=sum(bool(card.main.stale) for card in cards),
        oldest_ms=max(ages, default=None),
        needs=tuple(found[:MOST_NEEDS]),
        more_needs=max(0, len(found) - MOST_NEEDS),
        cards=cards,
        stock=tuple(line for each in stocks for line in stock_of(each, facts)),
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


def _worst(alerts: Sequence[Incident]) -> dict[DeviceKey, str]:
    worst: dict[DeviceKey, str] = {}
    for each in alerts:
        key = (each.site, each.node, each.device)
        if key not in worst or rank(each.severity) < rank(worst[key]):
            worst[key] = each.severity
    return worst
