"""Sparkplug B 3.0 without I/O: codec, topics, the edge node's session and the host application's."""

from frostline_core.sparkplug.births import (
    BD_SEQ,
    REBIRTH,
    UNKNOWN_KIND,
    BirthMetric,
    DeviceBirth,
    describe,
    describe_metric,
)
from frostline_core.sparkplug.codec import MAX_BYTES, MAX_METRICS, decode, encode, parse, read, type_of
from frostline_core.sparkplug.commands import Command, CommitCame, HostState, RebirthAsked, WriteAsked
from frostline_core.sparkplug.compressed import inflated
from frostline_core.sparkplug.declared import UndeclaredError
from frostline_core.sparkplug.edge_session import EdgeSession, MismatchError
from frostline_core.sparkplug.envelope import Outgoing, Refused
from frostline_core.sparkplug.events import (
    DataCame,
    DeviceBorn,
    DeviceDied,
    Event,
    NodeBack,
    NodeBorn,
    NodeDied,
    RebirthWanted,
    SequenceGap,
    StateWrong,
    Unresolved,
)
from frostline_core.sparkplug.host_session import HostSession
from frostline_core.sparkplug.layout import Metrics
from frostline_core.sparkplug.messages import MetricMessage, PayloadMessage, backend
from frostline_core.sparkplug.payload import DataSet, Metric, Parameter, Payload, Property, Template, WireValue
from frostline_core.sparkplug.shortcut import Skimmed
from frostline_core.sparkplug.state import StatePayload
from frostline_core.sparkplug.topics import (
    EVERYTHING,
    NAMESPACE,
    MessageType,
    Topic,
    check_id,
    state_topic,
)
from frostline_core.sparkplug.topics import parse as parse_topic
from frostline_core.sparkplug.values import QUALITY, quality_of, set_quality, set_value, value_of
from frostline_core.sparkplug.views import BoundMetric, DeviceView, NodeView

__all__ = [
    "BD_SEQ",
    "EVERYTHING",
    "MAX_BYTES",
    "MAX_METRICS",
    "NAMESPACE",
    "QUALITY",
    "REBIRTH",
    "UNKNOWN_KIND",
    "BirthMetric",
    "BoundMetric",
    "Command",
    "CommitCame",
    "DataCame",
    "DataSet",
    "DeviceBirth",
    "DeviceBorn",
    "DeviceDied",
    "DeviceView",
    "EdgeSession",
    "Event",
    "HostSession",
    "HostState",
    "MessageType",
    "Metric",
    "MetricMessage",
    "Metrics",
    "MismatchError",
    "NodeBack",
    "NodeBorn",
    "NodeDied",
    "NodeView",
    "Outgoing",
    "Parameter",
    "Payload",
    "PayloadMessage",
    "Property",
    "RebirthAsked",
    "RebirthWanted",
    "Refused",
    "SequenceGap",
    "Skimmed",
    "StatePayload",
    "StateWrong",
    "Template",
    "Topic",
    "UndeclaredError",
    "Unresolved",
    "WireValue",
    "WriteAsked",
    "backend",
    "check_id",
    "decode",
    "describe",
    "describe_metric",
    "encode",
    "inflated",
    "parse",
    "parse_topic",
    "quality_of",
    "read",
    "set_quality",
    "set_value",
    "state_topic",
    "type_of",
    "value_of",
]
