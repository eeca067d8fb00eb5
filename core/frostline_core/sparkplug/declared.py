"""What the births of one edge session have declared: types by name, and aliases, each given once.

An alias is never given twice in a session, and those of `Frostline/Batch` carry the session's bdSeq: a host that missed
a birth and still holds the aliases of the session before finds the batch's alias unknown, and puts no value under a
wrong name (docs/decisions/0002-batch-alias-belongs-to-a-session.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from frostline_core.commit.wire import BATCH
from frostline_core.reading import DataType
from frostline_core.sparkplug.births import BirthMetric

_SESSION_ALIASES = 1 << 24
"""Above every ordinary alias; from here on, aliases carry bdSeq."""
_PER_SESSION = 1 << 16


class UndeclaredError(ValueError):
    """DATA for metrics that no birth of this session declared; nothing was sent and no number used.

    Attributes:
        device: The device; "" is the node itself.
        names: The metrics; empty when the device itself is not born.
    """

    def __init__(self, device: str, names: tuple[str, ...]) -> None:
        what = ", ".join(names) if names else "the device is not born"
        super().__init__(f"no birth declared, of {device or 'the node'}: {what}")
        self.device = device
        self.names = names


@dataclass(frozen=True, slots=True)
class Declared:
    """How a metric goes out.

    Attributes:
        alias: In place of its name.
        datatype: Of its values.
    """

    alias: int
    datatype: DataType


class Declarations:
    """The metrics of the node ("") and of its devices, as of their newest births.

    Memory: an alias for each metric and type that was ever declared in the session.
    """

    def __init__(self, bd_seq: int) -> None:
        self._by_device: dict[str, Mapping[str, Declared]] = {}
        self._by_alias: dict[int, tuple[str, str]] = {}
        self._aliases: dict[tuple[str, str, DataType], int] = {}
        self._next_alias = 1
        self._next_session_alias = _SESSION_ALIASES + bd_seq * _PER_SESSION

    def restart(self) -> None:
        """A rebirth: nothing is declared any more; who is declared again keeps its aliases."""
        self._by_device = {}
        self._by_alias = {}

    def declare(self, device: str, metrics: Sequence[BirthMetric]) -> Mapping[str, Declared]:
        """What a birth declares, by name.

        Raises:
            ValueError: Two metrics have one name.
        """
        declared = {metric.name: Declared(self._alias(device, metric), metric.datatype) for metric in metrics}
        if len(declared) != len(metrics):
            raise ValueError(f"{device or 'the node'}: two metrics have one name")
        self._by_device[device] = declared
        self._by_alias.update({each.alias: (device, name) for name, each in declared.items()})
        return declared

    def is_born(self, device: str) -> bool:
        """Whether a birth of it was declared."""
        return device in self._by_device

    def of(self, device: str, names: Sequence[str]) -> Mapping[str, Declared]:
        """The metrics of a device.

        Raises:
            UndeclaredError: It is not born, or one of these names was not declared.
        """
        declared = self._by_device.get(device)
        if declared is None:
            raise UndeclaredError(device, ())
        missing = tuple(name for name in names if name not in declared)
        if missing:
            raise UndeclaredError(device, missing)
        return declared

    def meant(self, device: str, name: str, alias: int) -> tuple[str, Declared | None]:
        """The metric of a device that a command means by its name or, without one, by its alias.

        Returns:
            Its name, "" for an alias that nobody knows; and what was declared, None for nothing.
        """
        where, name = (device, name) if name else self._by_alias.get(alias, (device, ""))
        return name, self._by_device.get(device, {}).get(name) if where == device else None

    def _alias(self, device: str, metric: BirthMetric) -> int:
        key = (device, metric.name, metric.datatype)
        found = self._aliases.get(key)
        if found is None and metric.name == BATCH:
            found = self._aliases[key] = self._next_session_alias
            self._next_session_alias += 1
        elif found is None:
            found = self._aliases[key] = self._next_alias
            self._next_alias += 1
        return found
