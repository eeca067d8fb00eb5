"""What a host learns from a received message or from time that passes."""

from __future__ import annotations

from dataclasses import dataclass

from frostline_core.sparkplug.envelope import Refused
from frostline_core.sparkplug.messages import PayloadMessage
from frostline_core.sparkplug.payload import Payload
from frostline_core.sparkplug.state import StatePayload
from frostline_core.sparkplug.views import DeviceView, NodeView


@dataclass(frozen=True, slots=True)
class NodeBorn:
    """NBIRTH: the node's aliases are new, and its devices offline until their own births."""

    view: NodeView
    payload: Payload
    raw: bytes


@dataclass(frozen=True, slots=True)
class NodeBack:
    """A node is heard in the session that it had before nobody listened: its births hold, and its devices are back."""

    view: NodeView


@dataclass(frozen=True, slots=True)
class DeviceBorn:
    """DBIRTH: the device's metrics are bound anew; their slots are for ingest to set."""

    view: NodeView
    device_view: DeviceView
    payload: Payload
    raw: bytes


@dataclass(slots=True)
class DataCame:
    """NDATA or DDATA whose every metric has an alias in `view.aliases` (put in where the node sends names).

    Not frozen only because a frozen dataclass costs twice as much to make, and there is one for each message.

    Attributes:
        view: The node.
        device: "" for the node itself.
        message: As parsed; read values with `sparkplug.value_of`.
        batch: Value of `Frostline/Batch`, or None.
        gap: Value of `Frostline/Gap` (JSON), or None.
        topic: As received.
        raw: As received.
    """

    view: NodeView
    device: str
    message: PayloadMessage
    batch: bytes | None
    gap: str | None
    topic: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class NodeDied:
    """NDEATH of the present session, or our own connection is lost: all is stale from the host's `at_ms` on."""

    view: NodeView
    at_ms: int


@dataclass(frozen=True, slots=True)
class DeviceDied:
    """DDEATH: the device's metrics are stale from the payload's `at_ms` on."""

    view: NodeView
    device_view: DeviceView
    at_ms: int


@dataclass(frozen=True, slots=True)
class RebirthWanted:
    """Send `HostSession.rebirth_command` to this node now; already debounced."""

    site: str
    node: str
    reason: str


@dataclass(frozen=True, slots=True)
class SequenceGap:
    """Messages are missing for good: a loss of unknown size, unless the node is proved (its batches come again)."""

    view: NodeView
    expected: int
    got: int


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A message that needs a birth we have not got: the node is unknown or offline, or an alias is unknown."""

    site: str
    node: str
    topic: str
    raw: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class StateWrong:
    """The broker says something else of us than we last published: publish it again at once."""

    seen: StatePayload


Event = (
    NodeBorn
    | NodeBack
    | DeviceBorn
    | DataCame
    | NodeDied
    | DeviceDied
    | RebirthWanted
    | SequenceGap
    | Refused
    | Unresolved
    | StateWrong
)
