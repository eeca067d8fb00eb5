"""What the first page is made of, as SQL and the store know it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from frostline_cloud.alerts import Handling, Incident
from frostline_cloud.api.live import LiveValue
from frostline_cloud.console.front.values import DeviceKey, History
from frostline_cloud.rules.taken import Taken
from frostline_cloud.sql.registry import KnownDevice, KnownNode


@dataclass(frozen=True, slots=True)
class Delivery:
    """The account of the whole fleet, over all time.

    Attributes:
        received: Samples that came.
        unexplained: Samples, and readings of gateways, without a fate: anything but 0 is an error of ours.
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
class Facts:
    """What a screen is made of.

    Attributes:
        fault: Why no data is taken or can be shown; "" when it is.
        values: By device.
        histories: By device.
        alerts: Open ones.
        handled: What people made of them.
        to_close: Alerts about compliance that are over and wait for cause and disposition.
        refusals: Gateways that refuse the rules that they were sent.
        unsent: Why a gateway's rules cannot be sent to it, by site and name.
        unshown: Devices that the page has no room for.
        delivery: None while it has not been read.
    """

    now_ms: int
    fault: str = ""
    nodes: Sequence[KnownNode] = ()
    devices: Sequence[KnownDevice] = ()
    values: Mapping[DeviceKey, Sequence[LiveValue]] = field(default_factory=dict)
    histories: Mapping[DeviceKey, History] = field(default_factory=dict)
    alerts: Sequence[Incident] = ()
    handled: Mapping[str, Handling] = field(default_factory=dict)
    to_close: int = 0
    refusals: Sequence[Taken] = ()
    unsent: Mapping[tuple[str, str], str] = field(default_factory=dict)
    unshown: int = 0
    delivery: Delivery | None = None
