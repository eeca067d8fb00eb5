"""The edge node's side of one Sparkplug session: what to publish, and what a received message asks for.

One object per MQTT connection attempt; it owns `seq` and what was declared, and knows no clock or socket.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from frostline_core.commit.wire import BATCH, COMMIT
from frostline_core.errors import ProtocolError
from frostline_core.reading import DataType
from frostline_core.sparkplug import topics
from frostline_core.sparkplug.births import BD_SEQ, REBIRTH, BirthMetric, DeviceBirth, birth_metric, device_metrics
from frostline_core.sparkplug.codec import encode, parse, type_of
from frostline_core.sparkplug.commands import Command, CommitCame, HostState, RebirthAsked, WriteAsked
from frostline_core.sparkplug.compressed import deflated
from frostline_core.sparkplug.declared import Declarations, UndeclaredError
from frostline_core.sparkplug.envelope import Outgoing, Refused
from frostline_core.sparkplug.messages import PayloadMessage
from frostline_core.sparkplug.payload import Metric, Payload
from frostline_core.sparkplug.state import StatePayload
from frostline_core.sparkplug.topics import MessageType, Topic, check_id, state_topic
from frostline_core.sparkplug.values import set_value, value_of

if TYPE_CHECKING:
    from frostline_core.sparkplug.messages import MetricMessage


class MismatchError(ValueError):
    """DATA whose stored type cannot be turned into the declared one without loss; nothing was sent."""


class EdgeSession:
    """One session of an edge node, from the will that CONNECT leaves to the death.

    Attributes:
        deflates: Whether DATA goes out compressed where that makes it smaller (`compressed`); births never do.
    """

    def __init__(self, group: str, node: str, bd_seq: int, host_id: str = "", *, proved: bool = True) -> None:
        """Starts a session; nothing is published yet.

        Args:
            group: The site.
            node: The gateway.
            bd_seq: 0 to 255; the caller keeps it on disk and raises it before every CONNECT (first 0; 0 after 255).
            host_id: The primary host to wait for; "" waits for none.
            proved: Whether births declare `Frostline/Batch`, which tells the host that every DATA is a numbered batch.

        Raises:
            ConfigError: An id cannot stand in a topic.
            ValueError: bd_seq is not in 0 to 255.
        """
        if not 0 <= bd_seq <= 255:
            raise ValueError(f"bdSeq {bd_seq} is not in 0 to 255")
        self.group = check_id(group, "site")
        self.node = check_id(node, "node")
        self.host_id = check_id(host_id, "host_id") if host_id else ""
        self.bd_seq = bd_seq
        self.proved = proved
        self.deflates = False
        self.born = False
        self.host_online = False
        self._seq = 0
        self._host_seen_ms = -1
        self._declared = Declarations(bd_seq)
        self._dead: set[str] = set()

    @property
    def may_birth(self) -> bool:
        """Whether the primary host is there to hear it (message-flow-edge-node-birth-publish-phid-wait)."""
        return self.host_online or not self.host_id

    def will(self) -> Outgoing:
        """What the broker publishes when we are cut off: bdSeq and nothing else, so that it needs no clock."""
        return self._death(None)

    def death(self, now_ms: int) -> Outgoing:
        """The same, published by ourselves before a disconnect; ends the session."""
        self.born = False
        return self._death(now_ms)

    def subscriptions(self) -> list[tuple[str, int]]:
        """Topic filters and QoS, to be acknowledged before the births."""
        found = [
            (str(Topic(MessageType.NCMD, self.group, self.node)), 1),
            (f"{Topic(MessageType.DCMD, self.group, self.node)}/#", 1),
        ]
        return [*found, (state_topic(self.host_id), 1)] if self.host_id else found

    def birth(
        self, now_ms: int, node_metrics: Sequence[BirthMetric] = (), devices: Sequence[DeviceBirth] = ()
    ) -> list[Outgoing]:
        """NBIRTH and a DBIRTH for each device, for the first time or as a rebirth; seq starts anew at 0.

        Args:
            now_ms: UTC milliseconds.
            node_metrics: What the node sends besides bdSeq, rebirth and `Frostline/Batch`, which are always there.
            devices: Those that answer now.

        Raises:
            ValueError: A value does not fit its type, or a birth exceeds the bounds of a payload.
        """
        self._seq = 0
        self.born = True
        self._declared.restart()
        self._dead = set()
        fixed = [
            Metric(BD_SEQ, None, now_ms, DataType.INT64, self.bd_seq),
            Metric(REBIRTH, None, now_ms, DataType.BOOLEAN, False),
        ]
        declared = self._declare("", node_metrics, now_ms)
        raw = encode(Payload(now_ms, self._next_seq(), (*fixed, *declared)))
        node = Outgoing(str(Topic(MessageType.NBIRTH, self.group, self.node)), raw, 0, False)
        return [node, *(self.device_birth(now_ms, device) for device in devices)]

    def device_birth(self, now_ms: int, device: DeviceBirth) -> Outgoing:
        """DBIRTH of a device that answers for the first time, again, or with other metrics than before.

        Raises:
            ValueError: NBIRTH was not sent yet, a value does not fit its type, or the payload's bounds are exceeded.
            ConfigError: The device's id cannot stand in a topic.
        """
        self._need_birth()
        name = check_id(device.description.id, "device")
        self._dead.discard(name)
        metrics = self._declare(name, device_metrics(device, now_ms), now_ms)
        return self._outgoing(MessageType.DBIRTH, name, now_ms, metrics)

    def device_death(self, now_ms: int, device: str) -> Outgoing:
        """DDEATH of a device that no longer answers.

        Rows measured before its death can still be sent under its aliases; they go out as historical.

        Raises:
            UndeclaredError: It is not born.
        """
        self._need_birth()
        if not device or not self._declared.is_born(device):
            raise UndeclaredError(device, ())
        self._dead.add(device)
        return self._outgoing(MessageType.DDEATH, device, now_ms, [])

    def data(self, now_ms: int, device: str, metrics: Sequence[Metric]) -> Outgoing:
        """NDATA (device "") or DDATA of metrics given by name; goes out with aliases, without names and types.

        Raises:
            UndeclaredError: No birth of this session declared one of them.
            ValueError: A value does not fit its declared type.
        """
        self._need_birth()
        declared = self._declared.of(device, [metric.name for metric in metrics])
        typed = [replace(metric, alias=None, datatype=declared[metric.name].datatype) for metric in metrics]
        return self.data_message(now_ms, device, parse(encode(Payload(now_ms, None, tuple(typed)))))

    def data_message(self, now_ms: int, device: str, message: PayloadMessage, *, historical: bool = False) -> Outgoing:
        """NDATA or DDATA from a stored payload whose metrics carry names; the message is changed in place.

        A metric stored under another type than the session declares is converted where nothing is lost.

        Args:
            now_ms: UTC milliseconds.
            device: "" for the node itself.
            message: Names, no aliases, no seq; a metric without a time of its own has the stored payload's.
            historical: Whether to mark every metric as historical (sent from a backlog).

        Raises:
            UndeclaredError: No birth of this session declared one of the metrics; the message is untouched.
            MismatchError: A stored value cannot be turned into its declared type.
        """
        self._need_birth()
        declared = self._declared.of(device, [metric.name for metric in message.metrics])
        for metric in message.metrics:
            if metric.datatype != declared[metric.name].datatype and metric.datatype:
                _convert(metric, declared[metric.name].datatype)
        historical = historical or device in self._dead
        for metric in message.metrics:
            metric.alias = declared[metric.name].alias
            metric.ClearField("name")
            metric.ClearField("datatype")
            if historical:
                metric.is_historical = True
            if not metric.timestamp:
                metric.timestamp = message.timestamp or now_ms
        message.timestamp = now_ms
        message.seq = self._next_seq()
        kind = MessageType.DDATA if device else MessageType.NDATA
        raw = deflated(message) if self.deflates else message.SerializeToString()
        return Outgoing(str(Topic(kind, self.group, self.node, device)), raw, 0, False)

    def receive(self, topic: str, raw: bytes, now_ms: int) -> list[Command]:
        """What a received message asks for, one command for each metric in it; empty for what is not for us.

        Liberal as the specification's own test kit needs: any QoS, no timestamp, alias or name, type or not.
        """
        del now_ms  # Commands are followed when they come; a sender's clock decides nothing.
        try:
            parsed = topics.parse(topic)
        except ProtocolError as error:
            return [Refused(topic, raw, str(error))]
        if parsed.type is MessageType.STATE:
            return self._state(topic, parsed.node, raw)
        if parsed.type not in (MessageType.NCMD, MessageType.DCMD) or (parsed.group, parsed.node) != self._identity:
            return []
        try:
            message = parse(raw)
        except ProtocolError as error:
            return [Refused(topic, raw, str(error))]
        found = self._commands(parsed.device, message)
        return [Refused(topic, raw, each) if isinstance(each, str) else each for each in found]

    @property
    def _identity(self) -> tuple[str, str]:
        return self.group, self.node

    def _state(self, topic: str, host: str, raw: bytes) -> list[Command]:
        """STATE of our host; one older than the newest seen is ignored (…-phid-wait-timestamp)."""
        if host != self.host_id:
            return []
        try:
            state = StatePayload.decode(raw)
        except ProtocolError as error:
            return [Refused(topic, raw, str(error))]
        if state.timestamp_ms < self._host_seen_ms:
            return []
        self._host_seen_ms = state.timestamp_ms
        self.host_online = state.online
        return [HostState(state.online)]

    def _commands(self, device: str, message: PayloadMessage) -> Iterator[Command | str]:
        """The commands in an NCMD or DCMD; a text says why one cannot be followed."""
        for metric in message.metrics:
            name, declared = self._declared.meant(device, metric.name, metric.alias)
            if name == REBIRTH and not device:
                if metric.boolean_value:
                    yield RebirthAsked()
            elif declared is None:
                what = f"'{name:.80}'" if name else f"alias {metric.alias}"
                yield f"command for {what} of {device or 'the node'}: no birth declared it"
            else:
                yield _asked(device, name, metric, declared.datatype)

    def _declare(self, device: str, metrics: Sequence[BirthMetric], now_ms: int) -> list[Metric]:
        """The metrics of a birth, with aliases; from now on DATA may carry them."""
        wanted = [metric for metric in metrics if metric.name != BATCH]
        if self.proved:
            wanted.append(BirthMetric(BATCH, DataType.BYTES))
        declared = self._declared.declare(device, wanted)
        return [birth_metric(metric, declared[metric.name].alias, now_ms) for metric in wanted]

    def _need_birth(self) -> None:
        if not self.born:
            raise ValueError("NBIRTH comes first (principles-birth-certificates-order)")

    def _outgoing(self, kind: MessageType, device: str, now_ms: int, metrics: Sequence[Metric]) -> Outgoing:
        raw = encode(Payload(now_ms, self._next_seq(), tuple(metrics)))
        return Outgoing(str(Topic(kind, self.group, self.node, device)), raw, 0, False)

    def _death(self, now_ms: int | None) -> Outgoing:
        raw = encode(Payload(now_ms, None, (Metric(BD_SEQ, None, None, DataType.INT64, self.bd_seq),)))
        return Outgoing(str(Topic(MessageType.NDEATH, self.group, self.node)), raw, 1, False)

    def _next_seq(self) -> int:
        seq = self._seq
        self._seq = (seq + 1) % 256
        return seq


def _asked(device: str, name: str, metric: MetricMessage, declared: DataType) -> Command | str:
    """The command in one metric of NCMD or DCMD."""
    try:
        value = value_of(metric, type_of(metric.datatype) if metric.datatype else declared)
    except ProtocolError as error:
        return f"command for '{name:.80}' of {device or 'the node'}: {error}"
    if name == COMMIT and not device:
        return CommitCame(value) if isinstance(value, bytes) else f"{COMMIT} without bytes"
    return WriteAsked(device, name, value)


def _convert(metric: MetricMessage, declared: DataType) -> None:
    """Turns a stored value into the type that the session declares."""
    try:
        value = value_of(metric, type_of(metric.datatype))
        if isinstance(value, float) and value.is_integer() and declared <= DataType.UINT64:
            value = int(value)
        field = metric.WhichOneof("value")
        if field is not None:
            metric.ClearField(field)
        set_value(metric, declared, value)
    except (ProtocolError, ValueError) as error:
        raise MismatchError(f"'{metric.name}' was stored as type {metric.datatype}: {error}") from error
