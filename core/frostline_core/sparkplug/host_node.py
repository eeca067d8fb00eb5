"""A node as the host's session keeps it: its births, its order, and the short ways of its DATA topics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from frostline_core.sparkplug.layout import Learned
from frostline_core.sparkplug.messages import MetricMessage, PayloadMessage
from frostline_core.sparkplug.order import Order
from frostline_core.sparkplug.singles import Alone
from frostline_core.sparkplug.topics import Topic
from frostline_core.sparkplug.views import NodeView


@dataclass(slots=True)
class Arrived:
    """A message under way; not frozen because there is one for each message."""

    topic: Topic
    text: str
    raw: bytes
    message: PayloadMessage


@dataclass(slots=True)
class Node:
    """What is known of a node, and what waits for its turn."""

    view: NodeView
    order: Order[Arrived]
    routes: dict[str, Route] = field(default_factory=dict)  # by device
    unheard: bool = False  # offline only because nobody listened: its session may go on

    def forget(self) -> None:
        """A birth: what was learned of its messages holds no longer."""
        for each in self.routes.values():
            each.learned.forget()
            each.alone.forget()


@dataclass(frozen=True, slots=True)
class Route:
    """What a DATA topic leads to, in one look."""

    view: NodeView
    passes: Callable[[int], bool]  # `Order.passes`
    device: str
    learned: Learned
    alone: Alone


def is_online(view: NodeView, device: str) -> bool:
    """Whether a device, or with "" the node itself, was born and has not died."""
    found = view.devices.get(device)
    return not device or (found is not None and found.online)


def resolve(view: NodeView, device: str, metric: MetricMessage) -> bool:
    """Whether births declared a metric; one that comes by name gets its alias put in."""
    if metric.HasField("alias") and metric.alias in view.aliases:
        return True
    bound = view.by_name.get((device, metric.name)) if metric.name else None
    if bound is None:
        return False
    metric.alias = bound.alias
    return True


def gap_of(view: NodeView, message: PayloadMessage) -> str | None:
    """Value of `Frostline/Gap`, None without."""
    return next((each.string_value for each in message.metrics if each.alias == view.gap_alias), None)
