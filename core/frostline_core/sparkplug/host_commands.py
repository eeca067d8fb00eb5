"""What a host application sends to nodes: NCMD and DCMD, as topic and payload, for QoS 0 and not retained.

Commands carry a timestamp and never a seq (payloads-ncmd-seq, payloads-dcmd-seq).
"""

from __future__ import annotations

from collections.abc import Sequence

from frostline_core.commit.wire import COMMIT
from frostline_core.reading import DataType
from frostline_core.sparkplug.births import REBIRTH
from frostline_core.sparkplug.codec import encode, write_metric
from frostline_core.sparkplug.messages import PayloadMessage
from frostline_core.sparkplug.payload import Metric, Payload
from frostline_core.sparkplug.topics import NAMESPACE, MessageType, Topic
from frostline_core.sparkplug.views import FIRST_OWN_ALIAS, NodeView


def write_command(view: NodeView, device: str, metrics: Sequence[Metric], now_ms: int) -> tuple[str, bytes]:
    """NCMD (device "") or DCMD that writes metrics, by alias where the node's births gave one.

    Args:
        view: The node as its births said it is.
        device: The device, or "" for the node itself.
        metrics: By name, as births declared them.
        now_ms: UTC milliseconds.

    Raises:
        ValueError: A metric that no birth declared, or a value that does not fit its type.
    """
    message = PayloadMessage(timestamp=now_ms)
    for metric in metrics:
        bound = view.by_name.get((device, metric.name))
        if bound is None:
            raise ValueError(f"{view.site}/{view.node}/{device}: no birth declared '{metric.name}'")
        name, alias = (metric.name, None) if bound.alias >= FIRST_OWN_ALIAS else ("", bound.alias)
        declared = bound.description.datatype
        written = message.metrics.add()
        write_metric(written, Metric(name, alias, now_ms, declared, metric.value, metric.value is None))
        written.ClearField("datatype")
    kind = MessageType.DCMD if device else MessageType.NCMD
    return str(Topic(kind, view.site, view.node, device)), message.SerializeToString()


def rebirth_command(site: str, node: str, now_ms: int) -> tuple[str, bytes]:
    """NCMD that asks a node, known or not, for all its births."""
    metric = Metric(REBIRTH, None, now_ms, DataType.BOOLEAN, True)
    return str(Topic(MessageType.NCMD, site, node)), encode(Payload(now_ms, None, (metric,)))


def commit_command(view: NodeView, value: bytes, now_ms: int) -> tuple[str, bytes]:
    """NCMD that tells a node what is in the database; `value` is from `commit.pack_commits`.

    The same bytes as `write_command` makes, put together by hand: there is one for each node in each flush.

    Raises:
        ValueError: The node never declared `Frostline/Commit`.
    """
    bound = view.by_name.get(("", COMMIT))
    if bound is None:
        raise ValueError(f"{view.site}/{view.node}/: no birth declared '{COMMIT}'")
    at = _varint(now_ms)
    which = _NAMED if bound.alias >= FIRST_OWN_ALIAS else b"\x10" + _varint(bound.alias)
    metric = which + b"\x18" + at + b"\x82\x01" + _varint(len(value)) + value
    payload = b"\x08" + at + b"\x12" + _varint(len(metric)) + metric
    return f"{NAMESPACE}/{view.site}/NCMD/{view.node}", payload


_NAMED = b"\x0a" + bytes((len(COMMIT),)) + COMMIT.encode()
"""Field 1 of a metric: its name (sparkplug_b.proto; alias is 2, timestamp 3, bytes_value 16)."""


def _varint(number: int) -> bytes:
    """An unsigned number as protobuf writes it, seven bits a byte, lowest first."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
