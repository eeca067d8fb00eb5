"""Topics of the Sparkplug namespace: text in, values out (specification, chapter 4)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from frostline_core.errors import ConfigError, ProtocolError

NAMESPACE = "spBv1.0"
EVERYTHING = f"{NAMESPACE}/#"
MAX_ID_CHARS = 256
"""Longest group, node, device or host id that we accept; the specification sets none, MQTT ends at 65,535 bytes."""


class MessageType(StrEnum):
    """The third part of a topic (second for STATE)."""

    NBIRTH = "NBIRTH"
    NDATA = "NDATA"
    NDEATH = "NDEATH"
    NCMD = "NCMD"
    DBIRTH = "DBIRTH"
    DDATA = "DDATA"
    DDEATH = "DDEATH"
    DCMD = "DCMD"
    STATE = "STATE"


_OF_NODE = {kind.value: kind for kind in MessageType if kind.value.startswith("N")}
_OF_DEVICE = {kind.value: kind for kind in MessageType if kind.value.startswith("D")}


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic; `str(topic)` is its text.

    Attributes:
        type: What the message is.
        group: The group, our site; "" for STATE.
        node: The edge node, our gateway; the host's id for STATE.
        device: The device for D... messages, else "".
    """

    type: MessageType
    group: str
    node: str
    device: str = ""

    def __str__(self) -> str:
        if self.type is MessageType.STATE:
            return state_topic(self.node)
        return f"{NAMESPACE}/{self.group}/{self.type}/{self.node}" + (f"/{self.device}" if self.device else "")


def state_topic(host_id: str) -> str:
    """Where a host says whether it is online."""
    return f"{NAMESPACE}/STATE/{host_id}"


def parse(text: str) -> Topic:
    """The value of a topic's text.

    Raises:
        ProtocolError: It is no Sparkplug B topic, or an id in it is empty, too long or has a forbidden character.
    """
    parts = text.split("/")
    if parts[0] != NAMESPACE:
        raise ProtocolError(f"topic {text!r:.200}: not in the namespace {NAMESPACE}")
    if len(parts) == 3 and parts[1] == MessageType.STATE:
        topic = Topic(MessageType.STATE, "", parts[2])
    elif len(parts) == 4 and parts[2] in _OF_NODE:
        topic = Topic(_OF_NODE[parts[2]], parts[1], parts[3])
    elif len(parts) == 5 and parts[2] in _OF_DEVICE:
        topic = Topic(_OF_DEVICE[parts[2]], parts[1], parts[3], parts[4])
    else:
        raise ProtocolError(f"topic {text!r:.200}: not {NAMESPACE}/group/type/node[/device]")
    for part in parts[1:]:
        fault = _fault(part)
        if fault:
            raise ProtocolError(f"topic {text!r:.200}: an id {fault}")
    return topic


def check_id(text: str, what: str) -> str:
    """The id itself, if it may stand in a topic.

    Args:
        text: A group, node, device or host id.
        what: How the error calls it, for example `site`.

    Raises:
        ConfigError: It is empty, too long, no UTF-8, or has one of `+ / #` or a control character in it.
    """
    fault = _fault(text)
    if fault:
        raise ConfigError(f"{what} {text!r:.80}: {fault}")
    return text


def has_control(text: str) -> bool:
    """Whether there is a character that no name needs and that breaks lines, logs and terminals (C0, DEL)."""
    return not text.isprintable() and any(mark < " " or mark == "\x7f" for mark in text)


def _fault(text: str) -> str:
    """What is wrong with an id, or "" (topic-structure-namespace-valid-group-id and its sisters)."""
    if not text:
        return "must not be empty"
    if len(text) > MAX_ID_CHARS:
        return f"must not be longer than {MAX_ID_CHARS} characters"
    if any(mark in text for mark in "+/#") or has_control(text):
        return "must not have + / # or control characters in it"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "must be valid UTF-8"
    return ""
