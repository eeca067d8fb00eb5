"""What a host knows of the nodes it hears: built from births, and looked up for every message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from frostline_core.commit.wire import BATCH, GAP
from frostline_core.errors import ProtocolError
from frostline_core.reading import DeviceDescription, MetricDescription
from frostline_core.sparkplug.births import BD_SEQ, describe, describe_metric
from frostline_core.sparkplug.payload import Payload
from frostline_core.sparkplug.topics import has_control

FIRST_OWN_ALIAS = 1 << 62
"""Aliases from here on are ours: we give them to metrics that a birth declares by name only."""
MOST_DEVICES = 1_000
MOST_ALIASES = 50_000
MOST_NAME = 512
"""Longest name of a metric: it becomes a field in the store."""


@dataclass(slots=True)
class BoundMetric:
    """A metric as a birth declared it.

    Attributes:
        device: Its device; "" is the node itself.
        description: Name, type, unit and limits.
        alias: The number that stands for it in this session.
        slot: Free for ingest: the index of its series; -1 until ingest sets it, anew after every birth.
    """

    device: str
    description: MetricDescription
    alias: int
    slot: int = -1


@dataclass(slots=True)
class DeviceView:
    """A device of a node; offline until its DBIRTH and after its DDEATH."""

    id: str
    description: DeviceDescription
    online: bool = False
    birth_ms: int = 0


@dataclass(slots=True)
class NodeView:
    """A node and everything it declared since its NBIRTH.

    Attributes:
        site: Its Sparkplug group.
        node: Its id.
        online: Between its NBIRTH and its NDEATH, as far as we heard.
        proved: Its NBIRTH declared `Frostline/Batch`: every measurement comes as a numbered batch.
        bd_seq: Of the last NBIRTH.
        devices: By id; a device that has not been born since the last NBIRTH is offline.
        aliases: By alias, of the node and all its devices.
        by_name: The same by device and name.
        birth_ms: Time in the last NBIRTH.
        description: What the node itself measures, as a device of id "".
        batch_aliases: Alias of `Frostline/Batch` by device.
        gap_alias: Alias of `Frostline/Gap`, or None.
        own_aliases: How many aliases of ours were given in this node, ever.
        bound: The metrics of each device.
        living: Devices that were online when the node was last known to be.
    """

    site: str
    node: str
    online: bool = False
    proved: bool = False
    bd_seq: int = -1
    devices: dict[str, DeviceView] = field(default_factory=dict, repr=False)
    aliases: dict[int, BoundMetric] = field(default_factory=dict, repr=False)
    by_name: dict[tuple[str, str], BoundMetric] = field(default_factory=dict, repr=False)
    birth_ms: int = 0
    description: DeviceDescription = field(default_factory=lambda: DeviceDescription("", "node"))
    batch_aliases: dict[str, int] = field(default_factory=dict, repr=False)
    gap_alias: int | None = None
    own_aliases: int = 0
    bound: dict[str, list[BoundMetric]] = field(default_factory=dict, repr=False)
    living: frozenset[str] = frozenset()

    def bear(self, birth: Payload, now_ms: int) -> None:
        """Takes an NBIRTH in; all devices are offline until their DBIRTH.

        Raises:
            ProtocolError: It lacks bdSeq, or a metric has no name or an alias twice; nothing is changed.
        """
        bd_seq = next((metric.value for metric in birth.metrics if metric.name == BD_SEQ), None)
        if not isinstance(bd_seq, int) or isinstance(bd_seq, bool):
            raise ProtocolError("NBIRTH without a whole number bdSeq")
        bound = self._bind("", birth, {})
        self.devices = {name: DeviceView(name, each.description) for name, each in self.devices.items()}
        self.aliases.clear()
        self.by_name.clear()
        self.batch_aliases.clear()
        self.bound.clear()
        self._enter("", bound)
        self.description = describe("", birth, [each.description for each in bound])
        self.proved = ("", BATCH) in self.by_name
        gap = self.by_name.get(("", GAP))
        self.gap_alias = gap.alias if gap else None
        self.bd_seq = bd_seq
        self.birth_ms = now_ms if birth.timestamp_ms is None else birth.timestamp_ms
        self.online = True

    def bear_device(self, device: str, birth: Payload, now_ms: int) -> DeviceView:
        """Takes a DBIRTH in.

        Raises:
            ProtocolError: A metric has no name or an alias that is taken, or the node has too many devices or aliases;
                nothing is changed.
        """
        if device not in self.devices and len(self.devices) >= MOST_DEVICES:
            raise ProtocolError(f"more than {MOST_DEVICES} devices in one node")
        if len(self.aliases) + len(birth.metrics) > MOST_ALIASES:
            raise ProtocolError(f"more than {MOST_ALIASES} metrics in one node")
        bound = self._bind(device, birth, self.aliases)
        for each in self.bound.get(device, ()):
            del self.by_name[device, each.description.name]
            del self.aliases[each.alias]
        self.batch_aliases.pop(device, None)
        self._enter(device, bound)
        birth_ms = now_ms if birth.timestamp_ms is None else birth.timestamp_ms
        description = describe(device, birth, [each.description for each in bound])
        view = DeviceView(device, description, True, birth_ms)
        self.devices[device] = view
        return view

    def die(self) -> None:
        """The node is gone, and with it every device."""
        if self.online:
            self.living = frozenset(device.id for device in self.devices.values() if device.online)
        self.online = False
        for device in self.devices.values():
            device.online = False

    def revive(self) -> None:
        """The session that was taken for over goes on, with the devices that it had."""
        self.online = True
        for device in self.devices.values():
            device.online = device.id in self.living

    def _enter(self, device: str, bound: list[BoundMetric]) -> None:
        self.bound[device] = bound
        for each in bound:
            self.aliases[each.alias] = each
            self.by_name[device, each.description.name] = each
            if each.description.name == BATCH:
                self.batch_aliases[device] = each.alias

    def _bind(self, device: str, birth: Payload, present: Mapping[int, BoundMetric]) -> list[BoundMetric]:
        """The metrics of a birth; those without an alias get one of ours."""
        found: dict[int, BoundMetric] = {}
        names: set[str] = set()
        for metric in birth.metrics:
            alias = FIRST_OWN_ALIAS + self.own_aliases if metric.alias is None else metric.alias
            self.own_aliases += metric.alias is None
            if not metric.name:
                raise ProtocolError(f"a birth's metric with alias {metric.alias} has no name")
            if len(metric.name) > MOST_NAME or has_control(metric.name):
                raise ProtocolError(
                    f"metric {metric.name!r:.80}: a name of over {MOST_NAME} or with control characters"
                )
            taken = alias in found or (alias in present and present[alias].device != device)
            if taken or metric.name in names:
                raise ProtocolError(f"metric '{metric.name:.80}', alias {metric.alias}: its name or alias is taken")
            found[alias] = BoundMetric(device, describe_metric(metric), alias)
            names.add(metric.name)
        return list(found.values())
