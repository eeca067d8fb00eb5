"""What births and deaths have changed and SQL does not know yet.

A `Changes` gathers events in the order in which they came and keeps what is left of them in the end, so that its size
is bounded by the fleet however long SQL is away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from frostline_core.commit import Runs
from frostline_core.reading import DeviceDescription

NodeKey = tuple[str, str]
"""Site and node."""
Key = tuple[str, str, str]
"""Site, node and device."""


@dataclass(frozen=True, slots=True)
class BornNode:
    """An NBIRTH.

    Attributes:
        runs: What it says that the gateway holds; None where it says nothing.
        raw: Its bytes: the alias table after a restart.
    """

    site: str
    node: str
    proved: bool
    bd_seq: int
    birth_ms: int
    runs: Runs | None
    raw: bytes


@dataclass(frozen=True, slots=True)
class BornDevice:
    """A DBIRTH."""

    site: str
    node: str
    description: DeviceDescription
    birth_ms: int
    raw: bytes


@dataclass(slots=True)
class Changes:
    """What births and deaths have changed, and SQL does not know yet.

    Attributes:
        nodes: NBIRTHs, the newest of each node.
        devices: DBIRTHs, the newest of each device.
        node_died: When each node went offline; None where it is online.
        device_died: The same of devices that said something themselves, by node.
        gone: Nodes whose devices are offline since then, but for those that said something after that.
        retired: Devices whose births are to be forgotten, by node; None is the node with all of them.
    """

    nodes: dict[NodeKey, BornNode] = field(default_factory=dict)
    devices: dict[Key, BornDevice] = field(default_factory=dict)
    node_died: dict[NodeKey, int | None] = field(default_factory=dict)
    device_died: dict[NodeKey, dict[str, int | None]] = field(default_factory=dict)
    gone: dict[NodeKey, int] = field(default_factory=dict)
    retired: dict[NodeKey, set[str | None]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.node_died or self.device_died or self.retired)

    def born(self, birth: BornNode) -> None:
        """A node is born; its devices are offline until they are born too."""
        owner = (birth.site, birth.node)
        self.nodes[owner] = birth
        self.node_died[owner] = None
        self._devices_gone(owner, birth.birth_ms)

    def device_born(self, birth: BornDevice) -> None:
        """A device is born."""
        key = (birth.site, birth.node, birth.description.id)
        self.devices[key] = birth
        self.device_died.setdefault(key[:2], {})[key[2]] = None

    def back(self, owner: NodeKey, devices: Iterable[str]) -> None:
        """A node and these devices of it were taken for offline and are not."""
        self.node_died[owner] = None
        if back := dict.fromkeys(devices):
            self.device_died.setdefault(owner, {}).update(back)

    def died(self, owner: NodeKey, at_ms: int) -> None:
        """A node is gone, and with it every device."""
        self.node_died[owner] = at_ms
        self._devices_gone(owner, at_ms)

    def lost_device(self, key: Key, at_ms: int) -> None:
        """A device said that it goes."""
        self.device_died.setdefault(key[:2], {})[key[2]] = at_ms

    def retire(self, owner: NodeKey, device: str | None) -> None:
        """A device (None: the node with all of them) is gone for good; a later birth brings it back."""
        self.retired.setdefault(owner, set()).add(device)

    def each(self) -> Iterator[Changes]:
        """The same in pieces that each hold one birth or one death, in an order that may be written."""
        if self.retired:
            yield Changes(retired=self.retired)
        for owner in self.node_died:
            nodes = {owner: self.nodes[owner]} if owner in self.nodes else {}
            gone = {owner: self.gone[owner]} if owner in self.gone else {}
            yield Changes(nodes, {}, {owner: self.node_died[owner]}, {}, gone)
        for owner, died in self.device_died.items():
            for name, at_ms in died.items():
                key = (*owner, name)
                devices = {key: self.devices[key]} if key in self.devices else {}
                yield Changes({}, devices, {}, {owner: {name: at_ms}})

    def in_order(self) -> Changes:
        """The same, by name: two ingests that hear the same births then lock rows in the same order."""
        return Changes(
            dict(sorted(self.nodes.items())),
            dict(sorted(self.devices.items())),
            dict(sorted(self.node_died.items())),
            {owner: dict(sorted(died.items())) for owner, died in sorted(self.device_died.items())},
            dict(sorted(self.gone.items())),
            dict(sorted(self.retired.items())),
        )

    def _devices_gone(self, owner: NodeKey, at_ms: int) -> None:
        self.gone.setdefault(owner, at_ms)
        died = self.device_died.get(owner, {})
        for name, died_ms in died.items():
            if died_ms is None:
                died[name] = at_ms
