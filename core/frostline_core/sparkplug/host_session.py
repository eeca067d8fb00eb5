"""The host application's side of Sparkplug: STATE out, every node's messages in, events and commands as the result.

It knows no clock and no socket. What waits is counted by a clock that only goes forward (`steady_ms`), what is told is
told in UTC (`now_ms`). Births, order and rebirth requests are its matter; what the values mean is not.
A node that declared `Frostline/Batch` is proved: its DATA is handed on at once, in whatever order, because batches
carry their own numbers, and is handed on even while the node is not known to be online, because the alias of its
batch metric belongs to one session only. Any other node's messages wait for a missing one up to the reorder time-out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from frostline_core.errors import ProtocolError
from frostline_core.moment import Moment
from frostline_core.reading import DataType
from frostline_core.sparkplug import topics
from frostline_core.sparkplug.births import BD_SEQ
from frostline_core.sparkplug.codec import decode, parse, read
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
    Unresolved,
)
from frostline_core.sparkplug.host_commands import commit_command, rebirth_command, write_command
from frostline_core.sparkplug.host_node import Arrived, Node, gap_of, resolve
from frostline_core.sparkplug.host_state import HostState
from frostline_core.sparkplug.layout import Prepare
from frostline_core.sparkplug.order import Order
from frostline_core.sparkplug.payload import Metric
from frostline_core.sparkplug.rebirths import NodeKey, Rebirths
from frostline_core.sparkplug.shortcut import MOST_TOPICS, Shortcut, Skimmed
from frostline_core.sparkplug.topics import MessageType, Topic, check_id, state_topic
from frostline_core.sparkplug.views import NodeView

MOST_NODES = 10_000
"""Most nodes of one host; messages of further ones are refused."""
_DATA = (MessageType.NDATA, MessageType.DDATA)


class HostSession:
    """One host application; lives through reconnects and keeps what it knows of the nodes."""

    def __init__(
        self,
        host_id: str,
        reorder_timeout_ms: int = 2000,
        rebirth_interval_ms: int = 30_000,
        rebirths_per_s: float = 100.0,
    ) -> None:
        """Starts with no node known.

        Args:
            host_id: Sparkplug host id.
            reorder_timeout_ms: How long a missing message of a plain node is waited for.
            rebirth_interval_ms: A node is asked for births at most once in this time.
            rebirths_per_s: All nodes together at most so often: a tenth of what births cost a host in full.

        Raises:
            ConfigError: The id cannot stand in a topic.
        """
        self.host_id = check_id(host_id, "host_id")
        self._reorder_timeout_ms = reorder_timeout_ms
        self._rebirths = Rebirths(rebirth_interval_ms, rebirths_per_s)
        self._nodes: dict[NodeKey, Node] = {}
        self._waiting: set[NodeKey] = set()
        self._topics: dict[str, Topic] = {}
        self._shortcut = Shortcut(self._nodes, self._topic_of)
        self._state = HostState(host_id)

    def will(self, now_ms: int) -> Outgoing:
        """See `HostState.will`."""
        return self._state.will(now_ms)

    def subscriptions(self) -> list[tuple[str, int]]:
        """Topic filters and QoS, to be acknowledged before `online` is published."""
        return [(state_topic(self.host_id), 1), (topics.EVERYTHING, 1)]

    def online(self, now_ms: int) -> Outgoing:
        """See `HostState.online`.

        Raises:
            ValueError: There is no will yet, or `offline` was said since.
        """
        return self._state.online(now_ms)

    def pause(self, now_ms: int) -> Outgoing:
        """See `HostState.pause`."""
        return self._state.pause(now_ms)

    def offline(self, now_ms: int) -> Outgoing:
        """See `HostState.offline`."""
        return self._state.offline(now_ms)

    def node(self, site: str, node: str) -> NodeView | None:
        """What is known of a node."""
        found = self._nodes.get((site, node))
        return found.view if found else None

    def nodes(self) -> Iterator[NodeView]:
        """Every node known."""
        return (each.view for each in self._nodes.values())

    def restore(self, site: str, node: str, nbirth: bytes, dbirths: Mapping[str, bytes], now_ms: int = 0) -> NodeView:
        """Makes a node known from births kept by the caller; it counts as offline until it is heard.

        Its devices come back with it; `living` of the view may say that fewer do.

        Args:
            site: Its group.
            node: Its id.
            nbirth: Payload of its last NBIRTH.
            dbirths: Payload of the last DBIRTH of each device, newest first: one that does not go together with those
                before it is of an earlier session, and is left out.
            now_ms: Stands in for a birth's time where it has none.

        Raises:
            ProtocolError: The NBIRTH is malformed.
        """
        view = NodeView(site, node)
        view.bear(decode(nbirth), now_ms)
        for device, raw in dbirths.items():
            with suppress(ProtocolError):
                view.bear_device(device, decode(raw), now_ms)
        view.die()
        self._nodes[site, node] = Node(view, Order(self._reorder_timeout_ms, not view.proved), unheard=True)
        self._shortcut.forget()
        return view

    def receive(self, topic: str, raw: bytes, now_ms: int, steady_ms: int | None = None) -> list[Event]:
        """What a received message means; commands of hosts, ours included, and other hosts' STATE mean nothing.

        Never raises for anything received: what is malformed comes back as Refused.

        Args:
            topic: As it came.
            raw: The payload.
            now_ms: UTC; stands in where a message has no time.
            steady_ms: The clock of `tick`; None: `now_ms` serves as that.
        """
        try:
            parsed = self._topic_of(topic)
            if parsed.type is MessageType.STATE:
                return list(self._state.heard(parsed.node, raw))
            if parsed.type in (MessageType.NCMD, MessageType.DCMD):
                return []
            return self._from_node(Arrived(parsed, topic, raw, parse(raw)), Moment.at(now_ms, steady_ms))
        except ProtocolError as error:
            return [Refused(topic, raw, str(error))]

    def prepare(self, prepare: Prepare) -> None:
        """Says what is made of the metrics of a form; before any message is skimmed."""
        self._shortcut.prepare = prepare

    def skim(self, items: Sequence[Any], start: int, latest_ms: int, skimmed: Skimmed) -> int:
        """See `Shortcut.skim`."""
        return self._shortcut.skim(items, start, latest_ms, skimmed)

    def tick(self, now_ms: int, steady_ms: int | None = None) -> list[Event]:
        """What follows from time alone: missing messages given up, rebirths that had to wait.

        Args:
            now_ms: UTC.
            steady_ms: Of a clock that only goes forward; None: `now_ms` serves as that.
        """
        now = Moment.at(now_ms, steady_ms)
        events: list[Event] = []
        for key in list(self._waiting):
            node = self._nodes[key]
            if node.order.gap is None:
                self._waiting.discard(key)
            elif node.order.overdue(now.steady_ms):
                events += self._give_up(node, now)
        events += [RebirthWanted(*key, reason) for key, reason in self._rebirths.due(now.steady_ms)]
        return events

    def connection_lost(self, now_ms: int, steady_ms: int | None = None) -> list[Event]:
        """Our own connection to the broker is gone: whatever it told us of is stale; times are those of `tick`."""
        now = Moment.at(now_ms, steady_ms)
        events: list[Event] = []
        for node in self._nodes.values():
            held = node.order.give_up()
            events += [event for each in held for event in self._apply(node, each, now)]
            if node.view.online:
                node.view.die()
                node.unheard = True
                events.append(NodeDied(node.view, now_ms))
        self._waiting.clear()
        return events

    def command(self, site: str, node: str, device: str, metrics: Sequence[Metric], now_ms: int) -> tuple[str, bytes]:
        """See `host_commands.write_command`.

        Raises:
            ValueError: A metric that no birth declared, or a value that does not fit its type.
        """
        return write_command(self.node(site, node) or NodeView(site, node), device, metrics, now_ms)

    def rebirth_command(self, site: str, node: str, now_ms: int) -> tuple[str, bytes]:
        """See `host_commands.rebirth_command`."""
        return rebirth_command(site, node, now_ms)

    def commit_command(self, site: str, node: str, value: bytes, now_ms: int) -> tuple[str, bytes]:
        """See `host_commands.commit_command`.

        Raises:
            ValueError: The node never declared `Frostline/Commit`.
        """
        return commit_command(self.node(site, node) or NodeView(site, node), value, now_ms)

    def _topic_of(self, topic: str) -> Topic:
        parsed = self._topics.get(topic)
        if parsed is None:
            if len(self._topics) >= MOST_TOPICS:
                self._topics.clear()
            parsed = self._topics[topic] = topics.parse(topic)
        return parsed

    def _from_node(self, arrived: Arrived, now: Moment) -> list[Event]:
        key = (arrived.topic.group, arrived.topic.node)
        node = self._nodes.get(key)
        if arrived.topic.type is MessageType.NBIRTH:
            return self._node_birth(key, arrived, now)
        if arrived.topic.type is MessageType.NDEATH:
            return self._node_death(node, arrived, now)
        if node is None:
            return self._unresolved(arrived, "no NBIRTH of this node was heard", now)
        if not node.view.online:
            return self._while_offline(node, arrived, now)
        if not arrived.message.HasField("seq"):
            return self._apply(node, arrived, now)
        events: list[Event] = []
        for each in node.order.arrived(arrived.message.seq & 255, arrived, now.steady_ms):
            events += self._apply(node, each, now)
        if node.order.gap is not None:
            self._waiting.add(key)
            if node.order.overdue(now.steady_ms):
                events += self._give_up(node, now)
        return events

    def _node_birth(self, key: NodeKey, arrived: Arrived, now: Moment) -> list[Event]:
        node = self._nodes.get(key)
        if node is None and len(self._nodes) >= MOST_NODES:
            raise ProtocolError(f"more than {MOST_NODES} nodes")
        payload = read(arrived.message)
        view = node.view if node else NodeView(*key)
        view.bear(payload, now.utc_ms)
        if node is None:
            node = self._nodes[key] = Node(view, Order(self._reorder_timeout_ms, not view.proved))
        node.order.holds = not view.proved
        node.unheard = False
        node.forget()
        orphans = node.order.restart((payload.seq or 0) & 255)
        self._rebirths.born(key)
        overtaken = [
            Refused(each.text, each.raw, "its session ended before a missing message came") for each in orphans
        ]
        return [*overtaken, NodeBorn(view, payload, arrived.raw)]

    def _node_death(self, node: Node | None, arrived: Arrived, now: Moment) -> list[Event]:
        """Only the death of the present session counts: a late will must not end the session that came after."""
        payload = read(arrived.message, names={BD_SEQ: DataType.INT64})
        bd_seq = next((metric.value for metric in payload.metrics if metric.name == BD_SEQ), None)
        if bd_seq is None:
            raise ProtocolError("NDEATH without bdSeq")
        if node is None or bd_seq != node.view.bd_seq:
            return []
        node.unheard = False
        if not node.view.online:
            return []
        events: list[Event] = []
        for each in node.order.give_up():
            events += self._apply(node, each, now)
        node.view.die()
        return [*events, NodeDied(node.view, now.utc_ms)]

    def _while_offline(self, node: Node, arrived: Arrived, now: Moment) -> list[Event]:
        reason = "the node is not known to be online"
        if not node.view.proved or arrived.topic.type not in _DATA:
            return self._unresolved(arrived, reason, now)
        events = self._apply(node, arrived, now)
        if node.unheard and all(isinstance(event, DataCame) and event.batch is not None for event in events):
            return [self._back(node, arrived), *events]
        return [*events, *self._want_birth(arrived.topic, reason, now)]

    def _back(self, node: Node, arrived: Arrived) -> NodeBack:
        """The alias of its batch metric says that a proved node's session is the one that is known: no birth needed."""
        node.unheard = False
        node.view.revive()
        if arrived.message.HasField("seq"):
            node.order.restart(arrived.message.seq & 255)
        return NodeBack(node.view)

    def _give_up(self, node: Node, now: Moment) -> list[Event]:
        """The missing message will not come: say so, go on with what waited, and ask for births."""
        expected, got = node.order.gap or (node.order.next, node.order.next)
        events: list[Event] = [SequenceGap(node.view, expected, got)]
        for each in node.order.give_up():
            events += self._apply(node, each, now)
        key = (node.view.site, node.view.node)
        self._waiting.discard(key)
        reason = f"seq {expected} is missing"
        if self._rebirths.want(key, reason, now.steady_ms):
            events.append(RebirthWanted(*key, reason))
        return events

    def _apply(self, node: Node, arrived: Arrived, now: Moment) -> list[Event]:
        """Handles a message whose turn it is."""
        try:
            if arrived.topic.type is MessageType.DBIRTH:
                payload = read(arrived.message)
                device = node.view.bear_device(arrived.topic.device, payload, now.utc_ms)
                node.forget()
                return [DeviceBorn(node.view, device, payload, arrived.raw)]
            if arrived.topic.type is MessageType.DDEATH:
                return self._device_death(node, arrived, now)
        except ProtocolError as error:
            return [Refused(arrived.text, arrived.raw, str(error))]
        return self._data(node, arrived, now)

    def _device_death(self, node: Node, arrived: Arrived, now: Moment) -> list[Event]:
        device = node.view.devices.get(arrived.topic.device)
        if device is None or not device.online:
            return []
        device.online = False
        at_ms = arrived.message.timestamp if arrived.message.HasField("timestamp") else now.utc_ms
        return [DeviceDied(node.view, device, at_ms)]

    def _data(self, node: Node, arrived: Arrived, now: Moment) -> list[Event]:
        view, device = node.view, arrived.topic.device
        if device and not view.proved:
            device_view = view.devices.get(device)
            if device_view is None or not device_view.online:
                return self._unresolved(arrived, f"no DBIRTH of device '{device:.80}'", now)
        aliases, batch_alias = view.aliases, view.batch_aliases.get(device)
        batch: bytes | None = None
        for metric in arrived.message.metrics:
            alias = metric.alias
            if alias == batch_alias:
                batch = metric.bytes_value
            elif (alias not in aliases or not alias) and not resolve(view, device, metric):
                what = f"metric '{metric.name:.80}'" if metric.name else f"alias {alias}"
                return self._unresolved(arrived, f"no birth declared {what}", now)
        self._shortcut.learn(node, arrived)
        gap = None if device or batch is None else gap_of(view, arrived.message)
        return [DataCame(view, device, arrived.message, batch, gap, arrived.text, arrived.raw)]

    def _unresolved(self, arrived: Arrived, reason: str, now: Moment) -> list[Event]:
        topic = arrived.topic
        lost = Unresolved(topic.group, topic.node, arrived.text, arrived.raw, reason)
        return [lost, *self._want_birth(topic, reason, now)]

    def _want_birth(self, topic: Topic, reason: str, now: Moment) -> list[Event]:
        asked = self._rebirths.want((topic.group, topic.node), reason, now.steady_ms)
        return [RebirthWanted(topic.group, topic.node, reason)] if asked else []
