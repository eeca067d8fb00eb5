"""The short way of nearly all messages: DATA in a form that was learned, of a node that is online, in order.

No protobuf object, no event: one tuple for each message, many messages in one call. Whatever is not plainly of this
kind goes the long way, `HostSession.receive`, which also learns the forms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from frostline_core.commit.wire import Regular
from frostline_core.errors import ProtocolError
from frostline_core.sparkplug.form import scan
from frostline_core.sparkplug.host_node import Arrived, Node, Route, is_online
from frostline_core.sparkplug.layout import Learned, Metrics, Prepare, Shapes
from frostline_core.sparkplug.rebirths import NodeKey
from frostline_core.sparkplug.singles import Alone, Singles
from frostline_core.sparkplug.topics import MessageType, Topic

MOST_TOPICS = 50_000
_DATA = (MessageType.NDATA, MessageType.DDATA)


@dataclass(slots=True)
class Skimmed:
    """Messages that went the short way.

    Attributes:
        batches: Of nodes that number them.
        plain: Of other nodes.
        samples: How many samples all of them have.
        size: How many bytes of payload the batches have.
    """

    batches: list[Regular] = field(default_factory=list)
    plain: list[Regular] = field(default_factory=list)
    samples: int = 0
    size: int = 0


class Shortcut:
    """The forms of one host's nodes, and who may go this way.

    Args:
        nodes: The host's.
        topic_of: Takes a topic apart; raises ProtocolError.
    """

    def __init__(self, nodes: Mapping[NodeKey, Node], topic_of: Callable[[str], Topic]) -> None:
        self._nodes, self._topic_of = nodes, topic_of
        self._routes: dict[str, Route] = {}
        self._shapes = Shapes()
        self._singles = Singles(self._shapes)
        self.prepare: Prepare = _itself

    def skim(self, items: Sequence[Any], start: int, latest_ms: int, skimmed: Skimmed) -> int:
        """Receives messages until one is to go the long way.

        Args:
            items: Topic and payload of each, as tuples; anything else goes the long way.
            start: The first to look at.
            latest_ms: A message of a later time goes the long way.
            skimmed: Takes them.

        Returns:
            Where it stopped: the place of the one that is `HostSession.receive`'s, or behind the last.
        """
        routes, read_single, batches = self._routes, self._singles.read, skimmed.batches
        at, samples, size = start, 0, 0
        for item in islice(items, start, None):
            if item.__class__ is not tuple:
                break
            topic, raw = item
            route = routes.get(topic) or self._route(topic)
            if route is None:
                break
            regular = read_single(raw, route.alone) or route.learned.read(raw)
            if regular is None or regular[4] > latest_ms:
                break
            view = route.view
            if not (view.online and (view.proved or is_online(view, route.device)) and route.passes(regular[7])):
                break
            if regular[1]:
                batches.append(regular)
                size += len(raw)
            else:
                skimmed.plain.append(regular)
            samples += len(regular[5])
            at += 1
        skimmed.samples += samples
        skimmed.size += size
        return at

    def learn(self, node: Node, arrived: Arrived) -> None:
        """A message that was read in full: the next of its form need not."""
        route = node.routes.get(arrived.topic.device)
        if route is None or not route.learned.may_learn():  # without a route nobody asks for it
            return
        form = scan(arrived.raw, node.view.aliases, node.view.batch_aliases.get(route.device))
        if form is not None and any(each.device != route.device for each in form.bound):
            form = None
        if form is None or not self._singles.learn(form):
            plan = None if form is None else self.prepare(Metrics(arrived.topic, tuple(form.bound)))
            route.learned.learn(arrived.raw, form, plan)

    def forget(self) -> None:
        """Nodes are others than before."""
        self._routes.clear()

    def _route(self, topic: str) -> Route | None:
        """The way of a DATA topic whose node and device are known."""
        try:
            parsed = self._topic_of(topic)
        except ProtocolError:
            return None
        node = self._nodes.get((parsed.group, parsed.node)) if parsed.type in _DATA else None
        if node is None or (parsed.device and parsed.device not in node.view.devices):
            return None
        route = node.routes.get(parsed.device)
        if route is None:
            alone = Alone(node.view, parsed, lambda metrics: self.prepare(metrics))
            route = Route(node.view, node.order.passes, parsed.device, Learned(self._shapes), alone)
            node.routes[parsed.device] = route
        if len(self._routes) >= MOST_TOPICS:
            self._routes.clear()
        self._routes[topic] = route
        return route


def _itself(metrics: Metrics) -> Metrics:
    return metrics
