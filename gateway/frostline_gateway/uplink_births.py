"""What the uplink's births declare: the devices of now, and whatever rows in the spool still need.

A row may be older than the device's present shape, or outlive the device: its metrics are then added to the birth (or
the device is born from what the spool remembers, and dies at once), so that no row is dropped for want of a birth.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from frostline_core.commit import COMMIT, GAP, RUNS, Runs, pack_runs
from frostline_core.commit.account import ACCOUNT
from frostline_core.reading import DataType, DeviceDescription, MetricDescription
from frostline_core.sparkplug import BirthMetric, DeviceBirth
from frostline_core.sparkplug.births import UNKNOWN_KIND
from frostline_core.sparkplug.messages import PayloadMessage
from frostline_gateway.devices import Devices
from frostline_gateway.refetch import REFETCH
from frostline_gateway.spool import Spool

PROOF = "Frostline/Proof"
"""Node metric (String) of a gateway that takes the broker's word for delivery: "none"."""


class Births:
    """Kept for the life of the process, so that what a row needed once is declared in every later session.

    Args:
        devices: Those that answer now.
        spool: What devices were.
    """

    def __init__(self, devices: Devices, spool: Spool) -> None:
        self._devices, self._spool = devices, spool
        self._extra: dict[str, dict[str, DataType]] = {}

    def node(self, runs: Runs | None) -> list[BirthMetric]:
        """The metrics of NBIRTH; `runs` is None where delivery is not proved."""
        own = self._devices.node_metrics()
        own += [BirthMetric(GAP, DataType.STRING)]
        if runs is None:
            own += [BirthMetric(PROOF, DataType.STRING, "none")]
        else:
            own += [BirthMetric(RUNS, DataType.BYTES, pack_runs(runs)), BirthMetric(COMMIT, DataType.BYTES)]
            own += [BirthMetric(REFETCH, DataType.STRING, writable=True), BirthMetric(ACCOUNT, DataType.STRING)]
        extra = self._extra.get("", {})
        kept = [m if extra.get(m.name, m.datatype) is m.datatype else BirthMetric(m.name, extra[m.name]) for m in own]
        known = {metric.name for metric in own}
        return kept + [BirthMetric(name, datatype) for name, datatype in extra.items() if name not in known]

    def live(self) -> list[DeviceBirth]:
        """The devices that answer now."""
        return [self.of(device) for device in list(self._devices)]

    def answers(self, device: str) -> bool:
        """Whether the device answers now."""
        return device in self._devices

    def of(self, device: str) -> DeviceBirth:
        """The birth of a device: as it is, or as the spool remembers it, with all that rows of it still need.

        Raises:
            UnavailableError: The spool cannot be read.
        """
        birth = self._devices.get(device)
        if birth is None:
            remembered = self._spool.remembered(device)
            birth = DeviceBirth(remembered or DeviceDescription(device, UNKNOWN_KIND), {})
        extra = self._extra.get(device)
        return birth if not extra else _extended(birth, extra)

    def need(self, device: str, message: PayloadMessage, names: Iterable[str] = ()) -> None:
        """Declares from now on what a stored message carries.

        Args:
            device: "" for the node.
            message: With names and types.
            names: Only these metrics; all of them if empty.
        """
        wanted = set(names)
        extra = self._extra.setdefault(device, {})
        for metric in message.metrics:
            if metric.datatype and (not wanted or metric.name in wanted):
                extra[metric.name] = DataType(metric.datatype)


def _extended(birth: DeviceBirth, extra: dict[str, DataType]) -> DeviceBirth:
    description = birth.description
    kept = tuple(replace(m, datatype=extra.get(m.name, m.datatype)) for m in description.metrics)
    added = tuple(MetricDescription(name, kind) for name, kind in extra.items() if description.metric(name) is None)
    changed = {m.name for m, before in zip(kept, description.metrics, strict=True) if m.datatype is not before.datatype}
    values = {name: reading for name, reading in birth.values.items() if name not in changed}
    return DeviceBirth(replace(description, metrics=kept + added), values)
