"""Tagged items: where each lies, and how they move."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from frostline_core.epc import sgtin96
from frostline_sim.config import OUTSIDE, FlowConfig, ProductConfig, ZoneConfig

MOST_ITEMS = 10_000
"""At this many items on hand deliveries stop."""
_MOST_MOVES = 10_000
"""Moves remembered for the ground truth; older ones are only counted."""


@dataclass(frozen=True, slots=True)
class Item:
    """One tagged thing.

    Attributes:
        epc: Its tag's EPC, 12 bytes.
        gtin: GTIN-14 of the article.
        rssi_dbm: How strongly its tag is heard, by how it lies.
    """

    epc: bytes
    gtin: str
    rssi_dbm: float


@dataclass(frozen=True, slots=True)
class Move:
    """An item went from one zone to another, at a world time in seconds; `outside` is no zone."""

    at_s: float
    epc: bytes
    source: str
    to: str


class Stock:
    """All items by zone. `changes` grows with each change, so that a reader can see that it must look again."""

    def __init__(
        self,
        products: Sequence[ProductConfig],
        zones: Sequence[ZoneConfig],
        flows: Sequence[FlowConfig],
        rng: random.Random,
    ) -> None:
        self._products = {product.gtin: product for product in products}
        self._flows = flows
        self._rng = rng
        self._serial = 0
        self._zones: dict[str, list[Item]] = {
            zone.name: [self._make(gtin) for gtin, count in zone.items.items() for _ in range(count)] for zone in zones
        }
        self._taken: dict[int, tuple[str, list[Item]]] = {}
        self.moves: deque[Move] = deque(maxlen=_MOST_MOVES)
        self.changes = 0

    def step(self, dt_s: float, now_s: float, working: bool) -> None:
        """Lets items move for `dt_s` seconds; nothing moves outside working hours."""
        if not working:
            return
        for flow in self._flows:
            if self._rng.random() < flow.per_h * dt_s / 3600.0:
                self._move(flow, now_s)

    def zone(self, name: str) -> Sequence[Item]:
        """The items in a zone."""
        return self._zones[name]

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Zone -> GTIN-14 -> items."""
        return {zone: dict(Counter(item.gtin for item in items)) for zone, items in self._zones.items()}

    def take(self, key: int, zone: str, count: int, now_s: float) -> None:
        """Removes items from a zone without anybody's order: theft, breakage. `give_back(key)` undoes it."""
        items = self._zones[zone]
        taken = [items.pop(self._rng.randrange(len(items))) for _ in range(min(count, len(items)))]
        self._taken[key] = (zone, taken)
        self._note(taken, zone, OUTSIDE, now_s)

    def give_back(self, key: int, now_s: float) -> None:
        """Puts back what `take` with that key removed."""
        zone, taken = self._taken.pop(key)
        self._zones[zone].extend(taken)
        self._note(taken, OUTSIDE, zone, now_s)

    def _move(self, flow: FlowConfig, now_s: float) -> None:
        if flow.source == OUTSIDE:
            if sum(len(items) for items in self._zones.values()) >= MOST_ITEMS:
                return
            item = self._make(self._rng.choice(sorted(self._products)))
        else:
            items = self._zones[flow.source]
            if not items:
                return
            item = items.pop(self._rng.randrange(len(items)))
        if flow.to != OUTSIDE:
            self._zones[flow.to].append(item)
        self._note([item], flow.source, flow.to, now_s)

    def _note(self, items: Sequence[Item], source: str, to: str, now_s: float) -> None:
        self.moves.extend(Move(now_s, item.epc, source, to) for item in items)
        self.changes += 1

    def _make(self, gtin: str) -> Item:
        self._serial += 1
        epc = sgtin96(gtin, self._serial, self._products[gtin].prefix_digits)
        return Item(epc, gtin, self._rng.uniform(-68.0, -48.0))
