"""What a rule looks at: one metric of one device, with what is known about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of one device.

    Attributes:
        site: Sparkplug group.
        node: Sparkplug edge node: the gateway.
        device: The device; "" for a metric of the gateway itself.
        kind: What sort of thing the device is, for example `cold_room`.
        zone: Where it stands; "" where that means nothing.
        metric: The metric's name.
        labels: Anything else to select by.
        retired: Somebody said that it is gone for good: no rule applies until it is born again.
        unit: UCUM code of its values, as its newest birth says; "" where that says nothing.
    """

    site: str
    node: str
    device: str
    kind: str
    zone: str
    metric: str
    labels: Mapping[str, str] = field(default_factory=dict)
    retired: bool = False
    unit: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes it this series and no other; kind, zone and labels may change with a new birth."""
        return (self.site, self.node, self.device, self.metric)
