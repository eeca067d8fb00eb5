"""What a received NCMD, DCMD or STATE asks of an edge node."""

from __future__ import annotations

from dataclasses import dataclass

from frostline_core.reading import Value
from frostline_core.sparkplug.envelope import Refused


@dataclass(frozen=True, slots=True)
class RebirthAsked:
    """A host wants all births again, in this session."""


@dataclass(frozen=True, slots=True)
class WriteAsked:
    """A host wants a value written; neither range nor permission is checked yet. Device "" is the node."""

    device: str
    metric: str
    value: Value


@dataclass(frozen=True, slots=True)
class CommitCame:
    """The host says what is in its database: the bytes of a `Frostline/Commit`."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class HostState:
    """Our host went online or offline."""

    online: bool


Command = RebirthAsked | WriteAsked | CommitCame | HostState | Refused
